# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The demo at reduced length, and its live results against the offline way."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elepose_core.bags import BagReader
from elepose_core.offline.bag import lift_bag
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.predictor import Predictor

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / 'demo' / 'recording'
MODEL = 'default'
FRAMES = 10

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def _command(out: Path, *arguments: object) -> list[str]:
    command = [sys.executable, ROOT / 'demo' / 'run.py', '--out', out, '--model', MODEL]
    return [*map(str, command), *map(str, arguments)]


def _still_running(out: Path) -> list[str]:
    """Return the command lines of processes that were given a path below the folder."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            line = entry.read_bytes().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            continue
        if str(out) in line:
            found.append(line)
    return found


@pytest.fixture(scope='module')
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    pytest.importorskip('rclpy', reason='rclpy is not importable: source .venv/elepose.bash')
    out = tmp_path_factory.mktemp('demo') / 'out'
    command = _command(out, '--frames', FRAMES, '--hz', 2)
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_pictures_bags_and_the_table_are_there(demo):
    out, text = demo
    names = {path.name for path in out.iterdir()}
    assert names == {'logs', 'skeletons.html', 'skeletons.png', 'two_people.mcap', 'walk.mcap'}
    assert (out / 'skeletons.png').read_bytes().startswith(b'\x89PNG')
    assert (out / 'skeletons.png').stat().st_size > 100_000
    assert 'plotly' in (out / 'skeletons.html').read_text()
    rows = {row.split()[0]: row.split() for row in text.splitlines() if re.search(r'\d%', row)}
    assert set(rows) == {'walk', 'two_people'}
    for row in rows.values():
        frames, lifted, dropped, p50 = row[2], row[5], row[6], row[7]
        assert (int(frames), lifted, int(dropped)) == (FRAMES, '100%', 0)
        assert 0 < float(p50) < 5000
    assert not _still_running(out)


def test_each_frame_has_each_result_with_its_stamp(demo):
    out, _ = demo
    for name in ('walk', 'two_people'):
        with BagReader(out / f'{name}.mcap') as bag:
            assert not bag.is_cut_off
            assert {t: topic.count for t, topic in bag.topics.items()} == dict.fromkeys(
                ('/camera_elevation', '/keypoints', '/markers', '/skeletons', '/tf'), FRAMES
            )


@pytest.mark.parametrize('name', ['walk', 'two_people'])
def test_the_offline_way_gives_the_same_bytes(demo, tmp_path, name):
    out, _ = demo
    lifter = PeopleLifter(Predictor(MODEL))
    lift_bag(out / 'logs' / f'{name}_short', tmp_path / 'offline', lifter)
    with BagReader(out / f'{name}.mcap') as live, BagReader(tmp_path / 'offline') as offline:
        for topic in ('/keypoints', '/skeletons', '/camera_elevation'):
            expected = [message.data.rstrip(b'\0') for message in live.messages([topic])]
            found = [message.data.rstrip(b'\0') for message in offline.messages([topic])]
            assert len(found) == FRAMES
            assert found == expected, topic


def test_an_interrupted_demo_leaves_no_process(demo, tmp_path):
    process = subprocess.Popen(
        _command(tmp_path, '--frames', FRAMES, '--hz', 1, '--only', 'walk'),
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 90
    log = tmp_path / 'logs' / 'walk-record.log'
    while not (log.exists() and 'recording' in log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().endswith('demo: stopped')
    assert not _still_running(tmp_path)


def test_a_missing_bundle_is_one_sentence(demo, tmp_path):
    command = [*_command(tmp_path), '--model', str(tmp_path / 'none.elepose')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'none.elepose' in done.stderr


def test_an_environment_without_ros_is_one_sentence(tmp_path):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    code = (
        'import runpy, sys\n'
        'sys.modules["rclpy"] = None\n'
        f'sys.path.insert(0, {str(ROOT / "demo")!r})\n'
        f'runpy.run_path({str(ROOT / "demo" / "run.py")!r}, run_name="__main__")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith('run it through: make demo')
