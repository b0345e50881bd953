# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of `lifter_node` measures what it says, in the small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

ROOT = Path(__file__).resolve().parents[2]


def test_keypoints_come_back_as_markers(tmp_path: Path) -> None:
    found = tmp_path / 'found.json'
    command = [sys.executable, ROOT / 'benchmarks' / 'keypoint_latency.py', '--json', found]
    options = ['--people', '3', '--hz', '15', '--seconds', '2', '--settle-s', '0.2']
    options += ['--nodes', 'lifter_node']
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'committed' in done.stdout
    figures = json.loads(found.read_text())['nodes']['lifter_node']
    assert 23 <= figures['sent'] <= 32
    assert figures['lost'] <= figures['dropped_and_counted'] + 1
    assert 0.1 < figures['latency']['p50_ms'] <= figures['latency']['p99_ms']
    # Of the process, not of a wrapper that started it.
    assert 60 < figures['resident_mb'] < 1000
    assert 0 < figures['start_to_first_skeleton_s'] < 60
