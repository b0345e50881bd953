# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Fused against given up: by hand, and as often wrong as it says."""

import math

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.gravity_check import Agreement, check_gravity
from elepose_core.runtime.people import Elevation

DEGREE = math.radians(1.0)


def _fused(
    elevation_deg: float,
    roll_deg: float = 0.0,
    sigma_deg: tuple[float, float] = (3.0, 1.0),
    converged: bool = True,
) -> Elevation:
    elevation, roll = math.radians(elevation_deg), math.radians(roll_deg)
    return Elevation(
        elevation_rad=elevation,
        roll_rad=roll,
        elevation_variance=math.radians(sigma_deg[0]) ** 2,
        roll_variance=math.radians(sigma_deg[1]) ** 2,
        up_cam=up_cam_from_elevation(elevation, roll),
        samples=50,
        converged=converged,
    )


def test_difference_in_elevation_by_hand() -> None:
    """Ten degrees apart where sqrt(3^2 + 4^2) = 5 are expected: exp(-2)."""
    given = 7.0 * up_cam_from_elevation(math.radians(20.0))
    found = check_gravity(_fused(30.0), given, math.radians(4.0) ** 2)
    assert found.agreement is Agreement.AGREES
    assert math.isclose(math.degrees(found.angle_rad), 10.0)
    assert math.isclose(math.degrees(found.elevation_difference_rad), 10.0)
    assert math.isclose(found.roll_difference_rad, 0.0, abs_tol=1e-12)
    assert math.isclose(math.degrees(found.expected_rad), 5.0, rel_tol=1e-2)
    assert math.isclose(found.chance, math.exp(-2.0), rel_tol=0.02)
    assert 'agree: they differ by 10.0 degrees (elevation +10.0, roll +0.0)' in found.sentence


def test_roll_counts_by_its_own_variance_and_less_under_a_steep_camera() -> None:
    """Six degrees of roll move up by three where the camera looks down by 60 degrees."""
    given = up_cam_from_elevation(math.radians(60.0), math.radians(-3.0))
    found = check_gravity(_fused(60.0, 3.0), given, (0.5 * DEGREE) ** 2)
    assert math.isclose(math.degrees(found.roll_difference_rad), 6.0)
    assert math.isclose(math.degrees(found.angle_rad), 3.0, rel_tol=1e-3)
    # 1 degree of roll is half a degree of up, and half a degree is given: sqrt(0.5).
    assert math.isclose(math.degrees(found.expected_rad), math.sqrt(0.5), rel_tol=2e-2)
    assert found.agreement is Agreement.CONTRADICTS
    assert 'contradict' in found.sentence


def test_gravity_that_points_down_contradicts() -> None:
    found = check_gravity(_fused(10.0), -up_cam_from_elevation(math.radians(10.0)), DEGREE**2)
    assert found.agreement is Agreement.CONTRADICTS
    assert math.isclose(math.degrees(found.angle_rad), 180.0)


def test_equal_directions_agree() -> None:
    found = check_gravity(_fused(10.0, 5.0), _fused(10.0, 5.0).up_cam, DEGREE**2)
    assert found.agreement is Agreement.AGREES
    assert math.isclose(found.chance, 1.0)


def test_undecided_before_convergence_and_for_a_witness_who_knows_nothing() -> None:
    given = up_cam_from_elevation(math.radians(-40.0))
    assert check_gravity(None, given, DEGREE**2).agreement is Agreement.UNDECIDED
    assert 'nobody' in check_gravity(None, given, DEGREE**2).sentence
    assert math.isnan(check_gravity(None, given, DEGREE**2).chance)
    early = check_gravity(_fused(30.0, converged=False), given, DEGREE**2)
    assert early.agreement is Agreement.UNDECIDED
    assert math.isclose(math.degrees(early.angle_rad), 70.0)
    assert 'not shown enough' in early.sentence
    vague = check_gravity(_fused(30.0), given, math.radians(31.0) ** 2)
    assert vague.agreement is Agreement.UNDECIDED


@pytest.mark.parametrize(('elevation_deg', 'roll_deg'), [(0.0, 0.0), (40.0, -20.0), (-15.0, 4.0)])
def test_chance_is_the_share_of_honest_pairs(
    elevation_deg: float, roll_deg: float, random: np.random.Generator
) -> None:
    """Monte Carlo: of pairs with the stated errors one in ten has a chance below 0.1."""
    up = up_cam_from_elevation(math.radians(elevation_deg), math.radians(roll_deg))
    below = 0
    for _ in range(2000):
        fused = _fused(*(np.array([elevation_deg, roll_deg]) + random.normal(size=2) * [3.0, 1.0]))
        given = up + 2.0 * DEGREE * random.normal(size=3)
        below += check_gravity(fused, given, (2.0 * DEGREE) ** 2).chance < 0.1
    assert 0.075 < below / 2000 < 0.125


@pytest.mark.parametrize(
    ('given', 'variance', 'sentence'),
    [
        ([0.0, 0.0, 0.0], 0.1, 'given_up_cam is'),
        ([0.0, math.nan, 1.0], 0.1, 'given_up_cam is'),
        ([0.0, 1.0], 0.1, 'three finite numbers'),
        ([0.0, -1.0, 0.0], 0.0, 'given_variance is 0.0'),
        ([0.0, -1.0, 0.0], math.inf, 'expected a finite number > 0'),
    ],
)
def test_wrong_input_is_named(given: list[float], variance: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_gravity(_fused(10.0), given, variance)
