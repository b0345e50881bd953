# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Damage to bytes, numbers, texts and trees, drawn from one source of randomness.

The source is a `random.Random`: one made of a seed in long runs, and one of hypothesis in tests,
which shrinks what it draws.
"""

import math
from random import Random
from typing import Any

import numpy as np

__all__ = [
    'damaged_bytes',
    'damaged_tree',
    'wild_array',
    'wild_float',
    'wild_int',
    'wild_text',
]

_INTS = (0, 1, 2, 3, 16, 17, 255, 256, 300, 301, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
_HUGE = (2**53, 2**63 - 1, 2**63, 2**64 - 1, 10**40)
_FLOATS = (0.0, -0.0, 1.0, 0.5, 1e-45, 1e-310, 1e6, 1e7, 3.4e38, 1e300, math.nan, math.inf)
_TEXTS = (
    '',
    'coco_17',
    'rgb8',
    'plumb_bob',
    '../../../../etc/passwd',
    '/dev/zero',
    'a\0b',
    '\ufffd\U0001f600',
    '%s%n',
    'x' * 300,
    '\n' * 5000,
)
_WORDS = (b'\0\0\0\0', b'\xff\xff\xff\xff', b'\xff\xff\xff\x7f', b'\0\0\0\x80', b'\x10\0\0\0')


def wild_int(random: Random, largest: int = 2**32 - 1) -> int:
    """Return a number >= 0, mostly at the edge of something."""
    chosen = random.choice(_INTS) if random.random() < 0.7 else random.randrange(4096)
    return min(chosen, largest)


def wild_float(random: Random) -> float:
    """Return a number that arithmetic does not like, or an ordinary one."""
    chosen = random.choice(_FLOATS) if random.random() < 0.6 else random.uniform(-2000, 2000)
    return -chosen if random.random() < 0.2 else chosen


def wild_text(random: Random) -> str:
    """Return a name that nobody expects."""
    return random.choice(_TEXTS)


def wild_array(random: Random, array: np.ndarray) -> np.ndarray:
    """Return an array with other values, another shape or another type."""
    what = random.randrange(7)
    if what == 0 and array.dtype.kind == 'f' and array.size:
        array = array.copy()
        for _ in range(random.randrange(1, 8)):
            with np.errstate(over='ignore'):
                array.flat[random.randrange(array.size)] = wild_float(random)
        return array
    if what == 1 and array.dtype.kind in 'iu' and array.size:
        array = array.astype(random.choice(('i8', 'u8')))
        value = wild_int(random, 2**63 - 1) if random.random() < 0.8 else 2**63 - 1
        array.flat[random.randrange(array.size)] = value
        return array
    if what == 2:
        return array[..., : random.randrange(3)] if array.ndim else array[None]
    if what == 3:
        return array.reshape(-1) if random.random() < 0.5 else array[None]
    if what == 4:
        kinds = ('f2', 'f8', 'i1', 'u8', 'c8', '?', 'S3', 'U2', 'M8[s]', 'V4')
        try:
            with np.errstate(all='ignore'):
                kind = np.dtype(random.choice(kinds))
                real = array.real if kind.kind != 'c' else array
                return real.astype(kind)
        except (TypeError, ValueError):
            return np.zeros(array.shape, 'V4')
    if what == 5:
        return np.array(random.choice([b'\xff\xfe', 'text', 1e300, 10**18, True, 2 + 3j]))
    return np.zeros(random.choice([(0,), (0, 17, 2), (1, 0), (), (2, 3, 4, 5)]))


def damaged_tree(random: Random, tree: Any) -> Any:
    """Return a tree of JSON with one part exchanged, left out or repeated."""
    if isinstance(tree, dict) and tree and random.random() < 0.85:
        key = random.choice(list(tree))
        if random.random() < 0.2:
            return {k: v for k, v in tree.items() if k != key}
        return {**tree, key: damaged_tree(random, tree[key])}
    if isinstance(tree, list) and tree and random.random() < 0.85:
        place = random.randrange(len(tree))
        if random.random() < 0.2:
            return tree[:place] + tree[place:] * random.randrange(3)
        return [*tree[:place], damaged_tree(random, tree[place]), *tree[place + 1 :]]
    return random.choice(
        [
            lambda: wild_int(random),
            lambda: -wild_int(random),
            lambda: random.choice(_HUGE),
            lambda: wild_float(random),
            lambda: wild_text(random),
            lambda: None,
            lambda: True,
            lambda: [],
            lambda: {},
            lambda: [[tree]],
            lambda: {'id': tree},
        ]
    )()


def damaged_bytes(random: Random, data: bytes) -> bytes:
    """Return bytes with a few places changed, cut, repeated or moved."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        place = random.randrange(len(out) + 1)
        what = random.randrange(8)
        if what == 0 and place < len(out):
            out[place] ^= 1 << random.randrange(8)
        elif what == 1 and place < len(out):
            out[place] = random.randrange(256)
        elif what == 2:
            word = random.choice(_WORDS) * random.choice((1, 2))
            out[place : place + len(word)] = word
        elif what == 3:
            word = wild_int(random).to_bytes(4, random.choice(('little', 'big')))
            out[place : place + 4] = word
        elif what == 4:
            del out[place : place + random.choice((1, 4, 8, 64))]
        elif what == 5:
            part = out[place : place + random.choice((4, 16, 64))]
            there = random.randrange(len(out) + 1)
            out[there:there] = part * random.choice((1, 1, 3))
        elif what == 6:
            del out[place:]
        else:
            out[place:place] = bytes(random.choice((1, 4, 9)))
    return bytes(out)
