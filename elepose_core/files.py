# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a crash never leaves half of one behind."""

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from elepose_core.errors import InputError

__all__ = ['open_regular', 'read_bounded', 'replacing', 'sha256_of']


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its name when the block succeeds.

    The block may make a file or a folder there. On an exception the sibling is removed and
    whatever stood at `path` stays as it was.

    Args:
        path: The final name; its folder is made when it is absent.

    Yields:
        The temporary name, in the same folder so that the rename is atomic.

    Raises:
        InputError: Nothing can be written there, or a file would replace a folder or a folder a
            file.
    """
    path = Path(path)
    if path.name in {'', '..'}:
        raise InputError(f'output is {str(path)!r}; expected the name of a file or folder')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from None
    # The suffix stays last: some writers choose their format by it.
    temporary = path.with_name(f'.{path.stem}.{secrets.token_hex(4)}{path.suffix}')
    try:
        yield temporary
        _move_over(temporary, path)
    except OSError as error:
        # A write that fails names no file at all; one that names another is the block's own.
        if error.filename is not None and not _is_inside(error.filename, temporary):
            raise
        raise _refused(path, error) from None
    finally:
        # Where it cannot be removed the reason is being told already.
        with contextlib.suppress(OSError):
            _remove(temporary)


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open for reading a file that may be anybody's; a link to one will do.

    Raises:
        OSError: It cannot be opened.
        InputError: It is a folder, a pipe or a device.
    """
    try:
        # A pipe would keep us waiting for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a NUL in the name
        raise InputError(f'{str(path)!r} is no name of a file') from None
    try:
        # Of what is open, not of the path, which may have changed since.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f'{path} is no regular file; expected a file on a disk')
        with os.fdopen(descriptor, 'rb', closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_bounded(path: Path, largest: int) -> bytes:
    """Return the bytes of a file that may be anybody's.

    Raises:
        OSError: It cannot be opened.
        InputError: It is a folder, a pipe or a device, or has more than `largest` bytes, which
            are then not read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise InputError(f'{path} has {size} bytes; expected at most {largest}')
        return file.read(largest)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_inside(name: object, temporary: Path) -> bool:
    return isinstance(name, str) and Path(name).is_relative_to(temporary)


def _refused(path: Path, error: OSError) -> InputError:
    why = error.strerror or str(error) or type(error).__name__
    return InputError(f'{path} cannot be written ({why})')


def _move_over(temporary: Path, path: Path) -> None:
    # A mistyped output must not take a folder's whole content with it.
    if path.is_dir() and not temporary.is_dir():
        raise InputError(f'{path} is a folder; expected the name of a file')
    if path.is_file() and temporary.is_dir():
        raise InputError(f'{path} is a file; expected the name of a folder')
    if not path.is_dir():
        temporary.replace(path)
        return
    # A folder cannot be replaced in one call: the old one steps aside first.
    aside = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.old')
    try:
        path.replace(aside)
    except OSError as error:
        raise _refused(path, error) from None
    try:
        temporary.replace(path)
    except OSError:
        aside.replace(path)
        raise
    # What is new stands; of what is old perhaps not everything may be deleted.
    with contextlib.suppress(OSError):
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
