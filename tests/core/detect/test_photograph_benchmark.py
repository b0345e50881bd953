# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark over the annotated photographs, as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / 'benchmarks' / 'detector_photographs.py'


def start(data: Path | None, *arguments: str) -> 'subprocess.CompletedProcess[str]':
    environment = {k: v for k, v in os.environ.items() if k != 'ELEPOSE_DATA'}
    environment['PYTHONPATH'] = os.pathsep.join([str(ROOT), environment.get('PYTHONPATH', '')])
    if data is not None:
        environment['ELEPOSE_DATA'] = str(data)
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )


def test_without_data_it_says_what_is_missing(tmp_path: Path) -> None:
    for data, sentence in ((None, 'ELEPOSE_DATA is not set'), (tmp_path, 'coco_images.json')):
        done = start(data)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_table_and_json(data_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out.json'
    done = start(data_folder, '--input-long-side', '320', '--json', str(out))
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert result['input_long_side'] == 320
    assert len(result['photographs']) == 8
    total = result['total']
    assert total['annotated'] == 18 == sum(p['annotated'] for p in result['photographs'])
    assert 11 <= total['found_above_0_5'] <= total['found_above_0_1'] <= 18
    by_hand = sum(p['mean_oks'] * p['annotated'] for p in result['photographs']) / 18
    assert total['mean_oks'] == pytest.approx(by_hand)
    assert f'{total["mean_oks"]:.3f}' in done.stdout
