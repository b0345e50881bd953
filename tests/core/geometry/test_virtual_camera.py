# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera that looks at one person: numbers by hand, SciPy, gradients."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='training and export need torch')

from elepose_core.geometry.elevation import (  # noqa: E402
    elevation_from_up_cam,
    roll_from_up_cam,
    up_cam_from_elevation,
)
from elepose_core.geometry.virtual_camera import (  # noqa: E402
    azimuth_rotation,
    elevation_and_roll,
    image_turn,
    rotated_rays,
    up_from_elevation_and_roll,
    up_from_virtual_elevation,
    virtual_camera,
)


def _doubles(*shape: int, low: float = -0.6, high: float = 0.6, seed: int = 0):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.uniform(low, high, shape))


def test_centred_person_needs_no_turn() -> None:
    rotation = virtual_camera(torch.zeros(1, 2, dtype=torch.float64))
    np.testing.assert_allclose(rotation[0], np.eye(3), atol=1e-15)


def test_person_to_the_right_turns_the_camera_about_its_vertical() -> None:
    # At x/z = 1 the person stands 45 degrees to the right.
    rotation = virtual_camera(torch.tensor([[1.0, 0.0]], dtype=torch.float64))[0].numpy()
    h = math.sqrt(0.5)
    np.testing.assert_allclose(rotation, [[h, 0, -h], [0, 1, 0], [h, 0, h]], atol=1e-15)


