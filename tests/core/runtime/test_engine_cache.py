# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The engine cache among enemies: real files, real users, real processes."""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elepose_core.errors import InputError
from elepose_core.runtime.engine_cache import EngineCache, Obtained, cache_folder

KEY = {'onnx_sha256': 'ab' * 32, 'tensorrt': 'tensorrt 10.3.0', 'gpu': 'Orin', 'flags': ''}
OLD, NEW = b'the first engine ' * 1000, b'the second engine ' * 999
NOBODY = 65534
ROOT = Path(__file__).parents[3]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')


class Loader:
    """Takes every engine and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[bytes] = []

    def __call__(self, data: bytes) -> bytes:
        self.shown.append(data)
        return data


def never() -> bytes:
    raise AssertionError('an engine was built that was there')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'cache' / 'elepose'


@pytest.fixture
def entry(folder: Path) -> Path:
    """Return the path of an engine in good order."""
    obtained = EngineCache(folder).obtain(KEY, lambda: OLD, Loader())
    assert obtained.trouble == ''
    (path,) = folder.glob('*.engine')
    return path


def obtain(folder: Path) -> tuple[Obtained[bytes], list[bytes]]:
    loader = Loader()
    return EngineCache(folder).obtain(KEY, lambda: NEW, loader), loader.shown


# ------------------------------------------------------------------ what it is for


def test_an_engine_is_built_once_and_lies_where_only_its_user_can_write(entry: Path) -> None:
    loader = Loader()
    again = EngineCache(entry.parent).obtain(KEY, never, loader)
    assert (again.engine, again.origin, again.trouble) == (OLD, f'read from {entry}', '')
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o700
    for path in entry.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sidecar = json.loads(entry.with_suffix('.json').read_text())
    assert sidecar['key'] == KEY
    assert sidecar['sha256'] == hashlib.sha256(OLD).hexdigest()


@pytest.mark.parametrize('part', KEY)
def test_each_part_of_the_key_has_an_engine_of_its_own(part: str, entry: Path) -> None:
    other = {**KEY, part: 'another'}
    built = EngineCache(entry.parent).obtain(other, lambda: NEW, Loader())
    assert (built.engine, len(list(entry.parent.glob('*.engine')))) == (NEW, 2)
    assert obtain(entry.parent)[0].engine == OLD


def test_the_folder_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/robot')
    monkeypatch.setenv('XDG_CACHE_HOME', '/var/cache/robot')
    assert cache_folder() == Path('/var/cache/robot/elepose')
    for ignored in ('', 'relative/path'):
        monkeypatch.setenv('XDG_CACHE_HOME', ignored)
        assert cache_folder() == Path('/home/robot/.cache/elepose')


# ------------------------------------------------------------------ hostile entries


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _linked(path: Path) -> None:
    elsewhere = path.parent.parent / f'elsewhere{path.suffix}'
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _tell(path: Path, **changes: Any) -> None:
    sidecar = path.with_suffix('.json')
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | changes))


def _foreign(path: Path) -> None:
    """Put the whole entry of another key in place, as a copy from another machine would be."""
    EngineCache(path.parent).obtain({**KEY, 'gpu': 'Thor'}, lambda: b'of a Thor', Loader())
    for suffix in ('.engine', '.json'):
        (other,) = (p for p in path.parent.glob(f'*{suffix}') if p.stem != path.stem)
        shutil.copy(other, path.with_suffix(suffix))


def _give_away(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def _side(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: change(path.with_suffix('.json'))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    'engine of zero length': (lambda p: p.write_bytes(b''), 'has 0 bytes of 17000'),
    'engine truncated': (lambda p: os.truncate(p, 4096), 'has 4096 bytes of 17000'),
    'engine with a flipped bit': (_flip, 'has another checksum'),
    'engine exchanged, same length': (lambda p: p.write_bytes(OLD[::-1]), 'another checksum'),
    'engine with something behind it': (lambda p: p.write_bytes(OLD + b'!'), 'has 17001 bytes of'),
    'engine gone': (lambda p: p.unlink(), 'is not there'),
    'engine a link to itself': (
        lambda p: _replace(p, lambda q: q.symlink_to(q)),
        'cannot be read',
    ),
    'engine a link to a good engine': (_linked, 'cannot be read .*symbolic links'),
    'engine a dangling link': (lambda p: _replace(p, lambda q: q.symlink_to('/no')), 'cannot be'),
    'engine a pipe': (lambda p: _replace(p, os.mkfifo), 'is no regular file'),
    'engine writable by all': (lambda p: p.chmod(0o666), r'written by others \(mode 0666\)'),
    'engine writable by its group': (lambda p: p.chmod(0o660), r'by others \(mode 0660\)'),
    'sidecar gone': (_side(lambda p: p.unlink()), 'is not there'),
    'sidecar of zero length': (_side(lambda p: p.write_bytes(b'')), 'is not JSON'),
    'sidecar truncated': (_side(lambda p: os.truncate(p, 40)), 'is not JSON'),
    'sidecar no text': (_side(lambda p: p.write_bytes(b'\xff\xfe\x00')), 'is not JSON'),
    'sidecar nested without end': (_side(lambda p: p.write_text('[' * 60000)), 'is not JSON'),
    'sidecar huge': (_side(lambda p: p.write_bytes(b' ' * 70000)), 'has 70000 bytes of 65536'),
    'sidecar a list': (_side(lambda p: p.write_text('[1]')), 'of another version'),
    'sidecar of another format': (lambda p: _tell(p, format=2), 'of another version'),
    'sidecar without a size': (lambda p: _tell(p, size=None), 'without its size'),
    'sidecar with a negative size': (lambda p: _tell(p, size=-1), 'without its size'),
    'sidecar with a smaller size': (lambda p: _tell(p, size=16000), 'has 17000 bytes of 16000'),
    'sidecar with another checksum': (lambda p: _tell(p, sha256='0' * 64), 'another checksum'),
    'sidecar without a checksum': (lambda p: _tell(p, sha256=None), 'has another checksum'),
    'sidecar a link': (_side(_linked), 'cannot be read .*symbolic links'),
    'sidecar writable by all': (_side(lambda p: p.chmod(0o602)), r'by others \(mode 0602\)'),
    'engine of another TensorRT': (
        lambda p: _tell(p, key={**KEY, 'tensorrt': 'tensorrt 10.2.0'}),
        'was built for something else',
    ),
    'engine of another machine': (_foreign, 'was built for something else'),
}
GIVEN_AWAY: dict[str, tuple[Callable[[Path], object], str]] = {
    'engine of another user': (_give_away, 'belongs to user 65534'),
    'sidecar of another user': (_side(_give_away), 'belongs to user 65534'),
}


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        *(pytest.param(*case, id=name) for name, case in HOSTILE.items()),
        *(pytest.param(*c, id=name, marks=needs_root) for name, c in GIVEN_AWAY.items()),
    ],
)
def test_a_hostile_entry_is_never_loaded_and_is_built_again(
    spoil: Callable[[Path], object], reason: str, entry: Path
) -> None:
    spoil(entry)
    obtained, shown = obtain(entry.parent)
    assert shown == [NEW]
    assert obtained.engine == NEW
    assert obtained.trouble == ''
    assert obtained.origin.startswith('built, since ')
    assert re.search(reason, obtained.origin), obtained.origin
    # It is whole again, and nothing was left behind.
    healed = EngineCache(entry.parent).obtain(KEY, never, Loader())
    assert healed.engine == NEW
    assert not list(entry.parent.glob('.*'))


def test_an_engine_that_does_not_load_here_is_built_again(entry: Path) -> None:
    """Such as after an update of the driver, which is in no key."""
    obtained = EngineCache(entry.parent).obtain(
        KEY, lambda: NEW, lambda data: data if data == NEW else None
    )
    assert obtained.engine == NEW
    assert obtained.origin.endswith('does not load here')
    assert obtain(entry.parent)[0].origin == f'read from {entry}'


def test_a_new_engine_that_does_not_load_is_an_error_and_is_not_kept(folder: Path) -> None:
    with pytest.raises(InputError, match='just built does not load'):
        EngineCache(folder).obtain(KEY, lambda: NEW, lambda data: None)
    assert not list(folder.glob('*.engine'))


def test_what_a_build_raises_is_passed_on_and_the_lock_is_free(folder: Path) -> None:
    for raised in (OSError(28, 'No space left on device'), InputError('TensorRT will not')):

        def build(error: Exception = raised) -> bytes:
            raise error

        with pytest.raises(type(raised)) as caught:
            EngineCache(folder).obtain(KEY, build, Loader())
        assert caught.value is raised
    assert obtain(folder)[0].engine == NEW


# ------------------------------------------------------------------ hostile folders


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder for the user that `as_nobody` makes of us."""
    path = Path(tempfile.mkdtemp(prefix='elepose-'))
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    subprocess.run(['chmod', '-R', 'u+rwX', path], check=True)
    shutil.rmtree(path)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user for whom permissions hold; root may do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _is_file(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text('')


def _parent_is_file(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.write_text('')


def _is_link(folder: Path) -> None:
    elsewhere = folder.parent / 'elsewhere'
    elsewhere.mkdir(parents=True, mode=0o700)
    folder.symlink_to(elsewhere)


def _has(mode: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(mode)

    return make


def _parent_is_read_only(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.parent.chmod(0o500)


def _lock_is_link(folder: Path) -> None:
    EngineCache(folder).obtain(KEY, lambda: OLD, Loader())
    (lock,) = folder.glob('*.lock')
    for path in folder.iterdir():
        path.unlink()
    lock.symlink_to('/etc/passwd')


def _engine_is_folder(folder: Path) -> None:
    EngineCache(folder).obtain(KEY, lambda: OLD, Loader())
    (engine,) = folder.glob('*.engine')
    engine.unlink()
    engine.mkdir()


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    'folder a file': (_is_file, 'cannot be made'),
    'folder under a file': (_parent_is_file, 'cannot be made'),
    'folder a link': (_is_link, 'not a folder of its own but a link'),
    'folder writable by all': (_has(0o777), r'can be written by others \(mode 0777\)'),
    'folder writable by all, sticky': (_has(0o1777), 'can be written by others'),
    'folder writable by its group': (_has(0o770), 'can be written by others'),
    'folder read-only': (_has(0o500), 'cannot be locked'),
    'folder without any permission': (_has(0o000), 'cannot be locked'),
    'folder in a read-only one': (_parent_is_read_only, r'cannot be made \(Permission denied\)'),
    'lock a link': (_lock_is_link, 'cannot be locked'),
    'engine a folder': (_engine_is_folder, 'is a folder; expected the name of a file'),
}


@pytest.mark.parametrize(
    ('spoil', 'reason'), [pytest.param(*case, id=name) for name, case in FOLDERS.items()]
)
def test_a_folder_that_cannot_be_used_costs_time_and_one_sentence(
    spoil: Callable[[Path], None], reason: str, open_folder: Path
) -> None:
    folder = open_folder / 'cache' / 'elepose'
    with as_nobody():
        spoil(folder)
        obtained, shown = obtain(folder)
    assert (obtained.engine, shown) == (NEW, [NEW])
    assert re.search(reason, obtained.trouble), obtained.trouble
    assert '\n' not in obtained.trouble


@needs_root
def test_the_folder_of_another_user_is_not_used(open_folder: Path) -> None:
    folder = open_folder / 'elepose'
    with as_nobody():
        EngineCache(folder).obtain(KEY, lambda: OLD, Loader())
    obtained, shown = obtain(folder)
    assert shown == [NEW]
    assert 'belongs to user 65534; expected a folder of your own' in obtained.trouble


@pytest.mark.parametrize('suffix', ['.engine', '.json'])
def test_an_unreadable_entry_is_built_again(suffix: str, open_folder: Path) -> None:
    with as_nobody():
        EngineCache(open_folder).obtain(KEY, lambda: OLD, Loader())
        (path,) = open_folder.glob(f'*{suffix}')
        path.chmod(0)
        obtained, shown = obtain(open_folder)
        assert shown == [NEW]
        assert 'cannot be read (Permission denied)' in obtained.origin
        assert EngineCache(open_folder).obtain(KEY, never, Loader()).engine == NEW


@needs_root
def test_engines_that_root_put_on_a_read_only_disk_are_used(open_folder: Path) -> None:
    """As an image for many robots has them."""
    os.chown(open_folder, 0, 0)
    EngineCache(open_folder).obtain(KEY, lambda: OLD, Loader())
    open_folder.chmod(0o755)
    for path in open_folder.iterdir():
        path.chmod(0o444)
    with as_nobody():
        assert EngineCache(open_folder).obtain(KEY, never, Loader()).engine == OLD
        other = EngineCache(open_folder).obtain({'gpu': 'x'}, lambda: NEW, Loader())
        assert other.engine == NEW
        assert 'cannot be locked' in other.trouble


def test_a_full_disk_costs_the_keeping_only(entry: Path) -> None:
    entry.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    engine = b'x' * 5_000_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        obtained = EngineCache(entry.parent).obtain(KEY, lambda: engine, Loader())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert obtained.engine == engine
    assert (
        obtained.trouble == f'the engine is not kept: {entry} cannot be written (File too large)'
    )
    assert {path.suffix for path in entry.parent.iterdir()} == {'.json', '.lock'}
    assert obtain(entry.parent)[0].engine == NEW


def test_without_a_home_engines_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(cls: type[Path]) -> Path:
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.setattr(Path, 'home', classmethod(homeless))
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    obtained = EngineCache().obtain(KEY, lambda: NEW, Loader())
    assert obtained.engine == NEW
    assert 'expected XDG_CACHE_HOME to be set' in obtained.trouble


# ------------------------------------------------------------------ several at once

PROCESS = """
    import os, sys, time
    from pathlib import Path
    from elepose_core.runtime.engine_cache import EngineCache

    def build():
        with open(sys.argv[2], 'a') as log:
            log.write(f'{os.getpid()}\\n')
        DURING
        return b'engine of a process' * 100000

    AFTER
    print('started', flush=True)
    sys.stdin.readline()
    obtained = EngineCache(Path(sys.argv[1])).obtain({'key': 'one'}, build, bytes)
    print(obtained.origin.split()[0], len(obtained.engine), obtained.trouble, flush=True)
"""


@pytest.fixture
def process(folder: Path) -> Iterator[Callable[..., 'subprocess.Popen[str]']]:
    """Return a function that starts a process which waits for a line before it asks the cache."""
    started: list[subprocess.Popen[str]] = []

    def start(during: str = 'pass', after: str = 'pass') -> 'subprocess.Popen[str]':
        script = textwrap.dedent(PROCESS).replace('DURING', during).replace('AFTER', after)
        child = subprocess.Popen(
            [sys.executable, '-c', script, folder, folder.parent.parent / 'builds'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == 'started\n'
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def _begin(child: 'subprocess.Popen[str]') -> None:
    assert child.stdin is not None
    child.stdin.write('\n')
    child.stdin.flush()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f'{path} does not come'
        time.sleep(0.02)


def test_two_processes_that_race_build_once(
    process: Callable[..., 'subprocess.Popen[str]'], folder: Path
) -> None:
    racers = [process('time.sleep(0.5)'), process('time.sleep(0.5)')]
    for racer in racers:
        _begin(racer)
    said = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert said == ['built, 1900000', 'read 1900000']
    assert len((folder.parent.parent / 'builds').read_text().splitlines()) == 1


def test_a_builder_that_is_killed_frees_the_one_that_waits(
    process: Callable[..., 'subprocess.Popen[str]'], folder: Path
) -> None:
    victim, heir = process('time.sleep(600)'), process()
    _begin(victim)
    _wait_for(folder.parent.parent / 'builds')  # it holds the lock
    _begin(heir)
    with pytest.raises(subprocess.TimeoutExpired):
        heir.wait(0.5)
    victim.send_signal(signal.SIGKILL)
    assert heir.communicate(timeout=60)[0].strip() == 'built, 1900000'


@pytest.mark.parametrize('syncs', [1, 2], ids=['before the engine', 'before the sidecar'])
def test_a_writer_that_is_killed_leaves_nothing_that_is_loaded(
    syncs: int, process: Callable[..., 'subprocess.Popen[str]'], folder: Path
) -> None:
    after = (
        f'left = [{syncs}]\n'
        'def fsync(descriptor):\n'
        '    left[0] -= 1\n'
        '    if not left[0]:\n'
        '        os.kill(os.getpid(), 9)\n'
        'os.fsync = fsync'
    )
    victim = process(after=after)
    _begin(victim)
    assert victim.wait(60) == -signal.SIGKILL
    assert list(folder.glob('.*'))  # half of what it wrote
    heir = process()
    _begin(heir)
    assert heir.communicate(timeout=60)[0].strip() == 'built, 1900000'
    assert sorted(path.suffix for path in folder.iterdir()) == ['.engine', '.json', '.lock']


def test_eight_threads_build_once(folder: Path) -> None:
    builds, results = [], []
    gate = threading.Barrier(8)

    def build() -> bytes:
        builds.append(threading.current_thread())
        time.sleep(0.2)
        return NEW

    def ask() -> None:
        gate.wait()
        results.append(EngineCache(folder).obtain(KEY, build, Loader()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(builds) == 1
    assert [result.engine for result in results] == [NEW] * 8
    assert sorted(result.origin.split()[0] for result in results) == ['built,', *['read'] * 7]
