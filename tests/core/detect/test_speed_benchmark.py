# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the detector's speed, as a user starts it; its times are not judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('cv2', reason='the detector needs OpenCV')

ROOT = Path(__file__).parents[3]


def test_every_part_is_measured(tmp_path: Path) -> None:
    found = tmp_path / 'speed.json'
    script = ROOT / 'benchmarks' / 'detector_speed.py'
    done = subprocess.run(
        [sys.executable, script, '--json', found, '--threads', '1', '--repeats', '2'],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tree = json.loads(found.read_text())
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    for part in ('decode', 'preparation', 'network', 'regions_of_interest'):
        rows = [{k: v for k, v in row.items() if k != 'part'} for row in printed]
        assert tree[part]
        assert all(row in rows for row in tree[part])
    assert {row['input_long_side'] for row in tree['network']} >= {256, 384}
    assert all(row['network_ms'] > 0 for row in tree['network'])
