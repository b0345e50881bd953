# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Files appear whole or not at all, and nothing else is ever lost."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from elepose_core.errors import InputError
from elepose_core.files import replacing, sha256_of


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _write(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text('whole')


def _fail_while_writing(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text('half')
        raise RuntimeError('disk full')


def test_file_takes_the_final_name_with_its_suffix_kept(tmp_path: Path) -> None:
    with replacing(tmp_path / 'new' / 'a.npz') as temporary:
        assert temporary.suffix == '.npz'
        assert temporary.parent == tmp_path / 'new'
        temporary.write_text('whole')
    assert _names(tmp_path / 'new') == ['a.npz']
    assert (tmp_path / 'new' / 'a.npz').read_text() == 'whole'


def test_failure_while_writing_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(RuntimeError, match='disk full'):
        _fail_while_writing(path)
    assert path.read_text() == 'old'
    assert _names(tmp_path) == ['a.txt']


def test_failure_while_writing_a_new_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match='disk full'):
        _fail_while_writing(tmp_path / 'a.txt')
    assert _names(tmp_path) == []


def test_old_file_stays_readable_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with replacing(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'


def test_folder_replaces_folder(tmp_path: Path) -> None:
    path = tmp_path / 'b.elepose'
    for content in ('old', 'new'):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert _names(tmp_path) == ['b.elepose']
    assert _names(path) == ['new']


def _fail_while_making_a_folder(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.mkdir()
        raise RuntimeError('disk full')


def test_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / 'b'
    path.mkdir()
    (path / 'precious').write_text('old')
    with pytest.raises(RuntimeError, match='disk full'):
        _fail_while_making_a_folder(path)
    assert _names(tmp_path) == ['b']
    assert (path / 'precious').read_text() == 'old'


def test_file_never_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / 'results'
    path.mkdir()
    (path / 'precious').write_text('a year of work')
    with pytest.raises(InputError, match='results is a folder'), replacing(path) as temporary:
        temporary.write_text('{}')
    assert (path / 'precious').read_text() == 'a year of work'
    assert _names(tmp_path) == ['results']


def test_folder_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / 'b.elepose'
    path.write_text('a file')
    with pytest.raises(InputError, match=r'b\.elepose is a file'), replacing(path) as temporary:
        temporary.mkdir()
    assert path.read_text() == 'a file'
    assert _names(tmp_path) == ['b.elepose']


def test_place_that_cannot_hold_the_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='cannot be written'), replacing(tmp_path / 'file/x.npz'):
        pytest.fail('the block must not be entered')


def test_folder_that_takes_no_file_is_one_sentence() -> None:
    path = Path('/proc/elepose.json')
    if not path.parent.is_dir():
        pytest.skip('there is no /proc, which takes no file from anybody')
    with pytest.raises(InputError, match=r'/proc/elepose\.json cannot be written \('):
        _write(path)


def _fill_the_disk(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text('half')
        # A write that fails names no file, other than an open that does.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _miss_a_folder_inside(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / 'missing' / 'file').write_text('')


def test_disk_that_is_full_is_one_sentence_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(InputError, match=r'a\.txt cannot be written \(No space left on device\)'):
        _fill_the_disk(path)
    assert path.read_text() == 'old'
    assert _names(tmp_path) == ['a.txt']


def test_file_inside_a_new_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='b cannot be written'):
        _miss_a_folder_inside(tmp_path / 'b')
    assert _names(tmp_path) == []


def test_other_trouble_of_the_block_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / 'a'):
        (tmp_path / 'input').read_text()


@pytest.mark.parametrize('name', ['.', '/', '..'])
def test_name_that_is_no_file_name_is_one_sentence(name: str) -> None:
    with pytest.raises(InputError, match='expected the name of a file'), replacing(Path(name)):
        pytest.fail('the block must not be entered')


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / 'abc'
    path.write_bytes(b'abc')
    # FIPS 180-4, appendix B.1
    assert sha256_of(path) == ('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    path.write_bytes(b'x' * 3_000_000)
    assert sha256_of(path) == hashlib.sha256(b'x' * 3_000_000).hexdigest()
