# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MATLAB 5 files that scipy writes come back; damaged ones end in an error and not the process."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from elepose_core.data.mat_version_5 import read_version_5

KEYS = ('a', 'cells', 'flags')


def written(compressed: bool, **variables: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def variables() -> dict[str, Any]:
    cells = np.empty((2, 1), object)
    cells[0, 0] = np.arange(12.0).reshape(3, 4)
    cells[1, 0] = np.zeros((0, 0))
    return {
        'other': np.ones((5, 5)),
        'a': np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        'cells': cells,
        'flags': np.array([[True, False, True]]),
    }


@pytest.mark.parametrize('compressed', [False, True])
def test_what_scipy_writes_comes_back(compressed: bool) -> None:
    found = read_version_5(written(compressed, **variables()), KEYS)
    assert set(found) == set(KEYS)
    np.testing.assert_array_equal(found['a'], variables()['a'])
    assert found['a'].dtype == np.float32
    np.testing.assert_array_equal(found['flags'], [[1, 0, 1]])
    assert found['cells'].shape == (2, 1)
    np.testing.assert_array_equal(found['cells'][0, 0], np.arange(12.0).reshape(3, 4))
    assert found['cells'][1, 0].size == 0


@pytest.mark.parametrize('dtype', ['i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'f4', 'f8'])
def test_all_kinds_of_numbers(dtype: str) -> None:
    wanted = np.array([[1, 2, 100]], dtype)
    np.testing.assert_array_equal(read_version_5(written(True, a=wanted), 'a')['a'], wanted)


def test_an_array_by_hand() -> None:
    """A 1 x 2 double matrix `a`, its values stored as bytes as MATLAB does to save room."""
    body = struct.pack('<IIII', 6, 8, 6, 0)  # flags: class 6, double
    body += struct.pack('<IIii', 5, 8, 1, 2)  # shape
    body += struct.pack('<I4s', 1 << 16 | 1, b'a')  # name
    body += struct.pack('<I4s', 2 << 16 | 2, bytes([7, 9]))  # two unsigned bytes
    content = b''.ljust(126) + b'IM' + struct.pack('<II', 14, len(body)) + body
    assert read_version_5(content, 'a')['a'].tolist() == [[7, 9]]


@pytest.mark.parametrize(
    ('value', 'sentence'),
    [('text', 'class 4'), ({'x': 1.0}, 'class 2'), (np.array([[1j]]), 'complex')],
)
def test_other_things_than_numbers_and_cells_are_refused(value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_version_5(written(False, a=value), 'a')


def test_a_variable_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('elepose_core.data.mat_version_5.MAX_MAT_ARRAY_BYTES', 1 << 16)
    content = written(True, a=np.zeros((300, 300)))
    assert len(content) < 2000
    with pytest.raises(ValueError, match='unpacks to more than 65536 bytes'):
        read_version_5(content, 'a')


def test_other_machines_and_other_files_are_refused() -> None:
    for content in (b'', b'x' * 500, written(False, a=1.0)[:126] + b'MI'):
        with pytest.raises(ValueError, match='no header of a MATLAB 5 file'):
            read_version_5(content, 'a')


@pytest.mark.parametrize('compressed', [False, True])
def test_damage_ends_in_an_error(compressed: bool) -> None:
    content = written(compressed, **variables())
    generator = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(120, len(damaged))] = generator.choice([0, 1, 127, 255])
        try:
            read_version_5(bytes(damaged), KEYS)
        except (ValueError, zlib.error):
            continue


def test_a_file_that_was_cut_off_is_refused() -> None:
    content = written(False, a=np.arange(100.0))
    for length in range(140, len(content), 50):
        with pytest.raises(ValueError, match='it '):
            read_version_5(content[:length], 'a')
