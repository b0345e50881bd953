# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Messages as the bytes that the middleware sends.

rclpy turns a message into bytes value by value, which for twenty people takes longer than lifting
them. A publisher takes bytes as they are.

Source: plain CDR, little endian: OMG RTPS 10.2, OMG CORBA 9.3. A value is aligned to its size,
counted from behind the four bytes of the encapsulation.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache

from std_msgs.msg import Header

__all__ = ['COUNT', 'message', 'padding', 'stamp', 'text']

_ENCAPSULATION = b'\x00\x01\x00\x00'
_STAMP = struct.Struct('<iI')
# Before a string or a sequence: how many bytes or elements follow.
COUNT = struct.Struct('<I')
_PADDING = tuple(bytes(count) for count in range(8))


def message(parts: Iterable[bytes]) -> bytes:
    """Return a whole message made of parts."""
    return _ENCAPSULATION + b''.join(parts)


def padding(length: int, size: int) -> bytes:
    """Return what stands between `length` bytes and a value that is aligned to `size`."""
    return _PADDING[-length % size]


def stamp(header: Header) -> bytes:
    """Return the stamp of a header."""
    return _STAMP.pack(header.stamp.sec, header.stamp.nanosec)


# Joint frames have 17 names per person, and `max_people` is 200 at most: a cache that is only a
# little too small never hits, since names come in the same order each time.
@lru_cache(maxsize=4096)
def text(value: str) -> bytes:
    """Return a string that starts at a multiple of 4, with the padding that ends at one."""
    data = value.encode() + b'\0'
    return COUNT.pack(len(data)) + data + padding(len(data), 4)
