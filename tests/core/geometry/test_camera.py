# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels and rays: hand-worked pinhole numbers, and OpenCV for the lenses."""

import math
from typing import Any

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, pixels_from_rays, project, rays_from_pixels

K = np.array([[600.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
LENSES = {
    'none': (),
    'plumb_bob': (-0.28, 0.09, 0.0007, -0.0011, -0.012),
    'rational_polynomial': (0.31, -0.12, 0.0004, -0.0003, 0.01, 0.68, -0.05, 0.02),
    'equidistant': (-0.012, 0.021, -0.018, 0.006),
}


def _camera(model: str = 'none') -> Camera:
    return Camera(K, 640, 480, model, LENSES[model])


def test_ray_of_a_pixel_by_hand() -> None:
    # (620 - 320) / 600 = 0.5 to the right, (140 - 240) / 500 = -0.2: above the middle.
    np.testing.assert_allclose(rays_from_pixels([620, 140], _camera()), [0.5, -0.2])
    np.testing.assert_allclose(rays_from_pixels([320, 240], _camera()), [0, 0], atol=1e-15)


def test_skew_by_hand() -> None:
    skewed = K.copy()
    skewed[0, 1] = 50.0
    # y = 0.2, x = (640 - 320 - 50 * 0.2) / 600
    ray = rays_from_pixels([640, 340], Camera(skewed, 640, 480))
    np.testing.assert_allclose(ray, [310 / 600, 0.2])


def test_projection_by_hand() -> None:
    # One metre right, one metre up, two metres away.
    np.testing.assert_allclose(project([1.0, -1.0, 2.0], _camera()), [620.0, -10.0])


def test_head_is_above_feet_and_the_farther_is_smaller() -> None:
    camera = _camera()
    head, feet = project([[0.0, -0.8, 4.0], [0.0, 0.9, 4.0]], camera)
    assert head[1] < feet[1]
    far_head, far_feet = project([[0.0, -0.8, 8.0], [0.0, 0.9, 8.0]], camera)
    assert math.isclose(far_feet[1] - far_head[1], (feet[1] - head[1]) / 2)


def test_points_behind_the_camera_have_no_picture() -> None:
    pixels = project([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, -2.0]], _camera())
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1:]).all()


@pytest.mark.parametrize('model', list(LENSES))
@pytest.mark.parametrize('batch', [(), (5,), (2, 3), (0,)])
def test_rays_and_pixels_undo_each_other_in_any_batch_shape(
    model: str, batch: tuple[int, ...], random: np.random.Generator
) -> None:
    camera = _camera(model)
    pixels = random.uniform((0, 0), (640, 480), (*batch, 2))
    rays = rays_from_pixels(pixels, camera)
    assert rays.shape == (*batch, 2)
    np.testing.assert_allclose(pixels_from_rays(rays, camera), pixels, atol=1e-3)
    for index in np.ndindex(batch):
        np.testing.assert_allclose(rays_from_pixels(pixels[index], camera), rays[index])


@pytest.mark.parametrize('model', ['plumb_bob', 'rational_polynomial'])
def test_polynomial_lens_agrees_with_opencv(model: str, random: np.random.Generator) -> None:
    cv2: Any = pytest.importorskip('cv2', reason='the oracle is OpenCV')
    camera = _camera(model)
    pixels = random.uniform((0, 0), (640, 480), (200, 2))
    # OpenCV inverts a lens in a few steps only; its way forward is exact.
    rays = np.concatenate([rays_from_pixels(pixels, camera), np.ones((200, 1))], axis=1)
    again, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), K, np.array(LENSES[model]))
    np.testing.assert_allclose(again[:, 0], pixels, atol=1e-3)
    points = random.uniform((-1, -1, 3), (1, 1, 6), (200, 3))
    wanted, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(LENSES[model]))
    np.testing.assert_allclose(project(points, camera), wanted[:, 0], atol=1e-8)


def test_fisheye_lens_agrees_with_opencv(random: np.random.Generator) -> None:
    cv2: Any = pytest.importorskip('cv2', reason='the oracle is OpenCV')
    camera = _camera('equidistant')
    coefficients = np.array(LENSES['equidistant'])
    pixels = random.uniform((0, 0), (640, 480), (200, 2))
    wanted = cv2.fisheye.undistortPoints(pixels[:, None], K, coefficients)[:, 0]
    np.testing.assert_allclose(rays_from_pixels(pixels, camera), wanted, atol=1e-5)
    points = random.uniform((-3, -3, 2), (3, 3, 4), (200, 3))
    wanted, _ = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), K, coefficients
    )
    np.testing.assert_allclose(project(points, camera), wanted[:, 0], atol=1e-8)


