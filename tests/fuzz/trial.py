# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One trial: an input is accepted or refused in one sentence; anything else is a bug."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from elepose_core.errors import InputError

__all__ = ['ACCEPTED', 'REFUSED', 'UNREADABLE', 'Target', 'UnreadableError', 'trial']

ACCEPTED, REFUSED, UNREADABLE = 'accepted', 'refused', 'refused_by_middleware'
# A sentence, not a page; paths of the test machine have their share.
MOST_CHARACTERS = 1500


class UnreadableError(Exception):
    """The middleware does not make a message of these bytes, so a node never sees them."""


@dataclass(frozen=True)
class Target:
    """Something that takes input from outside.

    Attributes:
        name: Of the kind of input.
        make: Draws an input.
        take: Uses it as the program does, and checks what comes out.
    """

    name: str
    make: Callable[[Random], Any]
    take: Callable[[Any], None]


def trial(target: Target, random: Random) -> str:
    """Return what became of one input.

    Raises:
        Exception: Whatever the program let through: a bug.
    """
    made = target.make(random)
    try:
        target.take(made)
    except UnreadableError:
        return UNREADABLE
    except InputError as error:
        sentence = str(error)
        assert sentence, 'the sentence is empty'
        assert len(sentence) <= MOST_CHARACTERS, f'the sentence has {len(sentence)} characters'
        assert '\n' not in sentence, f'the sentence has lines: {sentence!r}'
        return REFUSED
    return ACCEPTED
