# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Noise of a detector on clean poses, by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.data.detector_noise import DetectorNoise, detector_like
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.skeleton import H36M_17

PARTS = ('nose', 'eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
SILENT = DetectorNoise(dict.fromkeys(PARTS, 0.0), dict.fromkeys(PARTS, 0.0), 1.0)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(200, seed=4))


def _of(poses: PoseSet, name: str) -> Any:
    return poses.keypoints_px[:, H36M_17.index(name)].astype(np.float64)


def _heights(poses: PoseSet) -> Any:
    return np.ptp(poses.keypoints_px.astype(np.float64), axis=1).max(1)


def test_without_noise_limbs_stay_and_the_trunk_is_that_of_the_table(poses: PoseSet) -> None:
    seen = detector_like(poses, SILENT)
    for name in ('left_wrist', 'right_hip', 'left_ankle', 'head_top'):
        np.testing.assert_allclose(_of(seen, name), _of(poses, name), atol=1e-3)
    hips = (_of(poses, 'left_hip') + _of(poses, 'right_hip')) / 2
    shoulders = (_of(poses, 'left_shoulder') + _of(poses, 'right_shoulder')) / 2
    np.testing.assert_allclose(_of(seen, 'pelvis'), hips, atol=1e-3)
    np.testing.assert_allclose(_of(seen, 'spine'), 0.45 * hips + 0.55 * shoulders, atol=1e-3)
    np.testing.assert_allclose(
        _of(seen, 'neck_nose'), (shoulders + _of(poses, 'head_top')) / 2, atol=1e-3
    )
    assert seen.joints_cam_m is poses.joints_cam_m


def test_hips_are_marked_wider_apart_about_their_middle(poses: PoseSet) -> None:
    seen = detector_like(poses, DetectorNoise(SILENT.down, SILENT.deviation, 1.5))
    before = _of(poses, 'left_hip') - _of(poses, 'right_hip')
    np.testing.assert_allclose(
        _of(seen, 'left_hip') - _of(seen, 'right_hip'), 1.5 * before, atol=1e-3
    )
    np.testing.assert_allclose(
        _of(seen, 'pelvis'), (_of(poses, 'left_hip') + _of(poses, 'right_hip')) / 2, atol=1e-3
    )


def test_offsets_are_shares_of_the_height(poses: PoseSet) -> None:
    seen = detector_like(poses, DetectorNoise({**SILENT.down, 'knee': 0.1}, SILENT.deviation, 1.0))
    moved = _of(seen, 'left_knee') - _of(poses, 'left_knee')
    np.testing.assert_allclose(moved[:, 1], 0.1 * _heights(poses), rtol=1e-4)
    np.testing.assert_allclose(moved[:, 0], 0.0, atol=1e-3)


def test_deviation_is_that_of_each_coordinate_and_follows_from_the_seed(poses: PoseSet) -> None:
    noise = DetectorNoise(SILENT.down, {**SILENT.deviation, 'wrist': 0.05}, 1.0)
    seen, again, other = (detector_like(poses, noise, seed) for seed in (1, 1, 2))
    moved = (_of(seen, 'right_wrist') - _of(poses, 'right_wrist')) / _heights(poses)[:, None]
    assert moved.std(0) == pytest.approx([0.05, 0.05], rel=0.15)
    assert abs(moved.mean()) < 0.01
    np.testing.assert_array_equal(again.keypoints_px, seen.keypoints_px)
    assert not np.array_equal(other.keypoints_px, seen.keypoints_px)


def test_missing_joints_stay_missing_with_what_is_made_of_them(poses: PoseSet) -> None:
    keypoints = poses.keypoints_px.copy()
    keypoints[0, H36M_17.index('left_hip')] = np.nan
    scores = poses.scores.copy()
    scores[0, H36M_17.index('left_hip')] = 0.0
    seen = detector_like(replace(poses, keypoints_px=keypoints, scores=scores), SILENT)
    missing = [H36M_17.joint_names[i] for i in np.flatnonzero(seen.scores[0] == 0)]
    assert missing == ['pelvis', 'left_hip', 'spine']
    assert np.isnan(seen.keypoints_px[0, 0]).all()
    assert (seen.scores[1:] > 0).all()


def test_the_shipped_noise_is_read_and_another_file_refused(tmp_path: Path) -> None:
    noise = DetectorNoise.load()
    assert 1.0 < noise.hip_width < 2.0
    assert all(0 < noise.deviation[part] < 0.1 for part in PARTS)
    path = tmp_path / 'noise.json'
    path.write_text('{"parts": {}}')
    with pytest.raises(InputError, match=r"noise\.json is no noise model \(KeyError: 'nose'\)"):
        DetectorNoise.load(path)
