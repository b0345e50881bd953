# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A camera found from points and their pictures is the one that took them."""

from pathlib import Path

import numpy as np
import pytest
from toy_sets import h36m_cameras, persons

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.geometry.resection import camera_from_points

SIZE = (1000, 1002)


def test_camera_by_hand() -> None:
    """An axis-parallel camera at (0, 0, -4) with f = 1000 and its centre at (500, 400)."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (0, 1, 2)], float)
    points = np.concatenate([corners * s for s in (1.0, 0.8, 0.6, 0.5, 0.3)])
    pixels = np.array([(500 + 1000 * x / (z + 4), 400 + 1000 * y / (z + 4)) for x, y, z in points])
    fitted = camera_from_points(points, pixels, SIZE)
    np.testing.assert_allclose(
        fitted.camera.matrix, [[1000, 0, 500], [0, 1000, 400], [0, 0, 1]], atol=1e-4
    )
    np.testing.assert_allclose(fitted.camera_from_world, np.eye(3), atol=1e-7)
    np.testing.assert_allclose(fitted.translation_m, [0, 0, 4], atol=1e-6)
    assert fitted.residual_px < 1e-6


@pytest.mark.parametrize('number', range(4))
def test_lens_and_place_are_found_to_the_precision_of_the_file(number: int) -> None:
    points = persons(200)
    standing = h36m_cameras()[number]
    pixels = project(standing.in_camera(points), standing.camera).astype(np.float32)
    fitted = camera_from_points(points.reshape(-1, 3), pixels.reshape(-1, 2), SIZE)
    np.testing.assert_allclose(fitted.camera.matrix, standing.camera.matrix, atol=0.05)
    np.testing.assert_allclose(fitted.camera_from_world, standing.rotation, atol=1e-5)
    np.testing.assert_allclose(fitted.in_camera(points), standing.in_camera(points), atol=1e-4)
    assert fitted.residual_px < 1e-3


def test_noise_and_outliers_move_the_camera_by_centimetres_only() -> None:
    generator = np.random.default_rng(0)
    points = persons(600)
    standing = h36m_cameras()[0]
    pixels = project(standing.in_camera(points), standing.camera)
    pixels += generator.normal(0, 5, pixels.shape)
    swapped = generator.random(pixels.shape[:2]) < 0.05
    pixels[swapped] += 80
    fitted = camera_from_points(points.reshape(-1, 3), pixels.reshape(-1, 2), SIZE)
    off = np.linalg.norm(fitted.in_camera(points) - standing.in_camera(points), axis=-1)
    assert np.median(off) < 0.05
    assert 4 < fitted.residual_px < 8


def test_lens_alone_for_points_in_the_frame_of_the_camera() -> None:
    standing = h36m_cameras()[1]
    points = standing.in_camera(persons(100))
    pixels = project(points, standing.camera)
    fitted = camera_from_points(points.reshape(-1, 3), pixels.reshape(-1, 2), SIZE, True)
    np.testing.assert_allclose(fitted.camera.matrix, standing.camera.matrix, atol=1e-3)
    np.testing.assert_array_equal(fitted.camera_from_world, np.eye(3))


def test_few_missing_and_impossible_points_are_told() -> None:
    standing = h36m_cameras()[1]
    points = standing.in_camera(persons(10)).reshape(-1, 3)
    pixels = project(points, Camera(standing.camera.matrix, *SIZE))
    pixels[::2] = np.nan
    assert camera_from_points(points, pixels, SIZE, True).residual_px < 1e-6
    with pytest.raises(InputError, match='49 points are known in 2D and 3D; expected 50'):
        camera_from_points(points[:98], pixels[:98], SIZE, True)
    with pytest.raises(InputError, match='no camera fits'):
        camera_from_points(points - [0, 0, 10], pixels, SIZE, True)


def test_points_in_one_plane_are_no_camera(tmp_path: Path) -> None:
    points = persons(50).reshape(-1, 3) * (1, 1, 0)
    standing = h36m_cameras()[0]
    pixels = project(standing.in_camera(points), standing.camera)
    with pytest.raises(InputError, match='no camera fits'):
        camera_from_points(points, pixels, SIZE)


def test_the_lens_of_the_archives_of_human36m_is_met_to_a_tenth_of_a_pixel() -> None:
    """Their tangential terms lack the factor 2 that our model of a lens has."""
    standing = h36m_cameras()[0]
    points = standing.in_camera(persons(300)).reshape(-1, 3)
    xy = points[:, :2] / points[:, 2:]
    r2 = (xy**2).sum(1, keepdims=True)
    tangential = np.array([-0.00098, -0.00142])
    radial = 1 - 0.207 * r2 + 0.248 * r2**2 - 0.003 * r2**3
    distorted = xy * (radial + xy @ tangential[:, None]) + tangential * r2
    pixels = distorted @ standing.camera.matrix[:2, :2].T + standing.camera.matrix[:2, 2]
    world = points @ standing.rotation + standing.centre_m
    fitted = camera_from_points(world, pixels, SIZE)
    assert fitted.residual_px < 0.1
    found = fitted.in_camera(world)
    assert np.abs(found - points).max() < 0.01
