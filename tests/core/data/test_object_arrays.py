# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pickles inside npz files: what comes back, and what never runs."""

import contextlib
import io
import os
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.data.object_arrays import read_object
from elepose_core.errors import InputError

TREE = {
    'S1': {
        'Walking 1': np.arange(24, dtype=np.float32).reshape(2, 4, 3),
        'Sitting': [np.ones((2, 17, 2), np.float32), np.zeros((0, 17, 2), np.float32)],
    },
    'metadata': {'num_joints': 17, 'sides': [[4, 5], (1, 2)], 'scale': np.float32(0.5)},
}


def archive_of(content: bytes, path: Path) -> Path:
    """Write an npz whose key k has this pickle behind the header of one object."""
    file = io.BytesIO()
    header = {'descr': '|O', 'fortran_order': False, 'shape': ()}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('k.npy', file.getvalue() + content)
    return path


def pickled(tree: Any, protocol: int) -> bytes:
    whole = np.empty((), object)
    whole[()] = tree
    return pickle.dumps(whole, protocol=protocol)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_object(path, 'k')
    sentence = str(caught.value)
    assert '\n' not in sentence
    assert str(path) in sentence
    return sentence


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray):
        return found.dtype == wanted.dtype and np.array_equal(found, wanted)
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list | tuple):
        pairs = zip(found, wanted, strict=True)
        return isinstance(found, list) and all(same(f, w) for f, w in pairs)
    return bool(found == wanted)


@pytest.mark.parametrize('protocol', [2, 3, 4])
def test_dicts_of_arrays_come_back_whatever_the_age_of_the_file(
    protocol: int, tmp_path: Path
) -> None:
    path = archive_of(pickled(TREE, protocol), tmp_path / 'a.npz')
    assert same(read_object(path, 'k'), TREE)


def test_what_numpy_itself_writes_comes_back(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / 'a.npz', k=TREE)  # type: ignore[arg-type]
    assert same(read_object(tmp_path / 'a.npz', 'k'), TREE)


def test_names_of_both_numpys_are_known(tmp_path: Path) -> None:
    content = pickled(TREE, 2)
    old = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    new = content.replace(b'numpy.core.multiarray', b'numpy._core.multiarray')
    for number, one in enumerate((old, new)):
        assert same(read_object(archive_of(one, tmp_path / f'{number}.npz'), 'k'), TREE)


def test_fortran_order_and_big_endian_are_honoured(tmp_path: Path) -> None:
    tree = {'f': np.asfortranarray(np.arange(6.0).reshape(2, 3)), 'b': np.arange(3, dtype='>i4')}
    path = archive_of(pickled(tree, 4), tmp_path / 'a.npz')
    assert same(read_object(path, 'k'), tree)


class Hostile:
    """Makes a file when a pickle of it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.mark}',)


@pytest.mark.parametrize('protocol', [2, 4])
def test_a_malicious_pickle_is_refused_and_does_not_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / 'ran'
    content = pickled({'S1': Hostile(mark)}, protocol)
    assert 'system' in refusal(archive_of(content, tmp_path / 'a.npz'))
    assert not mark.exists()
    pickle.loads(content)  # the attack itself is real
    assert mark.exists()


@pytest.mark.parametrize(
    'name',
    [
        *('builtins eval', 'builtins getattr', 'os system', 'numpy load', 'numpy.lib.npyio load'),
        *('numpy.core.multiarray fromfile', 'numpy dtype.newbyteorder', 'pickle loads'),
    ],
)
def test_only_what_arrays_need_can_be_named(name: str, tmp_path: Path) -> None:
    module, attribute = name.split(' ')
    content = b'\x80\x02c' + f'{module}\n{attribute}\n'.encode() + b'.'
    assert 'it asks for' in refusal(archive_of(content, tmp_path / 'a.npz'))


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(b'\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.', id='build a function'),
        pytest.param(b'\x80\x05\x96' + struct.pack('<Q', 1 << 60) + b'.', id='huge bytearray'),
        pytest.param(b'\x80\x04\x8e' + struct.pack('<Q', 1 << 60) + b'.', id='huge bytes'),
        pytest.param(b'\x80\x02Nr\xff\xff\xff\xff.', id='far memo'),
        pytest.param(b'\x80\x02P1\n.', id='persistent id'),
        pytest.param(b'\x80\x02\x82\x01.', id='extension'),
        pytest.param(b'\x80\x02]' + b'(' * 100_000 + b'.', id='marks'),
        pytest.param(b'\x80\x02N.', id='no array'),
        pytest.param(b'', id='nothing'),
    ],
)
def test_hostile_codes_end_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    assert 'is not a pickle of plain containers and arrays' in refusal(
        archive_of(content, tmp_path / 'a.npz')
    )


def test_an_array_of_another_size_than_its_bytes_is_refused(tmp_path: Path) -> None:
    content = pickled({'a': np.zeros((3, 5), np.float32)}, 4)
    assert b'K\x03K\x05\x86' in content
    larger = content.replace(b'K\x03K\x05\x86', b'K\x04K\x05\x86')
    assert 'lacks 80 bytes' in refusal(archive_of(larger, tmp_path / 'a.npz'))


def test_arrays_of_other_things_than_numbers_are_refused(tmp_path: Path) -> None:
    for number, dtype in enumerate(('M8[s]', 'S3', 'f4,f4')):
        content = pickled({'a': np.zeros(2, dtype)}, 4)
        assert 'type' in refusal(archive_of(content, tmp_path / f'{number}.npz'))


def test_a_list_that_holds_itself_does_not_hang(tmp_path: Path) -> None:
    ring: list[Any] = []
    ring.append(ring)
    found = read_object(archive_of(pickled({'a': ring}, 4), tmp_path / 'a.npz'), 'k')
    assert found['a'][0] is found['a']


def doubled(levels: int) -> bytes:
    """Return the codes of a tuple that holds the one below it twice, and so on."""
    return b'K\x01\x85q\x00' + levels * b'h\x00\x86q\x00'


def test_nested_tuples_of_few_bytes_take_neither_time_nor_memory(tmp_path: Path) -> None:
    """Sixty levels are 2^60 places: to list, to hash or to write each would never end."""
    content = pickled({'a': 'here'}, 2)
    here = b'X\x04\x00\x00\x00here'
    assert here in content
    listed = archive_of(content.replace(here, doubled(60)), tmp_path / 'listed.npz')
    level = read_object(listed, 'k')['a']
    for _ in range(60):
        assert level[0] is level[1]
        level = level[0]
    hashed = content.replace(here, b'}' + doubled(60) + b'K\x01s')
    assert 'keys that are no text' in refusal(archive_of(hashed, tmp_path / 'hashed.npz'))
    written = content.replace(here, b'cnumpy\ndtype\n' + doubled(60) + b'\x85R')
    assert 'has the type a tuple' in refusal(archive_of(written, tmp_path / 'written.npz'))


def test_damaged_pickles_are_read_or_refused(tmp_path: Path) -> None:
    content = bytearray(pickled(TREE, 4))
    generator = random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        # Anything else than an InputError ends the test.
        with contextlib.suppress(InputError):
            read_object(archive_of(bytes(damaged), tmp_path / 'a.npz'), 'k')


def test_missing_keys_and_files_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / 'a.npz', positions_2d=TREE)  # type: ignore[arg-type]
    assert "key 'k' is missing" in refusal(tmp_path / 'a.npz')
    assert 'does not exist' in refusal(tmp_path / 'b.npz')
    (tmp_path / 'c.npz').write_bytes(b'no archive')
    assert 'c.npz' in refusal(tmp_path / 'c.npz')
