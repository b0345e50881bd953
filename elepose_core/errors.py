# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Errors that are the user's to mend; the command line turns them into exit code 2."""

__all__ = ['InputError', 'MissingDependency']


class InputError(ValueError):
    """Input is wrong: one sentence that names the field, its value and what was expected."""


class MissingDependency(InputError):  # noqa: N818
    """An optional package is absent: one sentence that names what to install."""
