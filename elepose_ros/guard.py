# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What keeps an exception of one callback from ending the executor, and with it the node."""

import traceback
from collections.abc import Callable

from elepose_core.errors import InputError
from elepose_ros.reports import Reporter

__all__ = ['alone', 'reason']


def reason(error: Exception, what: str, reporter: Reporter) -> str:
    """Return an exception as one sentence for whoever asked; a bug goes into the log as well.

    Args:
        error: The exception that is being handled.
        what: What it broke, for the log.
        reporter: Tells the log.
    """
    if isinstance(error, InputError):
        return str(error)
    text = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
    reporter.error(f'bug {what}', f'a bug in {what}, please report it:\n{text}')
    first = (str(error).splitlines() or [''])[0]
    return f'a bug in {what}, see the log ({type(error).__name__}: {first})'


def alone(work: Callable[[], object], what: str, reporter: Reporter) -> bool:
    """Do something whose failure must not take others with it; False = it failed, see the log."""
    try:
        work()
    except InputError as error:
        reporter.error(f'failed {what}', str(error))
    except Exception as error:
        reason(error, what, reporter)
    else:
        return True
    return False
