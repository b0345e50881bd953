# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Errors that are the user's to mend; the command line turns them into exit code 2."""

__all__ = ['InputError', 'MissingDependency', 'shown']

_MOST_CHARACTERS = 80


class InputError(ValueError):
    """Input is wrong: one sentence that names the field, its value and what was expected."""


class MissingDependency(InputError):  # noqa: N818
    """An optional package is absent: one sentence that names what to install."""


def shown(value: object) -> str:
    """Return a value from outside as it may stand in a sentence: quoted, on one line and short.

    >>> shown('rgb8')
    "'rgb8'"
    >>> len(shown('x' * 1_000_000)) < 120
    True
    """
    if isinstance(value, str | bytes) and len(value) > _MOST_CHARACTERS:
        return f'{value[:_MOST_CHARACTERS]!r}... ({len(value)} long)'
    text = repr(value)
    return text if len(text) <= 2 * _MOST_CHARACTERS else f'{text[:_MOST_CHARACTERS]}...'
