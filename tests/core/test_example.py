# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The example set that anybody can train on: what it is, and that its settings fit it."""

from pathlib import Path

import numpy as np

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