def test_plumb_bob_by_hand() -> None:
    # x = 0.5, y = 0: r2 = 0.25, radial 1 - 0.2 * 0.25 = 0.95, tangential x 0.01 * 3 * 0.25
    camera = Camera(np.diag([100.0, 100.0, 1.0]), 64, 48, 'plumb_bob', (-0.2, 0.0, 0.0, 0.01))
    pixel = pixels_from_rays([0.5, 0.0], camera)
    np.testing.assert_allclose(pixel, [100 * (0.475 + 0.0075), 0.0], atol=1e-12)


def test_equidistant_without_coefficients_is_the_angle() -> None:
    camera = Camera(np.diag([100.0, 100.0, 1.0]), 64, 48, 'equidistant', (0, 0, 0, 0))
    # A ray at 45 degrees lands at pi/4 focal lengths.
    np.testing.assert_allclose(pixels_from_rays([1.0, 0.0], camera), [25 * math.pi, 0], atol=1e-12)
    np.testing.assert_allclose(rays_from_pixels([25 * math.pi, 0.0], camera), [1, 0], atol=1e-9)
    np.testing.assert_allclose(rays_from_pixels([0.0, 0.0], camera), [0, 0], atol=1e-12)


@pytest.mark.parametrize('model', list(LENSES))
def test_missing_points_stay_missing(model: str) -> None:
    points = np.array([[np.nan, np.nan], [np.nan, 3.0], [320.0, 240.0]])
    assert np.isnan(rays_from_pixels(points, _camera(model))[:2]).all()
    np.testing.assert_allclose(rays_from_pixels(points, _camera(model))[2], [0, 0], atol=1e-12)
    assert np.isnan(pixels_from_rays(np.full((2, 2), np.nan), _camera(model))).all()


@pytest.mark.parametrize('model', ['plumb_bob', 'equidistant'])
def test_pixel_that_no_ray_can_reach_is_missing(model: str) -> None:
    lens = (-0.4, 0.0, 0.0, 0.0) if model == 'plumb_bob' else LENSES[model]
    rays = rays_from_pixels([[90_000.0, 240.0]], Camera(K, 640, 480, model, lens))
    assert np.isnan(rays).all()


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'matrix': np.zeros((3, 3))}, r'focal lengths are 0 and 0 px; expected > 0'),
        ({'matrix': np.eye(4)}, r'camera matrix has shape \(4, 4\)'),
        ({'matrix': np.full((3, 3), np.nan)}, r'non-finite entries'),
        ({'distortion_model': 'fov'}, r"distortion_model is 'fov'; expected one of none, plumb"),
        ({'distortion_model': 'plumb_bob', 'distortion': (0.1,)}, r'has 1 distortion coeff'),
        ({'distortion': (0.1,)}, r'none has 1 distortion coefficients; expected 0'),
        (
            {'distortion_model': 'plumb_bob', 'distortion': (0, 0, 0, math.inf)},
            r'expected finite coefficients',
        ),
    ],
)
def test_wrong_camera_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Camera(**{'matrix': K, 'width': 640, 'height': 480, **changes})


def test_matrix_is_a_copy_that_nobody_can_change() -> None:
    matrix = K.copy()
    camera = Camera(matrix, 640, 480)
    matrix[0, 0] = 1.0
    assert camera.matrix[0, 0] == 600.0
    with pytest.raises(ValueError, match='read-only'):
        camera.matrix[0, 0] = 1.0


def test_field_of_view_by_hand() -> None:
    # 90 degrees over 640 pixels: the edge lies at 45 degrees, so f = 320. The middle lies between
    # the centres of pixels 319 and 320.
    camera = Camera.from_field_of_view(640, 480, math.pi / 2)
    np.testing.assert_allclose(camera.matrix, [[320, 0, 319.5], [0, 320, 239.5], [0, 0, 1]])
    assert camera.assumed
    assert not _camera().assumed


@pytest.mark.parametrize(
    ('size', 'fov', 'sentence'),
    [
        ((640, 480), 0.0, 'horizontal_fov_rad is 0.0'),
        ((640, 480), math.pi, r'horizontal_fov_rad is 3\.14'),
        ((640, 480), math.nan, 'horizontal_fov_rad is nan'),
        ((0, 480), 1.0, 'image is 0x480 pixels'),
    ],
)
def test_impossible_field_of_view_is_refused(
    size: tuple[int, int], fov: float, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        Camera.from_field_of_view(*size, fov)


def test_resized_image_keeps_the_rays() -> None:
    half = _camera('plumb_bob').scaled_to(320, 240)
    np.testing.assert_allclose(half.matrix, [[300, 0, 159.75], [0, 250, 119.75], [0, 0, 1]])
    np.testing.assert_allclose(
        # The centre of a big pixel lies between the centres of four small ones.
        rays_from_pixels([149.75, 69.75], half),
        rays_from_pixels([300.0, 140.0], _camera('plumb_bob')),
    )
    assert half.scaled_to(320, 240) is half
    with pytest.raises(InputError, match='image is 640x360 but the camera is calibrated for'):
        _camera().scaled_to(640, 360)
