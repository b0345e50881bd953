# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""PoseSet in, PoseSet with 3D out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, project
from elepose_core.offline.poses import lift_poses, lifted
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.runtime.predictor import Predictor


@pytest.fixture(scope='module')
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle.folder)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    whole = pose_set_of(crowd_of(20, seed=8))
    scores = whole.scores.copy()
    whole.keypoints_px[5, 16] = 1e6  # beyond any view
    scores[3, 5] = 0.1  # one joint below the limit
    scores[4, 4:] = 0.0  # four joints are too few
    return replace(whole, scores=scores, extra={'licence': np.array('CC0')})


def test_result_has_everything_that_came_and_what_was_lifted(
    poses: PoseSet, predictor: Predictor
) -> None:
    result = lifted(poses, predictor, LiftingOptions())
    shapes = {name: result.extra[name].shape for name in sorted(set(result.extra) - {'licence'})}
    assert shapes == {
        'lifted_joints_cam_m': (20, 17, 3),
        'lifted_plausibility': (20,),
        'lifted_root_cam_m': (20, 3),
        'lifted_sigma_m': (20, 17),
        'lifted_up_cam': (20, 3),
    }
    assert all(result.extra[name].dtype == np.float32 for name in shapes)
    np.testing.assert_array_equal(result.keypoints_px, poses.keypoints_px)
    assert set(poses.extra) == {'licence'}, 'the input must not change'


def test_missing_is_nan_and_the_rest_lies_about_on_its_pixels(
    poses: PoseSet, predictor: Predictor
) -> None:
    extra = lifted(poses, predictor, LiftingOptions()).extra
    joints = extra['lifted_joints_cam_m']
    missing = np.isnan(joints).any(-1)
    np.testing.assert_array_equal(missing, np.isnan(extra['lifted_sigma_m']))
    assert np.flatnonzero(np.isnan(extra['lifted_plausibility'])).tolist() == [4]
    assert missing[4].all()
    assert np.argwhere(np.delete(missing, 4, axis=0)).tolist() == [[3, 5], [4, 16]]
    camera = Camera(poses.camera_matrix[0], 640, 480)
    np.testing.assert_allclose(
        project(joints[~missing], camera), poses.keypoints_px[~missing], atol=1
    )


def test_files_and_frames_are_lifted_alike(poses: PoseSet, predictor: Predictor) -> None:
    offline = lifted(poses, predictor, LiftingOptions()).extra
    camera = Camera(poses.camera_matrix[0], 640, 480)
    for row in (0, 3, 19):
        person = Person2D('', poses.keypoints_px[row], poses.scores[row])
        live = PeopleLifter(predictor).lift(People2D(0, 'h36m_17', (person,)), camera)
        found = live.skeletons[0]
        np.testing.assert_allclose(
            found.joints_cam_m, offline['lifted_joints_cam_m'][row], atol=1e-4
        )
        np.testing.assert_allclose(found.root_cam_m, offline['lifted_root_cam_m'][row], atol=1e-4)
        np.testing.assert_allclose(found.sigma_m, offline['lifted_sigma_m'][row], atol=1e-5)
        assert abs(found.plausibility - offline['lifted_plausibility'][row]) < 0.011


def test_stature_scales_the_result(poses: PoseSet, predictor: Predictor) -> None:
    small, tall = (
        lifted(poses, predictor, LiftingOptions(stature_m=s)).extra['lifted_root_cam_m']
        for s in (0.9, 1.8)
    )
    np.testing.assert_allclose(2 * small, tall, rtol=1e-5)


def test_empty_set_and_nobody_usable(poses: PoseSet, predictor: Predictor) -> None:
    empty = lifted(poses.select(np.zeros(20, bool)), predictor, LiftingOptions())
    assert empty.extra['lifted_joints_cam_m'].shape == (0, 17, 3)
    unseen = replace(poses, scores=np.zeros_like(poses.scores))
    result = lifted(unseen, predictor, LiftingOptions())
    assert np.isnan(result.extra['lifted_joints_cam_m']).all()
    assert np.isnan(result.extra['lifted_root_cam_m']).all()


def test_file_is_lifted_to_a_file_and_can_be_lifted_again(
    poses: PoseSet, predictor: Predictor, tmp_path: Path
) -> None:
    poses.save(tmp_path / 'in.npz')
    lift_poses(tmp_path / 'in.npz', tmp_path / 'out.npz', predictor, LiftingOptions())
    lift_poses(tmp_path / 'out.npz', tmp_path / 'again.npz', predictor, LiftingOptions())
    assert (tmp_path / 'out.npz').read_bytes() == (tmp_path / 'again.npz').read_bytes()
    result = PoseSet.load(tmp_path / 'out.npz')
    assert result.extra['lifted_joints_cam_m'].dtype == np.float32
    assert result.action is not None
