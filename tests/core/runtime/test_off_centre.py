# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People at the edge of fisheye and wide-angle images, photographed by OpenCV."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Predictor

cv2: Any = pytest.importorskip('cv2', reason='the oracle is OpenCV')

K = np.array([[330.0, 0, 640], [0, 330, 480], [0, 0, 1]])
LENSES = {
    'equidistant': (-0.012, 0.021, -0.018, 0.006),
    'plumb_bob': (-0.25, 0.06, 0.0007, -0.0011, -0.006),
    'rational_polynomial': (0.31, -0.12, 0.0004, -0.0003, 0.01, 0.68, -0.05, 0.02),
}
# As far out as the lens has an image of the whole person.
ANGLES_DEG = {
    'equidistant': (35, 70),
    'plumb_bob': (35,),
    'rational_polynomial': (38,),
}
PEOPLE, DISTANCE_M, ROOT_BELOW_M = 16, 4.0, 0.3
OPTIONS = LiftingOptions(max_people=PEOPLE, smoothing_cutoff_hz=0.0)
Array = NDArray[np.float64]


@pytest.fixture(scope='module')
def predictor() -> Predictor:
    return Predictor()


@pytest.fixture(scope='module')
def people_level_m() -> Array:
    """Return real poses (N, 17, 3), the root at 0, level frame: x forward, y left, z up."""
    poses = PoseSet.load(Path(__file__).parents[2] / 'data' / 'poses_3d.npz')
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    rows = np.linspace(0, len(poses) - 1, PEOPLE).astype(int)
    joints = poses.joints_cam_m[rows].astype(np.float64)
    turn = level_from_camera(up_cam_from_elevation(poses.elevation_rad[rows]))
    return np.asarray((joints - joints[:, :1]) @ turn.transpose(0, 2, 1))


def _placed(people_level_m: Array, angle_deg: float, elevation_deg: float) -> Array:
    """Return people in the camera frame, all turned aside by the same angle with their place."""
    people = people_level_m + np.array([DISTANCE_M, 0, -ROOT_BELOW_M])
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    aside = people @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return np.asarray(aside @ level_from_camera(up_cam_from_elevation(np.radians(elevation_deg))))


def _photograph(people_cam_m: Array, lens: str) -> NDArray[np.float32]:
    points, coefficients, zero = (
        people_cam_m.reshape(-1, 1, 3),
        np.array(LENSES[lens]),
        np.zeros(3),
    )
    if lens == 'equidistant':
        pixels, _ = cv2.fisheye.projectPoints(points, zero, zero, K, coefficients)
    else:
        pixels, _ = cv2.projectPoints(points, zero, zero, K, coefficients)
    return np.asarray(pixels.reshape(-1, 17, 2), np.float32)


def _root_misses(predictor: Predictor, people_cam_m: Array, lens: str) -> Array:
    """Return how far off roots (N, 3) are, with the true statures put in."""
    camera = Camera(K, 1280, 960, lens, LENSES[lens])
    scores = np.ones(17, np.float32)
    people = [Person2D('', points, scores) for points in _photograph(people_cam_m, lens)]
    result = PeopleLifter(predictor, OPTIONS).lift(People2D(0, 'h36m_17', tuple(people)), camera)
    assert result.sources == tuple(range(PEOPLE)), 'everybody is lifted'
    roots = np.array([skeleton.root_cam_m for skeleton in result.skeletons])
    truth = skeleton_stature(people_cam_m.astype(np.float32))
    return np.asarray(roots * (truth / OPTIONS.stature_m)[:, None] - people_cam_m[:, 0])


@pytest.mark.parametrize('lens', list(LENSES))
def test_a_level_camera_turned_aside_sees_the_same_person_at_the_same_place(
    lens: str, predictor: Predictor, people_level_m: Array
) -> None:
    """Turning camera against people about the vertical changes nothing but the direction."""
    centre = _root_misses(predictor, _placed(people_level_m, 0, 0), lens)
    assert np.median(np.linalg.norm(centre, axis=1)) < 0.05 * DISTANCE_M
    for angle_deg in ANGLES_DEG[lens]:
        aside = _root_misses(predictor, _placed(people_level_m, angle_deg, 0), lens)
        cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        turned = aside @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
        np.testing.assert_allclose(turned, centre, atol=0.01)


@pytest.mark.parametrize('lens', list(LENSES))
def test_root_error_does_not_grow_off_centre_under_a_tilted_camera(
    lens: str, predictor: Predictor, people_level_m: Array
) -> None:
    def error(angle_deg: float) -> float:
        misses = _root_misses(predictor, _placed(people_level_m, angle_deg, 15), lens)
        return float(np.median(np.linalg.norm(misses, axis=1)))

    centre = error(0)
    assert centre < 0.05 * DISTANCE_M
    for angle_deg in ANGLES_DEG[lens]:
        for side in (-1, 1):
            assert error(side * angle_deg) < 1.3 * centre + 0.01 * DISTANCE_M


def test_ignoring_the_lens_would_be_noticed(predictor: Predictor, people_level_m: Array) -> None:
    """The tests above are only as good as the distance between right and wrong."""
    people = _placed(people_level_m, 50, 0)
    camera = Camera(K, 1280, 960)
    seen = [
        Person2D('', points, np.ones(17, np.float32))
        for points in _photograph(people, 'equidistant')
    ]
    result = PeopleLifter(predictor, OPTIONS).lift(People2D(0, 'h36m_17', tuple(seen)), camera)
    roots = np.array([skeleton.root_cam_m for skeleton in result.skeletons])
    truth = skeleton_stature(people.astype(np.float32))
    misses = roots * (truth / OPTIONS.stature_m)[:, None] - people[:, 0]
    assert np.median(np.linalg.norm(misses, axis=1)) > 0.1 * DISTANCE_M
