# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MATLAB files of version 5: arrays of numbers, and cells of such arrays.

scipy's reader ends the process on some damaged files; this one takes nothing at its word.
"""

import math
import struct
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['MAX_MAT_ARRAY_BYTES', 'read_version_5']

# Of one variable, unpacked.
MAX_MAT_ARRAY_BYTES = 1 << 31
_HEADER = 128
_COMPRESSED, _MATRIX, _INT32 = 15, 14, 5
_CELL = 1
_CLASSES_OF_NUMBERS = range(6, 16)
_IS_COMPLEX = 0x08
_TYPES = {
    **{1: '<i1', 2: '<u1', 3: '<i2', 4: '<u2', 5: '<i4', 6: '<u4', 7: '<f4', 9: '<f8'},
    **{12: '<i8', 13: '<u8'},
}
_MOST_AXES = 8
# Enough of a packed variable to see its name.
_START_BYTES = 1024


def read_version_5(content: bytes, keys: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return those of the variables that the file has; a cell array is one of objects.

    Raises:
        ValueError: The file is damaged, or a variable is neither numbers nor cells of numbers.
        zlib.error: A packed variable is damaged.

    Source: MathWorks, MAT-file format, level 5.
    """
    if content[126:128] != b'IM':
        raise ValueError('it has no header of a MATLAB 5 file with little-endian numbers')
    whole = memoryview(content)
    found: dict[str, NDArray[Any]] = {}
    at = _HEADER
    while at < len(whole):
        kind, payload, at = _element(whole, at)
        if kind == _COMPRESSED:
            start = zlib.decompressobj().decompress(payload, _START_BYTES)
            name = _matrix_head(memoryview(start)[8:])[2]
            if name in found or name not in keys:
                continue
            kind, payload, _ = _element(_unpacked(payload), 0)
        if kind != _MATRIX:
            continue
        name = _matrix_head(payload)[2]
        if name in keys and name not in found:
            found[name] = _matrix(payload)
    return found


def _element(buffer: memoryview, at: int) -> tuple[int, memoryview, int]:
    """Return kind and content of the element at a place, and where the next begins."""
    if len(buffer) - at < 8:
        raise ValueError('it ends within an element')
    kind, size = struct.unpack_from('<II', buffer, at)
    if kind >> 16:  # up to four bytes fit into the tag itself
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise ValueError(f'it has a small element of {size} bytes')
        return kind, buffer[at + 4 : at + 4 + size], at + 8
    start = at + 8
    if size > len(buffer) - start:
        raise ValueError(f'it has an element of {size} bytes; {len(buffer) - start} are left')
    after = start + size
    return kind, buffer[start:after], after if kind == _COMPRESSED else after + -size % 8


def _unpacked(payload: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(payload, MAX_MAT_ARRAY_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError(f'a variable unpacks to more than {MAX_MAT_ARRAY_BYTES} bytes')
    return memoryview(content)


def _matrix_head(payload: memoryview) -> tuple[int, tuple[int, ...], str, int]:
    """Return class, shape and name of a matrix, and where its content begins."""
    _, flags, at = _element(payload, 0)
    kind, sides, at = _element(payload, at)
    _, name, at = _element(payload, at)
    if len(flags) != 8 or kind != _INT32 or len(sides) % 4 or len(sides) > 4 * _MOST_AXES:
        raise ValueError('it has a matrix without class and shape')
    shape = struct.unpack(f'<{len(sides) // 4}i', sides)
    if min(shape, default=0) < 0 or flags[1] & _IS_COMPLEX:
        raise ValueError(f'it has a matrix of complex numbers, or of shape {shape}')
    return flags[0], shape, bytes(name).decode('ascii', 'replace'), at


def _matrix(payload: memoryview, is_inside_cell: bool = False) -> NDArray[Any]:
    kind, shape, _, at = _matrix_head(payload)
    count = math.prod(shape)
    if kind == _CELL and not is_inside_cell:
        if count > len(payload) // 8:
            raise ValueError(f'it has {count} cells in {len(payload)} bytes')
        cells = np.empty(count, object)
        for number in range(count):
            inner, content, at = _element(payload, at)
            if inner != _MATRIX:
                raise ValueError(f'it has a cell of kind {inner}')
            cells[number] = _matrix(content, is_inside_cell=True) if content else np.empty((0, 0))
        return cells.reshape(shape, order='F')
    if kind not in _CLASSES_OF_NUMBERS:
        raise ValueError(f'it has a variable of class {kind}; expected numbers or cells of them')
    stored, content, _ = _element(payload, at)
    if stored not in _TYPES or len(content) != count * np.dtype(_TYPES[stored]).itemsize:
        raise ValueError(f'it has {len(content)} bytes of kind {stored} for the shape {shape}')
    return np.frombuffer(content, _TYPES[stored]).reshape(shape, order='F')
