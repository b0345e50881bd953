# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What `camera_elevation.py` compares with: a weighted mean of the lifter's own estimates."""

import math

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import (
    elevation_from_up_cam,
    roll_from_up_cam,
    up_cam_from_elevation,
)
from elepose_core.runtime.people import Elevation

__all__ = ['ElevationMean', 'camera_variances']

Array = NDArray[np.float64]

# Neighbouring frames show the same person in almost the same posture: one second counts once.
_INDEPENDENT_NS = 1_000_000_000
_CONVERGED_SIGMA_RAD = math.radians(6.0)
_CONVERGED_SECONDS = 5
# A camera that looks straight down has no roll: its variance is then huge, not infinite.
_LEAST_LEVEL = 1e-3


def camera_variances(
    up_cam: NDArray[np.float32], variance: NDArray[np.float32], axis: Array
) -> Array:
    """Return (N, 2) variances of the camera's elevation and roll, rad^2.

    A person at the edge is judged by a camera that is turned there: its elevation is in part the
    roll of the real one, and the other way round.

    Args:
        up_cam: (N, 3) estimates of up in the camera frame.
        variance: (N, 2) of elevation and roll as a camera that looks at the person has them.
        axis: (N, 3) where that camera looks, of any length.
    """
    up = up_cam.astype(np.float64)
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    # A little roll shifts up sideways, at right angles to the axis; elevation along the rest.
    turned, real = _cross(axis, up), _cross(np.array([[0.0, 0.0, 1.0]]), up)
    turned_level, real_level = (
        np.linalg.norm(sideways, axis=1).clip(_LEAST_LEVEL) for sideways in (turned, real)
    )
    shared = ((turned * real).sum(1) / (turned_level * real_level)) ** 2
    along, sideways = variance[:, 0], variance[:, 1] * turned_level**2
    return np.stack(
        [
            shared * along + (1 - shared) * sideways,
            (shared * sideways + (1 - shared) * along) / real_level**2,
        ],
        axis=1,
    )


def _cross(first: Array, second: Array) -> Array:
    """Return the cross products (N, 3); numpy's takes ten times as long for so few."""
    after, before = [1, 2, 0], [2, 0, 1]
    return first[:, after] * second[:, before] - first[:, before] * second[:, after]


class ElevationMean:
    """Mean elevation and roll over people and time.

    Estimates are weighted by the inverse of their variances. The variance of the mean is that of
    single estimates, as stated or as seen to scatter, whichever is larger, divided by the number
    of person-seconds, plus the square of the model's own error that no averaging removes.

    What was seen fades, so that a mount that was knocked does not spoil the mean for ever; it
    fades while people are there, since nothing is learned of a camera before an empty room.
    """

    def __init__(self, model_error_rad: float, memory_s: float = math.inf) -> None:
        """Start empty.

        Args:
            model_error_rad: Error of the model's elevation after averaging over a clip, as
                measured on data with truth; roll is easier to see and taken to err no more.
            memory_s: After so many seconds with people an estimate counts 1 / e.
        """
        self._model_variance = model_error_rad**2
        self._kept_per_second = math.exp(-1.0 / memory_s)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._elevation = _AngleMean()
        self._roll = _AngleMean()
        self._person_seconds = 0.0
        self._samples = 0
        self._last_counted_ns: int | None = None

    def add(self, up_cam: NDArray[np.float32], variances: Array, stamp_ns: int) -> None:
        """Take in the people of one frame.

        Args:
            up_cam: (N, 3) estimates of up.
            variances: (N, 2) of elevation and roll, rad^2; see `camera_variances`.
            stamp_ns: Time of the frame.
        """
        if not len(up_cam):
            return
        last = self._last_counted_ns
        if last is None or stamp_ns - last >= _INDEPENDENT_NS:
            self._last_counted_ns = stamp_ns
            self._elevation.fade(self._kept_per_second)
            self._roll.fade(self._kept_per_second)
            self._person_seconds = self._person_seconds * self._kept_per_second + len(up_cam)
        self._elevation.add(elevation_from_up_cam(up_cam), variances[:, 0])
        self._roll.add(roll_from_up_cam(up_cam), variances[:, 1])
        self._samples += len(up_cam)

    def estimate(self) -> Elevation | None:
        """Return the mean so far, None before the first sample."""
        if not self._person_seconds:
            return None
        elevation, roll = self._elevation.mean(), self._roll.mean()
        elevation_variance, roll_variance = (
            angle.variance() / self._person_seconds + self._model_variance
            for angle in (self._elevation, self._roll)
        )
        return Elevation(
            elevation_rad=elevation,
            roll_rad=roll,
            elevation_variance=elevation_variance,
            roll_variance=roll_variance,
            up_cam=up_cam_from_elevation(elevation, roll),
            samples=self._samples,
            converged=(
                self._person_seconds >= _CONVERGED_SECONDS
                and max(elevation_variance, roll_variance) < _CONVERGED_SIGMA_RAD**2
            ),
        )


class _AngleMean:
    """Weighted mean of angles, as that of unit vectors: 179 and -179 degrees make 180."""

    def __init__(self) -> None:
        self._count = 0.0
        self._weight = 0.0
        self._sum = 0j

    def fade(self, kept: float) -> None:
        self._count *= kept
        self._weight *= kept
        self._sum *= kept

    def add(self, angle_rad: Array, variance: Array) -> None:
        weight = 1.0 / variance
        self._count += len(weight)
        self._weight += float(weight.sum())
        self._sum += complex((weight * np.exp(1j * angle_rad)).sum())

    def mean(self) -> float:
        return float(np.angle(self._sum))

    def variance(self) -> float:
        """Return that of a single estimate: as stated or as seen, whichever is larger."""
        # The resultant of normal angles is exp(-variance / 2) long.
        seen = -2.0 * math.log(max(abs(self._sum) / self._weight, 1e-12))
        return max(self._count / self._weight, seen)
