# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The long run counts what it says, in the small, and goes on where it was cut off."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(folder: Path, inputs: int) -> list[str]:
    none = ['--messages', '0', '--files', '0', '--keypoint-files', str(inputs)]
    place = ['--json', str(folder / 'found.json'), '--folder', str(folder)]
    return [sys.executable, str(ROOT / 'benchmarks' / 'fuzz.py'), *none, *place]


def run(folder: Path, inputs: int) -> dict[str, object]:
    subprocess.run(command(folder, inputs), check=True, capture_output=True, timeout=120)
    found: dict[str, object] = json.loads((folder / 'found.json').read_text())['keypoint_files']
    return found


def test_inputs_are_counted_once_and_a_run_goes_on(tmp_path: Path) -> None:
    first = run(tmp_path, 60)
    assert first['reached_our_code'] == 60
    assert first['bugs'] == first['crashes'] == []
    longer = run(tmp_path, 100)
    assert longer['reached_our_code'] >= 100
    assert len((tmp_path / 'keypoint_files-0.jsonl').read_text().splitlines()) == 2


def test_process_that_dies_is_told_with_its_input(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, 1500), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    progress = tmp_path / 'keypoint_files-0-0.progress'
    deadline = time.monotonic() + 60
    while not progress.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    threads = Path(f'/proc/{process.pid}/task').glob('*/children')
    (worker,) = (int(text) for thread in threads for text in thread.read_text().split())
    os.kill(worker, signal.SIGSEGV)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert 'the process ended with -11' in told
    found = json.loads((tmp_path / 'found.json').read_text())['keypoint_files']
    ((kind, dead, _, _),) = found['crashes']
    assert kind in ('coco_json', 'openpose_json')
    # Behind the input that it died of the run went on.
    assert 0 < found['reached_our_code'] + dead < 4500
