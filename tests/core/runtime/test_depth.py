# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Distance by depth images of generated people, with holes and with things in front."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.runtime.depth import DepthImage, MeasuredScale, scale_by_depth
from elepose_core.skeleton import H36M_17

CAMERA = Camera(np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]), 320, 240)
SIGMA = np.full((1, 17), 0.04)
# A body as it is drawn here, whatever the measurement assumes.
THICK_M, THIN_M = 0.12, 0.06
TRUNK = ('spine', 'thorax', 'hip')
Array = NDArray[np.float64]


def _drawn(joints_m: Array, background_m: float = 7.0) -> Array:
    """Draw spheres along the bones of people (N, 17, 3) in front of a wall, metres."""
    rows, columns = np.mgrid[:240, :320]
    depth = np.full((240, 320), background_m)
    for person in joints_m:
        for parent, child in H36M_17.bones:
            radius = THICK_M if H36M_17.joint_names[child].endswith(TRUNK) else THIN_M
            for share in np.linspace(0, 1, 8):
                x, y, z = person[parent] * (1 - share) + person[child] * share
                reach = 300 * radius / z
                beside = ((columns - 160 - 300 * x / z) ** 2 + (rows - 120 - 300 * y / z) ** 2) / (
                    reach**2
                )
                front = z - radius * np.sqrt(np.clip(1 - beside, 0, 1))
                depth = np.where(beside <= 1, np.minimum(depth, front), depth)
    return depth


def _measure(joints_m: Array, values: NDArray[Any], assumed: float = 1.0) -> MeasuredScale:
    """Compare people, expected `assumed` times as far away as they are, with an image."""
    keypoints = project(joints_m, CAMERA).astype(np.float32)
    sigma = np.tile(SIGMA, (len(joints_m), 1))
    return scale_by_depth(joints_m * assumed, sigma, keypoints, DepthImage(values), (320, 240))


@pytest.fixture(scope='module')
def person(standing_m: Array) -> Array:
    return (standing_m + np.array([0.3, 0.1, 4.0]))[None]


@pytest.fixture(scope='module')
def picture(person: Array) -> Array:
    return _drawn(person)


def _millimetres(depth: Array) -> NDArray[np.uint16]:
    return (depth * 1000).astype(np.uint16)


@pytest.mark.parametrize('assumed', [0.8, 1.0, 1.3])
@pytest.mark.parametrize('kind', ['16UC1', '32FC1', 'big endian'])
def test_person_is_found_where_they_stand(
    person: Array, picture: Array, assumed: float, kind: str
) -> None:
    values: NDArray[Any] = _millimetres(picture)
    if kind == '32FC1':
        values = picture.astype(np.float32)
    elif kind == 'big endian':
        values = values.astype('>u2')
    found = _measure(person, values, assumed)
    assert found.is_clear[0]
    # Expected too far = the measured scale is smaller: within 4 cm of 4 m.
    assert abs(found.inverse[0] / assumed - 1) < 0.04 / 4
    deviation_m = 4 * np.sqrt(found.variance[0]) / found.inverse[0]
    assert 0.02 < deviation_m < 0.08


def test_holes_are_no_depth(person: Array, picture: Array) -> None:
    random = np.random.default_rng(0)
    holes = np.kron(random.uniform(size=(60, 80)) < 0.4, np.ones((4, 4), bool))
    for hole in (0.0, np.nan, np.inf, -1.0):
        values = np.where(holes, hole, picture).astype(np.float32)
        found = _measure(person, values)
        assert abs(found.inverse[0] - 1) < 0.05 / 4
    assert np.isinf(_measure(person, np.zeros((240, 320), np.uint16)).variance[0])


def test_something_in_front_of_the_legs_is_left_out(person: Array, picture: Array) -> None:
    hips_px = int(project(person[0, 0], CAMERA)[1])
    values = picture.copy()
    values[hips_px + 5 :] = np.minimum(values[hips_px + 5 :], 2.5)  # a table
    found = _measure(person, _millimetres(values))
    assert abs(found.inverse[0] - 1) < 0.04 / 4
    # All but the head hidden: the table is all there is, and nobody claims to be sure of it.
    head_px = int(project(person[0, 8], CAMERA)[1])
    values[head_px:] = 2.5
    values[:head_px] = 0
    hidden = _measure(person, _millimetres(values))
    assert not hidden.is_clear[0] or hidden.inverse[0] > 1.3


def test_person_before_another_keeps_the_own_depth(standing_m: Array) -> None:
    people = standing_m + np.array([[[0, 0, 3.0]], [[0.3, 0, 5.0]]])
    found = _measure(people, _millimetres(_drawn(people)))
    np.testing.assert_allclose(found.inverse, 1, atol=0.02)


def test_depth_of_another_resolution_is_read_at_the_same_place(person: Array) -> None:
    """An image twice as large as the depth: pixel edges, not centres, are what stays."""
    large = CAMERA.scaled_to(640, 480)
    keypoints = project(person, large).astype(np.float32)
    depth = DepthImage(_millimetres(_drawn(person)))
    found = scale_by_depth(person, SIGMA, keypoints, depth, (640, 480))
    assert abs(found.inverse[0] - 1) < 0.04 / 4


def test_hidden_and_outside_joints_do_not_count(person: Array, picture: Array) -> None:
    keypoints = project(person, CAMERA).astype(np.float32)
    keypoints[0, 1:7] = np.nan
    keypoints[0, 15] = (-50, 1e6)
    depth = DepthImage(_millimetres(picture))
    found = scale_by_depth(person, SIGMA, keypoints, depth, (320, 240))
    assert abs(found.inverse[0] - 1) < 0.04 / 4
    keypoints[:, 2:] = np.nan
    assert np.isinf(scale_by_depth(person, SIGMA, keypoints, depth, (320, 240)).variance[0])


def test_nearest_pixel_by_hand() -> None:
    depth = DepthImage(np.array([[1000, 2000], [0, 4000]], np.uint16))
    points = np.array([[0.4, 0.4], [0.6, 0.0], [0.0, 1.0], [1.4, 1.4], [1.6, 1.0], [np.nan, 0]])
    np.testing.assert_array_equal(depth.metres(points), [1, 2, np.nan, 4, np.nan, np.nan])


@pytest.mark.parametrize(
    ('values', 'sentence'),
    [
        (np.zeros((2, 2), np.float64), r'type float64; expected \(H, W\) of uint16'),
        (np.zeros((2, 2, 3), np.uint16), r'shape \(2, 2, 3\)'),
        (np.zeros((0, 2), np.uint16), 'is 2x0 pixels; expected both > 0'),
        (np.broadcast_to(np.uint16(1), (10_000, 10_000)), 'at most 64 megapixels'),
    ],
)
def test_what_is_no_depth_image_is_refused(values: NDArray[Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        DepthImage(values)


def test_another_aspect_ratio_is_refused() -> None:
    depth = DepthImage(np.zeros((240, 320), np.uint16))
    depth.check_size(640, 480)
    depth.check_size(0, 0)
    with pytest.raises(InputError, match='depth image is 320x240 but the image is 640x400; exp'):
        depth.check_size(640, 400)
