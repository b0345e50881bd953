# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of things that take long to build and must not come from anybody else.

An engine is a program: whoever can put one in place runs in the node. An entry is loaded only when
its folder and files belong to this user (or root) and nobody else can write them, and when it is
whole and was built for exactly this key. Anything else is built again. A folder that cannot be
used costs time, never the start.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from elepose_core.errors import InputError
from elepose_core.files import replacing

__all__ = ['EngineCache', 'Obtained', 'cache_folder']

_FORMAT = 1
_LARGEST_SIDECAR = 1 << 16
_ROOT = 0
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

T = TypeVar('T')


@dataclass(frozen=True)
class Obtained(Generic[T]):
    """What the cache was asked for.

    Attributes:
        engine: Loaded.
        origin: Where it came from: 'read from ...' or 'built ...'.
        trouble: Why it was not kept, one sentence; '' when it was.
    """

    engine: T
    origin: str
    trouble: str = ''


class _RefusalError(Exception):
    """An entry is not loaded; the text says why and goes on from its path."""


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/elepose, or ~/.cache/elepose where that is not set.

    Raises:
        InputError: There is no home folder.
    """
    # The specification says that a relative path is to be ignored.
    configured = Path(os.environ.get('XDG_CACHE_HOME', ''))
    try:
        root = configured if configured.is_absolute() else Path.home() / '.cache'
    except RuntimeError:
        raise InputError('there is no home folder; expected XDG_CACHE_HOME to be set') from None
    return root / 'elepose'


class EngineCache:
    """Builds each engine once, for all processes of a user."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder; None = `cache_folder`. It is made when it is first needed."""
        self._folder = folder

    def obtain(
        self,
        key: Mapping[str, str],
        build: Callable[[], bytes],
        load: Callable[[bytes], T | None],
    ) -> Obtained[T]:
        """Load the engine of a key, building it first where there is none that can be trusted.

        Processes and threads that want the same key wait for the first of them.

        Args:
            key: Everything that the engine depends on.
            build: Makes its bytes; what it raises is passed on.
            load: Makes the engine of its bytes; None = does not work here.

        Raises:
            InputError: An engine that was just built does not load.
        """
        text = json.dumps(dict(key), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        try:
            path = _trusted_folder(self._folder or cache_folder()) / f'{digest}.engine'
        except InputError as error:
            _, built = _built(build, load)
            return Obtained(built, 'built', f'engines are not kept: {error}')
        with contextlib.ExitStack() as stack:
            trouble = ''
            try:
                stack.enter_context(_locked(path.with_suffix('.lock')))
            except OSError as error:
                trouble = f'engines are not kept: {path.parent} cannot be locked ({_why(error)})'
            try:
                found = load(_read(path, dict(key)))
                if found is not None:
                    return Obtained(found, f'read from {path}')
                reason = f'{path} does not load here'
            except _RefusalError as refusal:
                reason = f'{path} {refusal}'
            data, built = _built(build, load)
            # Without the lock another process may be writing.
            trouble = trouble or _kept(path, dict(key), data)
        return Obtained(built, f'built, since {reason}', trouble)


def _built(build: Callable[[], bytes], load: Callable[[bytes], T | None]) -> tuple[bytes, T]:
    data = build()
    engine = load(data)
    if engine is None:
        raise InputError('the engine that was just built does not load; the log names the cause')
    return data, engine


def _trusted_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise InputError(f'{folder} cannot be made ({_why(error)})') from None
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f'{folder} is not a folder of its own but a link')
    fault = _fault(status)
    if fault:
        raise InputError(f'{folder} {fault}; expected a folder of your own with mode 0700')
    return folder


def _fault(status: os.stat_result) -> str:
    if status.st_uid not in {os.geteuid(), _ROOT}:
        return f'belongs to user {status.st_uid}'
    if status.st_mode & _OTHERS_MAY_WRITE:
        return f'can be written by others (mode {stat.S_IMODE(status.st_mode):04o})'
    return ''


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system frees when its holder dies, however it dies."""
    try:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    except OSError:
        # Engines that were put there ahead of time may lie on a read-only disk.
        descriptor = _open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    # A link would lead elsewhere, and a pipe would keep us waiting for its other end.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def _read(path: Path, key: dict[str, str]) -> bytes:
    """Return the bytes of an engine that can be trusted.

    Raises:
        _RefusalError: It is not there, or it cannot be.
    """
    sidecar_path = path.with_suffix('.json')
    try:
        sidecar = json.loads(_content(sidecar_path, _LARGEST_SIDECAR))
    except (ValueError, RecursionError):
        raise _RefusalError('has a sidecar that is not JSON') from None
    if not isinstance(sidecar, dict) or sidecar.get('format') != _FORMAT:
        raise _RefusalError('has a sidecar of another version')
    if sidecar.get('key') != key:
        raise _RefusalError('was built for something else')
    size = sidecar.get('size')
    if type(size) is not int or size < 1:
        raise _RefusalError('has a sidecar without its size')
    data = _content(path, size)
    if len(data) != size:
        raise _RefusalError(f'has {len(data)} bytes of {size}')
    if hashlib.sha256(data).hexdigest() != sidecar.get('sha256'):
        raise _RefusalError('has another checksum than its sidecar says')
    return data


def _content(path: Path, largest: int) -> bytes:
    try:
        descriptor = _open(path, os.O_RDONLY)
        try:
            return _trusted_bytes(descriptor, largest)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise _RefusalError('is not there') from None
    except OSError as error:
        raise _RefusalError(f'cannot be read ({_why(error)})') from None


def _trusted_bytes(descriptor: int, largest: int) -> bytes:
    # Of what is open, not of the path, which may have changed since.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _RefusalError('is no regular file')
    fault = _fault(status)
    if fault:
        raise _RefusalError(fault)
    if status.st_size > largest:
        raise _RefusalError(f'has {status.st_size} bytes of {largest}')
    with os.fdopen(descriptor, 'rb', closefd=False) as file:
        return file.read(largest)


def _kept(path: Path, key: dict[str, str], data: bytes) -> str:
    """Write an engine and its sidecar; return why that did not work, '' when it did."""
    sidecar: dict[str, Any] = {
        'format': _FORMAT,
        'key': key,
        'size': len(data),
        'sha256': hashlib.sha256(data).hexdigest(),
    }
    try:
        # Left behind by a process that was killed while it wrote; we hold the lock.
        for stale in path.parent.glob(f'.{path.stem}.*'):
            stale.unlink()
        # Killed between the two, the new engine does not fit the old sidecar and is built again.
        _write(path, data)
        _write(path.with_suffix('.json'), json.dumps(sidecar, indent=2).encode())
    except InputError as error:
        return f'the engine is not kept: {error}'
    except OSError as error:
        return f'the engine is not kept in {path.parent}: {_why(error)}'
    return ''


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        descriptor = _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, 'wb') as file:
            file.write(data)
            file.flush()
            # Else a power cut could leave the name without the bytes.
            os.fsync(descriptor)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
