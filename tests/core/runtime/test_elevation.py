# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's elevation over people and time: mean and variance by hand."""

import math

import numpy as np
import pytest

from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.elevation import ElevationMean

SECOND = 1_000_000_000


def _ups(*degrees: float) -> np.ndarray:
    return up_cam_from_elevation(np.radians(degrees)).astype(np.float32)


def test_nothing_seen_is_no_estimate() -> None:
    mean = ElevationMean(0.1)
    assert mean.estimate() is None
    mean.add(np.zeros((0, 3), np.float32), 0)
    assert mean.estimate() is None


def test_mean_and_variance_by_hand() -> None:
    mean = ElevationMean(model_error_rad=math.radians(3))
    mean.add(_ups(10, 20), 0)  # two people in one second: two person-seconds
    found = mean.estimate()
    assert found is not None
    assert math.isclose(math.degrees(found.elevation_rad), 15, rel_tol=1e-6)
    assert found.roll_rad == pytest.approx(0, abs=1e-9)
    # The spread of 10 and 20 degrees is 5 degrees; halved by two people, plus the model's own.
    wanted = math.radians(5) ** 2 / 2 + math.radians(3) ** 2
    assert math.isclose(found.elevation_variance, wanted, rel_tol=1e-5)
    assert math.isnan(found.roll_variance)
    assert found.samples == 2
    np.testing.assert_allclose(found.up_cam, up_cam_from_elevation(math.radians(15)), atol=1e-6)
    assert math.isclose(float(np.linalg.norm(found.up_cam)), 1)


def test_frames_of_one_second_count_once_for_the_variance() -> None:
    fast, slow = ElevationMean(0.0), ElevationMean(0.0)
    for frame in range(40):
        up = _ups(10 if frame % 2 else 20)
        fast.add(up, frame * SECOND // 40)  # all within one second
        slow.add(up, frame * SECOND)
    first, second = fast.estimate(), slow.estimate()
    assert first is not None
    assert second is not None
    assert first.elevation_rad == second.elevation_rad
    assert first.samples == second.samples == 40
    assert math.isclose(first.elevation_variance, math.radians(5) ** 2, rel_tol=1e-4)
    assert math.isclose(second.elevation_variance, math.radians(5) ** 2 / 40, rel_tol=1e-4)


def test_model_error_stays_however_long_one_looks() -> None:
    mean = ElevationMean(model_error_rad=0.05)
    for second in range(1000):
        mean.add(_ups(12), second * SECOND)
    found = mean.estimate()
    assert found is not None
    assert math.isclose(found.elevation_variance, 0.05**2, rel_tol=1e-3)


def test_convergence_needs_time_and_a_model_that_is_good_enough() -> None:
    good, poor = ElevationMean(math.radians(4)), ElevationMean(math.radians(8))
    states = []
    for second in range(8):
        for mean in (good, poor):
            mean.add(_ups(12), second * SECOND)
        states.append((good.estimate().converged, poor.estimate().converged))  # type: ignore[union-attr]
    assert states[0] == (False, False)
    assert states[3] == (False, False)
    assert states[4] == (True, False)
    assert states[-1] == (True, False)


def test_looking_up_is_negative_and_reset_forgets() -> None:
    mean = ElevationMean(0.0)
    mean.add(_ups(-25), 0)
    found = mean.estimate()
    assert found is not None
    assert math.isclose(found.elevation_rad, math.radians(-25), rel_tol=1e-5)
    mean.reset()
    assert mean.estimate() is None
    mean.add(_ups(40), 0)
    found = mean.estimate()
    assert found is not None
    assert found.samples == 1
    assert math.isclose(found.elevation_rad, math.radians(40), rel_tol=1e-5)


def test_same_estimates_have_no_negative_spread() -> None:
    mean = ElevationMean(0.0)
    for second in range(50):
        mean.add(_ups(17.3), second * SECOND)
        found = mean.estimate()
        assert found is not None
        assert 0 <= found.elevation_variance < 1e-9
