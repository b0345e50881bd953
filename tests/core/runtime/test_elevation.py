# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's tilt over people and time: mean and variance by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import (
    elevation_from_up_cam,
    roll_from_up_cam,
    up_cam_from_elevation,
)
from elepose_core.runtime.elevation import ElevationMean, camera_variances
from elepose_core.runtime.people import Elevation

SECOND = 1_000_000_000
FORWARD = np.array([[0.0, 0.0, 1.0]])


def _ups(*degrees: float, roll_deg: float = 0.0) -> NDArray[np.float32]:
    return up_cam_from_elevation(np.radians(degrees), math.radians(roll_deg)).astype(np.float32)


def _variances(*deviations_deg: float) -> NDArray[np.float64]:
    """Return the same deviation for elevation and roll of each person."""
    return np.radians(np.tile(np.array(deviations_deg)[:, None], 2)) ** 2


def _add(mean: ElevationMean, stamp_ns: int, *degrees: float, deviation_deg: float = 1.0) -> None:
    mean.add(_ups(*degrees), _variances(*[deviation_deg] * len(degrees)), stamp_ns)


def _estimate(mean: ElevationMean) -> Elevation:
    found = mean.estimate()
    assert found is not None
    return found


def test_nothing_seen_is_no_estimate() -> None:
    mean = ElevationMean(0.1)
    assert mean.estimate() is None
    mean.add(np.zeros((0, 3), np.float32), np.zeros((0, 2)), 0)
    assert mean.estimate() is None


def test_mean_and_variance_by_hand() -> None:
    mean = ElevationMean(model_error_rad=math.radians(3))
    # Two people in one second are two person-seconds.
    mean.add(_ups(10, 20, roll_deg=7), _variances(8, 8), 0)
    found = _estimate(mean)
    assert math.isclose(math.degrees(found.elevation_rad), 15, rel_tol=1e-6)
    assert math.isclose(math.degrees(found.roll_rad), 7, rel_tol=1e-5)
    # 10 and 20 degrees scatter by 5 around their mean, less than the 8 that are stated.
    wanted = math.radians(8) ** 2 / 2 + math.radians(3) ** 2
    assert math.isclose(found.elevation_variance, wanted, rel_tol=1e-9)
    assert math.isclose(found.roll_variance, wanted, rel_tol=1e-9)
    assert found.samples == 2
    wanted_up = up_cam_from_elevation(math.radians(15), math.radians(7))
    np.testing.assert_allclose(found.up_cam, wanted_up, atol=1e-6)
    assert math.isclose(float(np.linalg.norm(found.up_cam)), 1)


def test_surer_people_weigh_more() -> None:
    """Deviations 2 and 4 degrees: weights 4 to 1, and the harmonic mean of 4 and 16 is 6.4."""
    mean = ElevationMean(0.0)
    mean.add(_ups(10, 11), _variances(2, 4), 0)
    found = _estimate(mean)
    assert math.isclose(math.degrees(found.elevation_rad), 10.2, rel_tol=1e-5)
    assert math.isclose(found.elevation_variance, math.radians(1) ** 2 * 6.4 / 2, rel_tol=1e-9)


def test_elevation_and_roll_are_weighted_apart() -> None:
    mean = ElevationMean(0.0)
    ups = up_cam_from_elevation(np.radians([10.0, 20.0]), np.radians([-5.0, 5.0]))
    mean.add(ups.astype(np.float32), np.radians([[1.0, 9.0], [9.0, 1.0]]) ** 2, 0)
    found = _estimate(mean)
    # 81 to 1, either way round.
    assert math.isclose(math.degrees(found.elevation_rad), 10 + 10 / 82, rel_tol=1e-3)
    assert math.isclose(math.degrees(found.roll_rad), 5 - 10 / 82, rel_tol=1e-3)


def test_people_who_contradict_each_other_are_believed_less_than_they_say() -> None:
    mean = ElevationMean(0.0)
    _add(mean, 0, 10, 20, deviation_deg=1)
    # 10 and 20 degrees scatter by 5 around their mean.
    found = _estimate(mean).elevation_variance
    assert math.isclose(found, math.radians(5) ** 2 / 2, rel_tol=2e-3)


def test_camera_that_stands_on_its_head_has_no_seam() -> None:
    mean = ElevationMean(0.0)
    ups = up_cam_from_elevation([0.1, 0.1], np.radians([179.0, -179.0])).astype(np.float32)
    mean.add(ups, _variances(2, 2), 0)
    found = _estimate(mean)
    assert math.isclose(abs(math.degrees(found.roll_rad)), 180, rel_tol=1e-6)
    assert math.isclose(found.roll_variance, math.radians(2) ** 2 / 2, rel_tol=1e-9)


