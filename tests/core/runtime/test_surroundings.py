# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What is known beside the keypoints, from `PeopleLifter.lift` to the skeletons."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import Bundle
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import (
    People2D,
    Person2D,
    ScaleSource,
    Skeleton3D,
    Skeletons3D,
    Surroundings,
)
from elepose_core.runtime.predictor import Predictor

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
STEP_NS = 100_000_000
Lift = Callable[..., Skeletons3D]


@pytest.fixture
def lift(tiny_bundle: Bundle, standing_m: NDArray[np.float64]) -> Lift:
    """Return a function that lifts somebody 4 m away in frame after frame."""
    lifter = PeopleLifter(
        Predictor(tiny_bundle.folder), LiftingOptions(smoothing_cutoff_hz=0.0, use_fused_up=False)
    )
    pixels = project(standing_m + np.array([0, 0, 4.0]), CAMERA).astype(np.float32)
    person = Person2D('', pixels, np.full(17, 0.9, np.float32))
    frame = 0

    def lift(surroundings: Surroundings | None = None, camera: Camera = CAMERA) -> Skeletons3D:
        nonlocal frame
        frame += 1
        people = People2D(frame * STEP_NS, 'h36m_17', (person,))
        return lifter.lift(people, camera, surroundings)

    return lift


def _wall(metres: float, width: int = 640, height: int = 480) -> Surroundings:
    return Surroundings(depth=DepthImage(np.full((height, width), metres, np.float32)))


def _last(lift: Lift, surroundings: Surroundings, frames: int = 40) -> Skeleton3D:
    for _ in range(frames):
        result = lift(surroundings)
    return result.skeletons[0]


def test_nothing_known_changes_no_bit(lift: Lift) -> None:
    first, second = (lift(told).skeletons[0] for told in (None, Surroundings()))
    for name in ('joints_cam_m', 'sigma_m', 'root_cam_m', 'root_covariance_m2'):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.scale_source == second.scale_source == ScaleSource.STATURE


def test_depth_scales_joints_sigma_and_root_alike(lift: Lift) -> None:
    plain = lift().skeletons[0]
    found = _last(lift, _wall(5.4))
    assert found.scale_source == ScaleSource.DEPTH
    # The skin is seen at 5.4 m, the pelvis lies behind it.
    assert 5.4 < found.root_cam_m[2] < 5.7
    factor = found.root_cam_m[2] / plain.root_cam_m[2]
    assert factor > 1.2
    np.testing.assert_allclose(found.joints_cam_m, factor * plain.joints_cam_m, rtol=1e-4)
    np.testing.assert_allclose(found.sigma_m, factor * plain.sigma_m, rtol=1e-4)
    np.testing.assert_allclose(
        project(found.joints_cam_m, CAMERA), project(plain.joints_cam_m, CAMERA), atol=1e-2
    )
    np.testing.assert_allclose(found.joints_cam_m[0], found.root_cam_m, rtol=1e-5)
    along = [float(np.sqrt(s.root_covariance_m2[2, 2])) for s in (plain, found)]
    assert along[1] < along[0] / 1.5


def test_skeleton_does_not_jump_when_depth_comes_and_goes(lift: Lift) -> None:
    """Depth says 30 % more than stature: from frame to frame the person moves by less."""
    distances = [_last(lift, _wall(4.0), 20).root_cam_m[2]]
    for told in [_wall(5.4)] * 20 + [Surroundings()] * 20 + [_wall(5.4)] * 5:
        distances.append(lift(told).skeletons[0].root_cam_m[2])
    steps = np.abs(np.diff(distances))
    assert steps.max() < 0.35
    assert steps[21:].max() < 0.1, 'the stature is known by then'


def test_assumed_field_of_view_stays_unknown(lift: Lift) -> None:
    assumed = Camera(CAMERA.matrix, 640, 480, assumed=True)
    found = lift(_wall(5.4), assumed).skeletons[0]
    assert found.scale_source == ScaleSource.UNKNOWN


def test_depth_of_another_shape_is_refused_and_changes_nothing(lift: Lift) -> None:
    before = lift().skeletons[0]
    with pytest.raises(InputError, match='depth image is 640x360 but the image is 640x480'):
        lift(_wall(4.0, height=360))
    after = lift(_wall(5.4, 320, 240))
    assert not after.was_reset
    assert after.skeletons[0].track == before.track


def test_what_is_learned_goes_with_a_reset_of_time(
    tiny_bundle: Bundle, standing_m: NDArray[np.float64]
) -> None:
    lifter = PeopleLifter(Predictor(tiny_bundle.folder))
    pixels = project(standing_m + np.array([0, 0, 4.0]), CAMERA).astype(np.float32)
    person = Person2D('', pixels, np.full(17, 0.9, np.float32))
    sources = []
    for frame in (*range(20), 0):
        told = _wall(5.4) if frame else Surroundings()
        people = People2D(10**9 + frame * STEP_NS, 'h36m_17', (person,))
        sources.append(lifter.lift(people, CAMERA, told).skeletons[0].scale_source)
    assert sources[-2:] == [ScaleSource.DEPTH, ScaleSource.STATURE]
