# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bag through a live node in step, recorded; and what a bag says, as one checksum a topic."""

import contextlib
import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.processes import process

from elepose_core.bags import BagReader

__all__ = ['checksums', 'play_live']

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S, REPLAY_S = 60.0, 600.0


def play_live(
    bag: Path, out: Path, node: Sequence[str], asked: str, topics: Sequence[str]
) -> None:
    """Replay a bag into a node, which may take its time over each frame, and record its topics.

    Args:
        bag: Is played.
        out: New bag.
        node: Executable and its arguments.
        asked: Topic of the frames; `/skeletons` answers each.
        topics: Are recorded.

    Raises:
        RuntimeError: A process did not do its part; its log is in the text.
    """
    logs = out.with_name(f'{out.name}_logs')
    logs.mkdir()
    with contextlib.ExitStack() as stack:

        def begin(name: str, *arguments: str) -> tuple['subprocess.Popen[bytes]', Path]:
            log = logs / f'{name}.log'
            command = [sys.executable, str(ROOT / 'scripts' / name), *arguments]
            return stack.enter_context(process(command, log)), log

        lifter, lifter_log = begin(*node)
        _wait(lambda: ': active' in lifter_log.read_text(), lifter, lifter_log)
        record, record_log = begin('record', *topics, '--out', str(out))
        said = f'recording {len(topics)} topics'
        _wait(lambda: said in record_log.read_text(), record, record_log)
        in_step = ('--in-step', asked, '/skeletons', '--wait-for-subscribers')
        replay, replay_log = begin('replay', str(bag), '--reliability', 'reliable', *in_step)
        if replay.wait(REPLAY_S) != 0:
            raise RuntimeError(f'replay failed:\n{replay_log.read_text()}')
        record.send_signal(signal.SIGINT)
        if record.wait(PATIENCE_S) != 0:
            raise RuntimeError(f'record failed:\n{record_log.read_text()}')


def checksums(bag: Path, topics: Sequence[str]) -> dict[str, dict[str, str | int]]:
    """Return the number of messages and the SHA-256 of their bytes for each topic."""
    found: dict[str, dict[str, str | int]] = {}
    with BagReader(bag) as reader:
        for topic in topics:
            digest, count = hashlib.sha256(), 0
            for message in reader.messages([topic]):
                # DDS fills each message up to a multiple of four bytes on its way.
                digest.update(message.data.ljust(-(-len(message.data) // 4) * 4, b'\0'))
                count += 1
            found[topic] = {'messages': count, 'sha256': digest.hexdigest()}
    return found


def _wait(condition: Callable[[], bool], popen: 'subprocess.Popen[bytes]', log: Path) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if popen.poll() is not None or time.monotonic() > end_s:
            raise RuntimeError(f'waited in vain; the log says:\n{log.read_text()}')
        time.sleep(0.05)
