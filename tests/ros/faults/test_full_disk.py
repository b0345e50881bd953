# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The disk is full while a bag is written; for the engine cache see `test_engine_cache.py`.

A limit on the size of files stands in for the disk: the same calls fail in the same places, and
no right to mount anything is needed.
"""

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from elepose_core.bags import BagReader

# Of two people 45 times: a fifth of what the whole recording takes.
LIMIT_BYTES = 8_000
SENTENCE = 'cannot be written any further (File too large); '

shrink_disk = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))


def stored(bag: Path) -> list[bytes]:
    """Return the keypoints of a bag; DDS fills each message up to a multiple of four bytes."""
    with BagReader(bag) as reader:
        found = [message.data for message in reader.messages(['/keypoints'])]
    return [data.ljust(-(-len(data) // 4) * 4, b'\0') for data in found]


def test_a_recorder_on_a_full_disk_ends_with_one_sentence_and_a_readable_bag(
    execute: Any, probe: Any, recording: Path, tmp_path: Path
) -> None:
    bag = tmp_path / 'copy'
    topics = ('/keypoints', '/camera_info')
    record = execute('record', *topics, '--out', bag)
    replay = execute('replay', recording, '--loop', '--wait-for-subscribers')
    probe.until(lambda: 'recording 2 topics' in record.log(), 'the recorder')
    # Not from the start: shared memory is made of files as well.
    resource.prlimit(record.pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    assert record.wait() == 2, record.log()
    replay.end()
    assert f'record: bag {bag} {SENTENCE}what was brought to the disk before' in record.log()
    assert 'Traceback' not in record.log()
    assert 'Exception' not in record.log()
    found = stored(bag)
    assert len(found) >= 3
    assert set(found) <= set(stored(recording))


def test_the_command_on_a_full_disk_ends_with_one_sentence_and_leaves_nothing(
    recording: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out' / 'lifted'
    command = [sys.executable, '-m', 'elepose_core', 'lift', str(recording), '--out', str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=shrink_disk
    )
    assert done.returncode == 2, done.stderr
    assert f'bag {out} {SENTENCE}nothing is left of it' in done.stderr
    assert 'Traceback' not in done.stderr
    assert list(out.parent.iterdir()) == []