def test_frames_of_one_second_count_once_for_the_variance() -> None:
    fast, slow = ElevationMean(0.0), ElevationMean(0.0)
    for frame in range(40):
        _add(fast, frame * SECOND // 40, 10, deviation_deg=5)  # all within one second
        _add(slow, frame * SECOND, 10, deviation_deg=5)
    first, second = _estimate(fast), _estimate(slow)
    assert first.elevation_rad == second.elevation_rad
    assert first.samples == second.samples == 40
    assert math.isclose(first.elevation_variance, math.radians(5) ** 2, rel_tol=1e-9)
    assert math.isclose(second.elevation_variance, math.radians(5) ** 2 / 40, rel_tol=1e-9)


def test_model_error_stays_however_long_one_looks() -> None:
    mean = ElevationMean(model_error_rad=0.05)
    for second in range(1000):
        _add(mean, second * SECOND, 12)
    found = _estimate(mean)
    assert math.isclose(found.elevation_variance, 0.05**2, rel_tol=1e-3)
    assert math.isclose(found.roll_variance, 0.05**2, rel_tol=1e-3)


def test_convergence_needs_time_and_a_model_that_is_good_enough() -> None:
    good, poor = ElevationMean(math.radians(4)), ElevationMean(math.radians(8))
    states = []
    for second in range(8):
        for mean in (good, poor):
            _add(mean, second * SECOND, 12)
        states.append((_estimate(good).converged, _estimate(poor).converged))
    assert states[0] == (False, False)
    assert states[3] == (False, False)
    assert states[4] == (True, False)
    assert states[-1] == (True, False)


@pytest.mark.parametrize('unsure', [0, 1])
def test_convergence_needs_both_angles(unsure: int) -> None:
    mean, variances = ElevationMean(0.0), _variances(1)
    variances[0, unsure] = math.radians(30) ** 2
    for second in range(6):
        mean.add(_ups(12), variances, second * SECOND)
    assert not _estimate(mean).converged


def test_looking_up_is_negative_and_reset_forgets() -> None:
    mean = ElevationMean(0.0)
    _add(mean, 0, -25)
    assert math.isclose(_estimate(mean).elevation_rad, math.radians(-25), rel_tol=1e-5)
    mean.reset()
    assert mean.estimate() is None
    _add(mean, 0, 40)
    found = _estimate(mean)
    assert found.samples == 1
    assert math.isclose(found.elevation_rad, math.radians(40), rel_tol=1e-5)


def test_variances_of_a_person_straight_ahead_are_those_of_the_camera() -> None:
    variance = np.float32([[0.04, 0.01]])
    np.testing.assert_allclose(camera_variances(_ups(30), variance, 5 * FORWARD), variance)


def test_person_at_a_right_angle_shows_elevation_as_roll() -> None:
    """A level camera: who looks along its x sees its roll as elevation, and at 45 degrees half."""
    variance = np.float32([[0.04, 0.01]])
    side = camera_variances(_ups(0), variance, np.array([[1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(side, [[0.01, 0.04]], rtol=1e-6)
    between = camera_variances(_ups(0), variance, np.array([[-1.0, 0.0, 1.0]]))
    np.testing.assert_allclose(between, [[0.025, 0.025]], rtol=1e-6)


def test_camera_that_looks_straight_down_has_no_roll() -> None:
    found = camera_variances(_ups(90), np.float32([[0.04, 0.01]]), FORWARD)
    assert np.isfinite(found).all()
    assert found[0, 1] > 1e3


@pytest.mark.parametrize('elevation_deg', [-20.0, 10.0, 50.0])
@pytest.mark.parametrize('towards', [(0.0, 0.0, 1.0), (0.6, 0.1, 1.0), (-0.5, 0.4, 1.0)])
def test_variances_are_those_of_drawn_errors(
    elevation_deg: float,
    towards: tuple[float, float, float],
    random: np.random.Generator,
) -> None:
    """Monte Carlo: shake elevation and roll of the virtual camera, look at those of the real."""
    z = np.array(towards) / np.linalg.norm(towards)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    up = up_cam_from_elevation(math.radians(elevation_deg), 0.1)
    virtual = rotation @ up
    deviations = np.array([0.02, 0.008])
    angles = np.array([elevation_from_up_cam(virtual), roll_from_up_cam(virtual)])
    shaken = angles + random.normal(size=(40_000, 2)) * deviations
    ups = up_cam_from_elevation(shaken[:, 0], shaken[:, 1]) @ rotation
    wanted = np.var([elevation_from_up_cam(ups), roll_from_up_cam(ups)], axis=1)
    variance = np.float32(deviations[None] ** 2)
    found = camera_variances(np.float32(up[None]), variance, np.array([towards]))
    np.testing.assert_allclose(found[0], wanted, rtol=0.04)


def test_a_mount_that_was_knocked_is_found_out() -> None:
    fading, lasting = ElevationMean(0.05, memory_s=60.0), ElevationMean(0.05)
    for second in range(600):
        for mean in (fading, lasting):
            _add(mean, second * SECOND, 10.0)
    for second in range(600, 720):
        for mean in (fading, lasting):
            _add(mean, second * SECOND, 15.0)
    assert abs(math.degrees(_estimate(fading).elevation_rad) - 15.0) < 0.8
    assert abs(math.degrees(_estimate(lasting).elevation_rad) - 10.0) < 1.0
    assert _estimate(fading).samples == 720


def test_an_empty_room_makes_nothing_fade() -> None:
    mean = ElevationMean(0.05, memory_s=10.0)
    for second in range(20):
        _add(mean, second * SECOND, 10.0)
    before = _estimate(mean)
    mean.add(np.zeros((0, 3), np.float32), np.zeros((0, 2)), 9000 * SECOND)
    assert _estimate(mean).elevation_variance == before.elevation_variance
    _add(mean, 9001 * SECOND, 10.0)
    assert _estimate(mean).elevation_variance <= 1.05 * before.elevation_variance
