# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How the noise of a detector is told from its offsets, by hand, and written into a set."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from elepose_core.data.poseset import PoseSet
from elepose_core.skeleton import COCO_17

ROOT = Path(__file__).parents[3]
TRUTH = ROOT / 'tests' / 'data' / 'poses_3d.npz'


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    import detector_noise

    return detector_noise  # type: ignore[no-any-return]


def test_both_sides_share_a_part_and_wild_misses_do_not_count(benchmark: ModuleType) -> None:
    rows = np.full((4, 17, 2), np.nan)
    wrists = [COCO_17.index(f'{side}_wrist') for side in ('left', 'right')]
    rows[:, wrists] = 0.0
    rows[:, wrists, 1] = np.array([[0.01, 0.02], [0.03, 0.02], [0.02, 0.02], [9.0, 0.02]])
    found = benchmark.by_part(np.where(np.isnan(rows), 0.0, rows))['wrist']
    assert found['n'] == 8
    assert found['down'] == pytest.approx(0.02)
    # Distances from the median: x all 0; y 0.01, 0.01, once 8.98, else 0: their median is 0.
    assert found['deviation'] == 0.0
    rows[:, wrists, 0] = np.array([[0.1, -0.1]] * 4)
    found = benchmark.by_part(np.where(np.isnan(rows), 0.0, rows))['wrist']
    # Of 16 distances seven are less and one is more than 0.1.
    assert found['deviation'] == pytest.approx(0.14826, abs=1e-4)


def test_keypoints_that_are_not_marked_are_left_out(benchmark: ModuleType) -> None:
    rows = np.zeros((3, 17, 2))
    rows[1:, COCO_17.index('left_knee')] = np.nan
    assert benchmark.by_part(rows)['knee']['n'] == 4


def test_hips_by_shoulders_by_hand(benchmark: ModuleType) -> None:
    points = np.full((3, 17, 2), np.nan)
    for name, x in (('hip', (0.2, 0.3, 0.9)), ('shoulder', (0.4, 0.4, 1.0))):
        points[:, COCO_17.index(f'left_{name}')] = np.stack([x, np.zeros(3)], axis=-1)
        points[:, COCO_17.index(f'right_{name}')] = 0.0
    points[2, COCO_17.index('left_hip')] = np.nan
    ratio, people = benchmark.hip_by_shoulder_width(points, COCO_17)
    assert people == 2
    assert ratio == pytest.approx((0.5 + 0.75) / 2)


def test_halves_of_a_set_share_no_clip(tmp_path: Path) -> None:
    for half, more in (('even', []), ('odd', ['--clean'])):
        command = [sys.executable, ROOT / 'tools' / 'detector_like.py', TRUTH]
        subprocess.run([*command, tmp_path / f'{half}.npz', '--half', half, *more], check=True)
    whole, noisy, clean = (
        PoseSet.load(path) for path in (TRUTH, tmp_path / 'even.npz', tmp_path / 'odd.npz')
    )
    assert len(noisy) + len(clean) == len(whole)
    assert not set(noisy.clip_index) & set(clean.clip_index)
    kept = whole.select(np.flatnonzero(np.isin(whole.clip_index, clean.clip_index)))
    np.testing.assert_array_equal(clean.keypoints_px, kept.keypoints_px)
    kept = whole.select(np.flatnonzero(np.isin(whole.clip_index, noisy.clip_index)))
    assert np.abs(noisy.keypoints_px - kept.keypoints_px).max() > 1.0
    assert noisy.joints_cam_m is not None
