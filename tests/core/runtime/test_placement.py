# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Metric scale and place of people whose size and place are known."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.people import ScaleSource
from elepose_core.runtime.placement import place_by_stature, skeleton_stature

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
SEEN = np.ones(17, bool)
SIGMA = np.linspace(0.01, 0.17, 17, dtype=np.float32)


def test_stature_by_hand() -> None:
    """Bones of 10 cm: four from pelvis to head, three in a leg with the hip."""
    joints = np.zeros((17, 3), np.float32)
    joints[[7, 8, 9, 10], 1] = [-0.1, -0.2, -0.3, -0.4]
    for leg in ([1, 2, 3], [4, 5, 6]):
        joints[leg, 1] = [0.0, 0.1, 0.2]  # the hip lies at the pelvis: two bones from there
    # 0.4 + 0.2 of chain between ankle (0.039 of the stature) and ear (0.936).
    assert math.isclose(skeleton_stature(joints), 0.6 / (0.936 - 0.039), rel_tol=1e-6)


def test_legs_that_are_guesses_do_not_count_by_hand() -> None:
    joints = np.zeros((17, 3), np.float32)
    joints[[7, 8, 9, 10], 1] = [-0.1, -0.2, -0.3, -0.4]
    joints[[1, 2, 3], 1] = [0.0, 0.1, 0.2]
    joints[[4, 5, 6], 1] = [0.0, 0.1, 0.6]  # hip to knee to ankle
    seen = SEEN.copy()
    assert math.isclose(skeleton_stature(joints, seen), (0.4 + 0.4) / 0.897, rel_tol=1e-6)
    seen[6] = False
    assert math.isclose(skeleton_stature(joints, seen), (0.4 + 0.2) / 0.897, rel_tol=1e-6)
    seen[2] = False
    # A trunk makes 0.416 of the stature.
    assert math.isclose(skeleton_stature(joints, seen), 0.4 / 0.416, rel_tol=1e-6)


def test_stature_does_not_change_with_posture(crowd_of: Callable[..., Any]) -> None:
    people = crowd_of(30).joints_cam_m.astype(np.float32)
    statures = [skeleton_stature(joints) for joints in people]
    np.testing.assert_allclose(statures, statures[0], rtol=1e-4)


@pytest.mark.parametrize('unit', [1.0, 0.2, 37.0])
def test_person_of_known_stature_is_placed_where_they_stand(
    unit: float, standing_m: NDArray[np.float64]
) -> None:
    place = np.array([0.8, -0.3, 4.5])
    true = Rotation.from_euler('y', 40, degrees=True).apply(standing_m) + place
    stature = skeleton_stature(true.astype(np.float32))
    # The generated person is about as tall as the chain says: 1.7 m within a few per cent.
    assert 1.6 < stature < 1.95
    found = place_by_stature(
        (true * unit).astype(np.float32), SIGMA * np.float32(unit), SEEN, CAMERA, stature
    )
    np.testing.assert_allclose(found.joints_cam_m, true, atol=1e-4)
    np.testing.assert_allclose(found.root_cam_m, place, atol=1e-4)
    np.testing.assert_allclose(found.sigma_m[1:], SIGMA[1:], rtol=1e-4)
    assert found.scale_source == ScaleSource.STATURE
    assert found.joints_cam_m.dtype == np.float32
    # Somebody taken to be twice as tall stands twice as far away, on the same ray.
    tall = place_by_stature((true * unit).astype(np.float32), SIGMA, SEEN, CAMERA, 2 * stature)
    np.testing.assert_allclose(tall.root_cam_m, 2 * place, atol=1e-3)


def test_covariance_is_long_along_the_ray(standing_m: NDArray[np.float64]) -> None:
    place = np.array([3.0, 0.0, 4.0])  # five metres away
    joints = (standing_m + place).astype(np.float32)
    stature = skeleton_stature(joints)
    covariance = place_by_stature(joints, SIGMA, SEEN, CAMERA, stature).root_covariance_m2
    values, vectors = np.linalg.eigh(covariance)
    # Adults scatter by 7 %: 0.35 m along the ray, and 5 cm across it.
    np.testing.assert_allclose(np.sqrt(values), [0.05, 0.05, 0.35], rtol=1e-3)
    np.testing.assert_allclose(np.abs(vectors[:, 2]), place / 5, atol=1e-3)


def test_assumed_camera_makes_the_scale_unknown(standing_m: NDArray[np.float64]) -> None:
    joints = (standing_m + np.array([0, 0, 4.0])).astype(np.float32)
    known = place_by_stature(joints, SIGMA, SEEN, CAMERA, 1.7)
    assumed = place_by_stature(joints, SIGMA, SEEN, replace(CAMERA, assumed=True), 1.7)
    assert assumed.scale_source == ScaleSource.UNKNOWN
    np.testing.assert_array_equal(assumed.joints_cam_m, known.joints_cam_m)
    ratio = assumed.root_covariance_m2[2, 2] / known.root_covariance_m2[2, 2]
    assert math.isclose(ratio, (0.5 / 0.07) ** 2, rel_tol=1e-6)


def test_guesses_are_left_out_but_place_and_scale_rest_on_them(
    standing_m: NDArray[np.float64],
) -> None:
    joints = (standing_m + np.array([0, 0, 4.0])).astype(np.float32)
    whole = place_by_stature(joints, SIGMA, SEEN, CAMERA, 1.7)
    seen = SEEN.copy()
    seen[[0, 6]] = False
    found = place_by_stature(joints, SIGMA, seen, CAMERA, 1.7)
    assert np.flatnonzero(np.isnan(found.joints_cam_m).all(1)).tolist() == [0, 6]
    assert np.flatnonzero(np.isnan(found.sigma_m)).tolist() == [0, 6]
    np.testing.assert_array_equal(found.joints_cam_m[seen], whole.joints_cam_m[seen])
    np.testing.assert_array_equal(found.sigma_m[seen], whole.sigma_m[seen])
    np.testing.assert_allclose(found.root_cam_m, whole.root_cam_m, rtol=1e-12)
    assert whole.sigma_m[0] == 0, 'the root is what errors are told from'


def test_collapsed_person_gives_finite_numbers() -> None:
    joints = np.tile(np.float32([0, 0, 1]), (17, 1))
    found = place_by_stature(joints, SIGMA, SEEN, CAMERA, 1.7)
    assert np.isfinite(found.joints_cam_m).all()
    assert np.isfinite(found.root_covariance_m2).all()


def test_scale_sources_have_the_values_of_the_message() -> None:
    assert [int(s) for s in (ScaleSource.UNKNOWN, ScaleSource.STATURE)] == [0, 1]
    assert [int(s) for s in (ScaleSource.GROUND, ScaleSource.DEPTH)] == [2, 3]
