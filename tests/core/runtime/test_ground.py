# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Distance by the ground under the feet: hand-worked numbers and finite differences."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.runtime.ground import GroundScale, scale_by_ground
from elepose_core.skeleton import H36M_17

LEFT, RIGHT = H36M_17.index('left_ankle'), H36M_17.index('right_ankle')
SIGMA, SEEN = np.full((1, 17), 0.05), np.ones((1, 17), bool)
STATURE_M = 2.0
Array = NDArray[np.float64]


def _person(left_m: tuple[float, float, float], right_m: tuple[float, float, float]) -> Array:
    joints = np.zeros((1, 17, 3))
    joints[0, :, 2] = left_m[2]
    joints[0, LEFT], joints[0, RIGHT] = left_m, right_m
    return joints


def _measure(joints: Array, camera: tuple[float, float, float, float]) -> GroundScale:
    return scale_by_ground(joints, SIGMA, SEEN, STATURE_M, camera)


def test_level_camera_by_hand() -> None:
    """Ankles of somebody of 2 m stand 10 cm above the ground, here 90 cm below the camera."""
    joints = _person((0.2, 0.9, 4.0), (-0.2, 0.9, 4.0))
    assert math.isclose(_measure(joints, (0.0, 0.0, 1.0, 600.0)).inverse[0], 1.0)
    # A camera twice as high sees the same picture from twice as far.
    assert math.isclose(_measure(joints, (0.0, 0.0, 2.0, 600.0)).inverse[0], 0.5)


def test_tilted_and_rolled_camera_sees_the_same_ground() -> None:
    """Feet 3 m in front of a camera 1.2 m up: the ankles lie 1.1 m below, however it looks."""
    level = np.array([3.0, 0.5, -1.1])
    for elevation, roll in ((0.0, 0.0), (0.4, 0.0), (-0.3, 0.2), (0.6, -1.0)):
        foot = level_from_camera(up_cam_from_elevation(elevation, roll)).T @ level
        joints = _person(tuple(foot), tuple(foot))
        found = _measure(joints, (elevation, roll, 1.2, 600.0))
        assert math.isclose(found.inverse[0], 1.0, rel_tol=1e-9)


def test_gradient_agrees_with_differences() -> None:
    joints = _person((0.5, 0.7, 3.0), (0.5, 0.7, 3.0))
    camera = np.array([0.2, -0.1, 1.1, 600.0])
    found = _measure(joints, tuple(camera))
    for place, step in enumerate(np.diag([1e-6, 1e-6, 1.1e-6])):
        higher, lower = (
            _measure(joints, (*(camera[:3] + sign * step), 600.0)).inverse[0] for sign in (1, -1)
        )
        # The height's is by its relative error.
        wanted = (higher - lower) / 2e-6
        assert math.isclose(found.gradient[0, place], wanted, rel_tol=1e-5)


def test_one_foot_in_the_air_does_not_count() -> None:
    standing = _measure(_person((0.2, 0.9, 4.0), (-0.2, 0.9, 4.0)), (0.0, 0.0, 1.0, 600.0))
    walking = _measure(_person((0.2, 0.9, 4.0), (-0.2, 0.6, 4.0)), (0.0, 0.0, 1.0, 600.0))
    assert abs(walking.inverse[0] - standing.inverse[0]) < 0.01


@pytest.mark.parametrize('hidden', [LEFT, RIGHT])
def test_a_hidden_foot_is_not_used(hidden: int) -> None:
    """The lowest foot is a guess of the lifter: the other one counts."""
    joints = _person((0.2, 0.9, 4.0), (-0.2, 0.9, 4.0))
    joints[0, hidden, 1] = 1.5
    seen = SEEN.copy()
    seen[0, hidden] = False
    found = scale_by_ground(joints, SIGMA, seen, STATURE_M, (0.0, 0.0, 1.0, 600.0))
    assert math.isclose(found.inverse[0], 1.0)
    seen[0, [LEFT, RIGHT]] = False
    found = scale_by_ground(joints, SIGMA, seen, STATURE_M, (0.0, 0.0, 1.0, 600.0))
    assert np.isinf(found.variance[0])
    assert np.isfinite(found.inverse[0])


def test_far_feet_near_the_horizon_say_less() -> None:
    """By elevation, a distance four times as large is four times as uncertain."""
    near = _measure(_person((0, 0.9, 2.0), (0, 0.9, 2.0)), (0.0, 0.0, 1.0, 600.0))
    far = _measure(_person((0, 0.9, 8.0), (0, 0.9, 8.0)), (0.0, 0.0, 1.0, 600.0))
    assert math.isclose(far.gradient[0, 0], 4 * near.gradient[0, 0])
    low = _measure(_person((0, 0.3, 2.0), (0, 0.3, 2.0)), (0.0, 0.0, 0.4, 600.0))
    assert low.variance[0] > 4 * near.variance[0]
    # Feet at the height of the camera: farther than can be told, which is a number all the same.
    horizon = _measure(_person((0, -0.1, 8.0), (0, -0.1, 8.0)), (0.0, 0.0, 1.0, 600.0))
    assert abs(horizon.inverse[0]) < 1e-9
    assert 0 < horizon.variance[0] < 1
