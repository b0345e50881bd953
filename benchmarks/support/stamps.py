# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The stamp of a message that came as bytes: reading the rest would slow down the measuring."""

import struct

__all__ = ['HEADER_AT', 'MARKERS_AT', 'STAMP', 'stamp_ns']

STAMP = struct.Struct('<iI')
# Of a message that begins with a header: encapsulation, then the stamp.
HEADER_AT = 4
# Of a marker array: encapsulation and number of markers, then the first header's stamp.
MARKERS_AT = 8


def stamp_ns(data: bytes, at: int) -> int:
    """Return the stamp in nanoseconds; 0 when there is none."""
    if len(data) < at + STAMP.size:
        return 0
    seconds, rest = STAMP.unpack_from(data, at)
    return int(seconds) * 1_000_000_000 + int(rest)