def test_virtual_camera_is_a_rotation_that_puts_the_person_on_the_axis() -> None:
    centre = _doubles(20, 2, low=-2, high=2)
    rotation = virtual_camera(centre).numpy()
    np.testing.assert_allclose(
        rotation @ rotation.swapaxes(1, 2), np.tile(np.eye(3), (20, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    ray = np.concatenate([centre.numpy(), np.ones((20, 1))], axis=1)
    seen = np.einsum('nab,nb->na', rotation, ray)
    np.testing.assert_allclose(seen[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(seen[:, 2], np.linalg.norm(ray, axis=1))
    # x stays perpendicular to the real camera's y: a level camera stays level.
    np.testing.assert_allclose(rotation[:, 0, 1], 0, atol=1e-15)


def test_rotated_rays_are_those_of_turned_points() -> None:
    random = np.random.default_rng(4)
    points = random.uniform((-1, -1, 3), (1, 1, 5), (6, 17, 3))
    turn = Rotation.from_rotvec(random.uniform(-0.3, 0.3, (6, 3))).as_matrix()
    seen = np.einsum('nab,njb->nja', turn, points)
    rays = rotated_rays(
        torch.from_numpy(points[..., :2] / points[..., 2:]), torch.from_numpy(turn)
    )
    np.testing.assert_allclose(rays, seen[..., :2] / seen[..., 2:])


def test_ray_behind_the_virtual_camera_stays_finite() -> None:
    back = torch.tensor(np.diag([1.0, -1.0, -1.0]))[None]
    assert torch.isfinite(rotated_rays(torch.zeros(1, 1, 2, dtype=torch.float64), back)).all()


def test_person_on_the_axis_shows_the_camera_elevation_itself() -> None:
    elevation = torch.tensor([0.3], dtype=torch.float64)
    up = up_from_virtual_elevation(elevation, torch.eye(3, dtype=torch.float64)[None])
    np.testing.assert_allclose(up[0], [0, -math.cos(0.3), -math.sin(0.3)], atol=1e-12)


def test_up_of_the_virtual_camera_is_the_real_cameras_turned() -> None:
    random = np.random.default_rng(1)
    elevation = random.uniform(-0.5, 0.9, 50)
    rotation = virtual_camera(torch.from_numpy(random.uniform(-0.7, 0.7, (50, 2))))
    true = np.einsum('nab,nb->na', rotation.numpy(), up_cam_from_elevation(elevation))
    # The network says the elevation of the virtual camera; the real one must follow from it.
    virtual = torch.from_numpy(elevation_from_up_cam(true))
    up = up_from_virtual_elevation(virtual, rotation)
    np.testing.assert_allclose(up, true, atol=1e-9)


def test_impossible_virtual_elevation_still_gives_a_unit_vector() -> None:
    rotation = virtual_camera(torch.tensor([[2.0, 0.0]], dtype=torch.float64))
    up = up_from_virtual_elevation(torch.tensor([1.5], dtype=torch.float64), rotation)
    np.testing.assert_allclose(up.norm(dim=1), [1.0])


def test_azimuth_turns_about_up_as_scipy_does() -> None:
    random = np.random.default_rng(2)
    up = random.normal(size=(9, 3))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    azimuth = random.uniform(-math.pi, math.pi, 9)
    turn = azimuth_rotation(torch.from_numpy(up), torch.from_numpy(azimuth)).numpy()
    wanted = Rotation.from_rotvec(up * azimuth[:, None]).as_matrix()
    np.testing.assert_allclose(turn, wanted, atol=1e-12)
    np.testing.assert_allclose(np.einsum('nab,nb->na', turn, up), up, atol=1e-12)


def test_azimuth_leaves_heights_and_elevation_as_they_are() -> None:
    up = torch.from_numpy(up_cam_from_elevation(np.array([0.4])))
    points = _doubles(1, 17, 3)
    turned = points @ azimuth_rotation(up, torch.tensor([2.0], dtype=torch.float64)).mT
    np.testing.assert_allclose(turned @ up[0], points @ up[0], atol=1e-12)
    np.testing.assert_allclose(turned.norm(dim=-1), points.norm(dim=-1))


def test_up_follows_from_elevation_and_roll_as_in_the_room_of_elevations() -> None:
    elevation, roll = _doubles(40, low=-1.5, high=1.5), _doubles(40, low=-3, high=3, seed=1)
    up = up_from_elevation_and_roll(elevation, roll)
    np.testing.assert_allclose(up, up_cam_from_elevation(elevation, roll), atol=1e-12)


def test_elevation_and_roll_follow_from_up_as_in_the_room_of_elevations() -> None:
    random = np.random.default_rng(7)
    up = random.normal(size=(40, 3))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    elevation, roll = elevation_and_roll(torch.from_numpy(up))
    np.testing.assert_allclose(elevation, elevation_from_up_cam(up), atol=1e-9)
    np.testing.assert_allclose(roll, roll_from_up_cam(up), atol=1e-12)


def test_camera_that_looks_straight_down_has_an_elevation_with_a_gradient() -> None:
    up = torch.tensor([[0.0, 0.0, -1.0]], requires_grad=True)
    elevation, _ = elevation_and_roll(up)
    assert abs(elevation.item() - math.pi / 2) < 0.02
    elevation.sum().backward()
    assert up.grad is not None
    assert torch.isfinite(up.grad).all()


def test_camera_that_rolls_clockwise_sees_the_world_turn_the_other_way() -> None:
    # A quarter turn: what was above the middle of the image (y < 0) is then at its left (x < 0).
    turn = image_turn(torch.tensor([math.pi / 2], dtype=torch.float64))
    above = torch.tensor([[[0.0, -1.0]]], dtype=torch.float64)
    np.testing.assert_allclose((above @ turn.mT)[0, 0], [-1.0, 0.0], atol=1e-15)


def test_image_turn_is_that_of_a_camera_turned_about_its_axis() -> None:
    roll = _doubles(9, low=-3, high=3)
    points = np.random.default_rng(3).uniform((-1, -1, 3), (1, 1, 5), (9, 17, 3))
    # Clockwise seen from behind: from x (right) towards y (down), which is positive about z.
    camera = Rotation.from_euler('z', roll.numpy()[:, None]).as_matrix()
    seen = np.einsum('nba,njb->nja', camera, points)
    rays = torch.from_numpy(points[..., :2] / points[..., 2:])
    turn = image_turn(roll)
    np.testing.assert_allclose(rays @ turn.mT, seen[..., :2] / seen[..., 2:], atol=1e-12)
    np.testing.assert_allclose(rays @ turn.mT @ turn, rays, atol=1e-12)


def test_image_turn_carries_up_of_a_level_camera_to_that_of_a_rolled_one() -> None:
    elevation, roll = _doubles(20), _doubles(20, low=-3, high=3, seed=1)
    level = torch.from_numpy(up_cam_from_elevation(elevation))
    turned = (level[:, None, :2] @ image_turn(roll).mT)[:, 0]
    np.testing.assert_allclose(turned, up_cam_from_elevation(elevation, roll)[:, :2], atol=1e-12)


def test_gradients_are_the_numerical_ones() -> None:
    centre, rays = _doubles(3, 2), _doubles(3, 4, 2, seed=1)
    elevation, azimuth = _doubles(3, seed=2), _doubles(3, low=-3, high=3, seed=3)
    for leaf in (centre, rays, elevation, azimuth):
        leaf.requires_grad_(True)
    up = torch.nn.functional.normalize(_doubles(3, 3, seed=4), dim=1).requires_grad_(True)
    check = torch.autograd.gradcheck
    assert check(virtual_camera, (centre,))
    assert check(lambda r, c: rotated_rays(r, virtual_camera(c)), (rays, centre))
    assert check(lambda e, c: up_from_virtual_elevation(e, virtual_camera(c)), (elevation, centre))
    assert check(azimuth_rotation, (up, azimuth))
    assert check(up_from_elevation_and_roll, (elevation, azimuth))
    assert check(elevation_and_roll, (up,))
    assert check(image_turn, (azimuth,))


def test_no_people_give_no_people() -> None:
    rotation = virtual_camera(torch.zeros(0, 2))
    assert rotation.shape == (0, 3, 3)
    assert rotated_rays(torch.zeros(0, 17, 2), rotation).shape == (0, 17, 2)
    assert up_from_virtual_elevation(torch.zeros(0), rotation).shape == (0, 3)
