# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Up from what the lifter says and from feet on a floor: by hand and by drawn noise."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import angle_between, up_cam_from_elevation
from elepose_core.runtime.tilt_solver import (
    TiltPrior,
    TiltSamples,
    TiltSolution,
    solve_tilt,
    tangent_axes,
)

Array = NDArray[np.float64]
VAGUE = (math.radians(20.0), math.radians(20.0))


def _up(elevation_deg: float, roll_deg: float = 0.0) -> Array:
    return up_cam_from_elevation(math.radians(elevation_deg), math.radians(roll_deg))


def _floor(up: Array, height: float, count: int, random: np.random.Generator) -> Array:
    """Return places (S, 3) on a floor so far below the camera, in front of it."""
    axes = tangent_axes(up)
    forward = -axes[0] if axes[0, 2] < 0 else axes[0]
    there = random.uniform([2.0, -1.5], [5.0, 1.5], (count, 2))
    return there[:, :1] * forward + there[:, 1:] * axes[1] - height * up


def _samples(up_cam: Array, foot: Array, track: Array | None = None) -> TiltSamples:
    count = len(foot)
    return TiltSamples(
        np.broadcast_to(up_cam, (count, 3)).copy(),
        np.full(count, math.radians(5.0) ** 2),
        foot,
        np.ones(count),
        np.zeros(count, np.int64) if track is None else track.astype(np.int64),
        np.ones(count),
    )


def _solve(samples: TiltSamples, sigma_rad: tuple[float, float] = VAGUE) -> TiltSolution:
    tracks, row = np.unique(samples.track, return_inverse=True)
    return solve_tilt(samples, row, len(tracks), TiltPrior(sigma_rad), None)


def test_people_who_stand_leave_the_mean_of_the_estimates_and_what_all_share() -> None:
    """Four samples of 5 degrees, two alike: 5^2 * 2 / 4, and the shared 3 and 1 degrees."""
    samples = _samples(_up(20.0, 5.0), np.tile([0.0, 1.0, 3.0], (4, 1)))
    found = _solve(samples, (math.radians(3.0), math.radians(1.0)))
    np.testing.assert_allclose(found.up_cam, _up(20.0, 5.0), atol=1e-9)
    level = math.cos(math.radians(20.0))
    wanted = np.radians([5.0, 5.0]) ** 2 / 2 + np.radians([3.0, level]) ** 2
    np.testing.assert_allclose(np.diag(found.covariance), wanted, rtol=1e-4)
    np.testing.assert_allclose(np.diag(found.scatter), np.radians([5.0, 5.0]) ** 2 / 2, rtol=1e-4)


@pytest.mark.parametrize('elevation_deg', [-15.0, 5.0, 45.0])
def test_feet_on_a_floor_correct_what_all_estimates_share(
    elevation_deg: float, random: np.random.Generator
) -> None:
    """Three people of different statures, thus at different heights in units of their own."""
    truth = _up(elevation_deg, 4.0)
    foot = np.concatenate([_floor(truth, height, 30, random) for height in (0.8, 1.0, 1.1)])
    samples = _samples(_up(elevation_deg + 4.0, 1.0), foot, np.repeat([7, 3, 900], 30))
    found = _solve(samples)
    assert math.degrees(float(angle_between(found.up_cam, truth))) < 0.1
    wanted = tangent_axes(truth) @ (_up(elevation_deg + 4.0, 1.0) - truth)
    np.testing.assert_allclose(found.shared_rad, wanted, atol=2e-3)


def test_raised_feet_are_outliers(random: np.random.Generator) -> None:
    truth = _up(10.0)
    foot = _floor(truth, 0.9, 60, random)
    foot[::5] += 0.3 * truth
    found = _solve(_samples(_up(13.0), foot))
    assert math.degrees(float(angle_between(found.up_cam, truth))) < 0.5


@pytest.mark.parametrize(('elevation_deg', 'height'), [(-10.0, 0.0), (-5.0, 0.4), (30.0, 2.0)])
def test_variance_is_that_of_drawn_errors(
    elevation_deg: float, height: float, random: np.random.Generator
) -> None:
    """Monte Carlo with independent noise; the variance allows for noise that is alike."""
    truth, squared = _up(elevation_deg), []
    for _ in range(60):
        foot = _floor(truth, height, 40, random)
        foot *= 1 + 0.035 * random.normal(size=(40, 1))
        foot += 0.025 * random.normal(size=(40, 1)) * truth
        found = _solve(_samples(_up(elevation_deg + 2.0), foot))
        miss = tangent_axes(found.up_cam) @ (truth - found.up_cam)
        squared.append(float(miss @ np.linalg.solve(found.covariance, miss)) / 2)
    # Four alike samples make an independent one, of which the drawn ones know nothing.
    assert 0.5 / 4 < np.mean(squared) < 1.6 / 4


def test_scatter_beyond_the_stated_widens_the_variance(random: np.random.Generator) -> None:
    truth = _up(15.0)
    foot = _floor(truth, 1.0, 50, random)
    calm = _solve(_samples(truth, foot)).covariance[0, 0]
    shaken = _solve(_samples(truth, foot * (1 + 0.15 * random.normal(size=(50, 1))))).covariance
    assert shaken[0, 0] > 4 * calm


def test_unseen_feet_and_faded_samples_say_nothing(random: np.random.Generator) -> None:
    foot = _floor(_up(30.0), 1.0, 40, random)
    samples = _samples(_up(10.0), foot)
    np.testing.assert_allclose(
        _solve(samples._replace(foot_seen=np.zeros(40))).up_cam, _up(10.0), atol=1e-9
    )
    ups = np.concatenate([samples.up_cam[:20], np.tile(_up(50.0), (20, 1))])
    faded = samples._replace(up_cam=ups, foot_seen=np.zeros(40), weight=np.repeat([1.0, 1e-9], 20))
    np.testing.assert_allclose(_solve(faded).up_cam, _up(10.0), atol=1e-5)


@pytest.mark.parametrize('elevation_deg', [90.0, -90.0, 89.99])
def test_camera_that_looks_straight_down_has_a_finite_answer(
    elevation_deg: float, random: np.random.Generator
) -> None:
    truth = _up(elevation_deg)
    found = _solve(_samples(truth, _floor(truth, 2.0, 20, random)))
    assert np.isfinite(found.covariance).all()
    assert math.degrees(float(angle_between(found.up_cam, truth))) < 0.1


@pytest.mark.parametrize('up', [_up(0.0), _up(40.0, -170.0), _up(90.0)])
def test_tangent_axes_are_those_of_elevation_and_roll(up: Array) -> None:
    axes = tangent_axes(up)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(axes @ up, 0.0, atol=1e-12)
    assert axes[1, 2] == 0.0, 'roll leaves the height of the optical axis as it is'
