# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Signs and frames of elevation and roll, each with a number worked out by hand."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from elepose_core.geometry.elevation import (
    angle_between,
    elevation_from_up_cam,
    level_from_camera,
    roll_from_up_cam,
    up_cam_from_elevation,
    without_roll,
)

BATCHES = [(), (5,), (2, 3)]
SQRT_HALF = math.sqrt(0.5)


def test_level_camera_has_up_at_minus_y() -> None:
    np.testing.assert_allclose(up_cam_from_elevation(0.0), [0, -1, 0], atol=1e-15)
    assert elevation_from_up_cam([0, -1, 0]) == 0.0
    assert roll_from_up_cam([0, -1, 0]) == 0.0


def test_camera_that_looks_down_has_positive_elevation() -> None:
    # 30 degrees down: gravity has a part along the view, so up has one against it.
    up = up_cam_from_elevation(math.radians(30))
    np.testing.assert_allclose(up, [0, -math.sqrt(0.75), -0.5])
    assert math.isclose(float(elevation_from_up_cam(up)), math.radians(30))
    # The ground in front of such a camera, one metre below and far away, lies along the view.
    assert up @ [0, 0, 1] < 0
    assert math.isclose(float(elevation_from_up_cam([0, -1, 1])), -math.pi / 4)


def test_point_on_the_floor_below_the_axis_by_hand() -> None:
    # A camera 1 m high that looks 45 degrees down sees the floor at sqrt(2) m on its axis.
    to_level = level_from_camera(up_cam_from_elevation(math.pi / 4))
    np.testing.assert_allclose(to_level @ [0, 0, math.sqrt(2)], [1, 0, -1], atol=1e-12)


def test_roll_is_clockwise_from_behind_so_that_the_scene_turns_the_other_way() -> None:
    # A camera that rolls a quarter turn clockwise has its own right side pointing down, and
    # therefore up at its left: minus x. What stood upright now points to the left.
    np.testing.assert_allclose(up_cam_from_elevation(0.0, math.pi / 2), [-1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(
        up_cam_from_elevation(0.0, math.pi / 6), [-0.5, -math.sqrt(0.75), 0], atol=1e-15
    )
    assert math.isclose(float(roll_from_up_cam([-1, 0, 0])), math.pi / 2)
    assert math.isclose(float(roll_from_up_cam([1, 0, 0])), -math.pi / 2)


@pytest.mark.parametrize('batch', BATCHES)
def test_up_is_that_of_two_rotations_in_scipy(
    batch: tuple[int, ...], random: np.random.Generator
) -> None:
    elevation = random.uniform(-1.4, 1.4, batch)
    roll = random.uniform(-3.0, 3.0, batch)
    up = up_cam_from_elevation(elevation, roll)
    assert up.shape == (*batch, 3)
    for index in np.ndindex(batch):
        # Pitching the camera down turns what it sees up about x; rolling it clockwise turns
        # what it sees counter-clockwise, which is negative about the z of an optical frame.
        seen = Rotation.from_euler('x', elevation[index]).apply([0, -1, 0])
        seen = Rotation.from_euler('z', -roll[index]).apply(seen)
        np.testing.assert_allclose(up[index], seen, atol=1e-12)
    np.testing.assert_allclose(elevation_from_up_cam(up), elevation)
    np.testing.assert_allclose(roll_from_up_cam(up), roll)
    np.testing.assert_allclose(elevation_from_up_cam(up * 7.5), elevation)


def test_elevation_broadcasts_with_roll() -> None:
    assert up_cam_from_elevation(np.zeros((2, 1)), np.zeros(3)).shape == (2, 3, 3)


def test_level_frame_is_x_forward_y_left_z_up() -> None:
    to_level = level_from_camera([0, -1, 0])
    np.testing.assert_allclose(to_level @ [0, 0, 1], [1, 0, 0], atol=1e-15)  # ahead
    np.testing.assert_allclose(to_level @ [1, 0, 0], [0, -1, 0], atol=1e-15)  # right
    np.testing.assert_allclose(to_level @ [0, 1, 0], [0, 0, -1], atol=1e-15)  # down


@pytest.mark.parametrize('batch', BATCHES)
def test_level_frame_is_a_rotation_with_up_on_z_and_the_axis_over_x(
    batch: tuple[int, ...], random: np.random.Generator
) -> None:
    up = random.normal(size=(*batch, 3))
    rotation = level_from_camera(up)
    assert rotation.shape == (*batch, 3, 3)
    product = rotation @ np.swapaxes(rotation, -1, -2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    for index in np.ndindex(batch):
        level_up = rotation[index] @ up[index]
        np.testing.assert_allclose(level_up, [0, 0, np.linalg.norm(up[index])], atol=1e-12)
        forward = rotation[index] @ [0, 0, 1]
        assert forward[0] > 0
        assert abs(forward[1]) < 1e-12


@pytest.mark.parametrize('z', [-1.0, 1.0])
def test_camera_that_looks_straight_down_or_up_has_a_level_frame_too(z: float) -> None:
    rotation = level_from_camera([0.0, 0.0, z])
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation[2], [0, 0, z], atol=1e-12)
    np.testing.assert_allclose(rotation[0], [0, -1, 0], atol=1e-12)  # the image's top edge


def test_angle_between_by_hand() -> None:
    assert math.isclose(float(angle_between([1, 0, 0], [0, 2, 0])), math.pi / 2)
    assert math.isclose(float(angle_between([1, 0, 0], [-3, 0, 0])), math.pi)
    assert float(angle_between([1, 1, 1], [2, 2, 2])) == 0.0
    # arccos of the dot product would round this to zero.
    assert math.isclose(float(angle_between([1, 0, 0], [1, 1e-9, 0])), 1e-9)
    assert angle_between(np.ones((2, 3, 3)), [SQRT_HALF, 0, 0]).shape == (2, 3)


@pytest.mark.parametrize('function', [elevation_from_up_cam, roll_from_up_cam])
def test_missing_up_gives_a_missing_angle(function) -> None:  # type: ignore[no-untyped-def]
    assert np.isnan(function([np.nan, np.nan, np.nan]))


def test_a_rolled_camera_held_level_by_hand() -> None:
    """A roll of 90 degrees clockwise: what was up in the world lies to the left of the image."""
    up = up_cam_from_elevation(0.0, np.pi / 2)
    np.testing.assert_allclose(up, [-1, 0, 0], atol=1e-12)
    level = without_roll(up[None], np.pi / 2)
    np.testing.assert_allclose(level, [[0, -1, 0]], atol=1e-12)
    generator = np.random.default_rng(0)
    elevation, roll = generator.uniform(-1, 1, (2, 5))
    ups = up_cam_from_elevation(elevation, roll)[:, None]
    np.testing.assert_allclose(
        without_roll(ups, roll)[:, 0], up_cam_from_elevation(elevation), atol=1e-12
    )
    rays = ups[..., :2] / 3.0
    np.testing.assert_allclose(
        without_roll(rays, roll), without_roll(ups, roll)[..., :2] / 3.0, atol=1e-12
    )
