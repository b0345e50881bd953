# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The example set that anybody can train on: what it is, and that its settings fit it."""

from pathlib import Path

import numpy as np
import pytest

from elepose_core.cli import main
from elepose_core.data.poseset import PoseSet

ROOT = Path(__file__).parents[2]
EXAMPLE, VAL = ROOT / 'data/example/train_2d.npz', ROOT / 'tests/data/poses_3d.npz'


def test_example_is_small_and_two_dimensional() -> None:
    assert EXAMPLE.stat().st_size < 3e6
    poses = PoseSet.load(EXAMPLE)
    assert len(poses) > 40_000
    assert poses.joints_cam_m is None
    assert poses.elevation_rad is None
    assert np.isfinite(poses.keypoints_px).all()


def test_clips_of_the_example_are_whole() -> None:
    poses = PoseSet.load(EXAMPLE)
    last_of_clip = np.diff(poses.clip_index) != 0
    assert (np.diff(poses.frame_index)[~last_of_clip] == 1).all()
    assert last_of_clip.sum() + 1 == len(np.unique(poses.clip_index))
    assert np.median(np.unique(poses.clip_index, return_counts=True)[1]) == 60


def test_val_shows_nobody_of_the_example() -> None:
    subjects = []
    for path in (EXAMPLE, VAL):
        poses = PoseSet.load(path)
        assert poses.subject is not None
        subjects.append(set(poses.subject[np.unique(poses.clip_index)]))
    assert subjects[0]
    assert subjects[1]
    assert not subjects[0] & subjects[1]


@pytest.mark.slow
def test_settings_of_the_example_train_on_it(tmp_path: Path) -> None:
    """A handful of steps; docs/training.md says what all of them bring."""
    pytest.importorskip('torch', reason='training needs torch')
    pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')
    few = {f'{stage}.steps': 3 for stage in ('prior', 'discovery', 'alternation', 'training')}
    few |= {'refinement.bone_mm': [5.0], 'refinement.steps_per_stage': 1}
    overrides = [word for key, value in few.items() for word in ('--set', f'{key}={value}')]
    words = ['--config', ROOT / 'configs/example.toml', '--data', EXAMPLE, '--out', tmp_path / 'r']
    with pytest.raises(SystemExit) as ended:
        main(['train', 'elepose', *map(str, words), '--threads', '1', *overrides])
    assert ended.value.code == 0
    assert (tmp_path / 'r' / 'last.pt').exists()
