# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Up in the camera frame from many samples of people: what the lifter says, and their feet.

Feet of a person of constant stature stand on one floor. The lifter knows a person up to one scale;
in units of their own stature their feet then lie on a plane whose distance from the camera is that
of the person alone. Whoever moves in depth or sideways spans it. That leaves one unknown beside up
for each person.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.runtime.vectors import cross

__all__ = ['TiltPrior', 'TiltSamples', 'TiltSolution', 'solve_tilt', 'tangent_axes']

Array = NDArray[np.float64]

# Noise of a foot's height below the camera: a share of the height, which is the error of the
# distance, and a part of the stature, by which ankles are raised. As measured on mocap of the val
# split seen with 3 to 5 px of noise at 300 px.
_DISTANCE_SPREAD = 0.035
_ANKLE_SPREAD = 0.025
# Estimates of one person a second apart are alike: so many make an independent one.
_ALIKE_UPS, _ALIKE_FEET = 2.0, 4.0
# Student's t for feet, which are lifted and hidden; Huber's bound for directions.
_FREEDOM = 4.0
_HUBER = 2.0
_STEPS = 5
_LARGEST_STEP_RAD = 0.3
# A camera that looks straight up or down has no roll.
_LEAST_LEVEL = 1e-3
_TINY = 1e-9


class TiltSamples(NamedTuple):
    """S samples of people, each of one person at one time.

    Attributes:
        up_cam: (S, 3) unit, the lifter's own estimate.
        variance: (S,) of its elevation, rad^2.
        foot: (S, 3) the lower ankle in the camera frame in units of the person's stature.
        foot_seen: (S,) 1.0 where both ankles were seen, else 0.0.
        track: (S,) whose sample it is, any whole numbers.
        weight: (S,) 0..1, fading with age.
    """

    up_cam: Array
    variance: Array
    foot: Array
    foot_seen: Array
    track: NDArray[np.int64]
    weight: Array

    def subset(self, rows: NDArray[np.bool_]) -> 'TiltSamples':
        """Return some of the samples."""
        return TiltSamples(
            self.up_cam[rows],
            self.variance[rows],
            self.foot[rows],
            self.foot_seen[rows],
            self.track[rows],
            self.weight[rows],
        )


class TiltPrior(NamedTuple):
    """What is known besides the samples.

    Attributes:
        sigma_rad: (2,) deviations of the error of elevation and of roll that all estimates of the
            lifter share.
        shared_rad: (2,) that error along the tangent axes as far as it is known.
        heights: (K,) of the camera above each track's floor (see `_stretched`), or None: unknown.
        heights_variance: (K,) infinite = unknown, or None.
    """

    sigma_rad: tuple[float, float]
    shared_rad: tuple[float, float] = (0.0, 0.0)
    heights: Array | None = None
    heights_variance: Array | None = None


class TiltSolution(NamedTuple):
    """The best up direction.

    Attributes:
        up_cam: (3,) unit.
        covariance: (2, 2) along `tangent_axes(up_cam)`, rad^2.
        scatter: (2, 2) the part of it that does not come from the error that all share.
        shared_rad: (2,) that error, along the tangent axes.
        heights: (K,) of the camera above each track's floor; see `_stretched`.
        heights_variance: (K,) infinite for whom no foot was seen.
    """

    up_cam: Array
    covariance: Array
    scatter: Array
    shared_rad: Array
    heights: Array
    heights_variance: Array


def tangent_axes(up_cam: Array) -> Array:
    """Return the (2, 3) unit directions in which elevation and roll move up."""
    sideways = np.array([-up_cam[1], up_cam[0], 0.0])
    level = math.hypot(up_cam[0], up_cam[1])
    sideways = sideways / level if level > _LEAST_LEVEL else np.array([1.0, 0.0, 0.0])
    along = cross(up_cam, sideways)
    return np.stack([along / np.linalg.norm(along), sideways])


def solve_tilt(
    samples: TiltSamples, row: NDArray[np.int64], count: int, prior: TiltPrior, start: Array | None
) -> TiltSolution:
    """Find up, the shared error of the lifter's estimates and the camera's height over each floor.

    Gauss-Newton steps on the sphere with robust weights; all but up and the shared error is
    eliminated, so that each step solves four equations.

    Args:
        samples: At least one.
        row: (S,) row in 0..K-1 of each sample's track.
        count: K.
        prior: See there.
        start: (3,) unit vector, or None: the mean of the samples.
    """
    up = samples.up_cam.T @ (samples.weight / samples.variance) if start is None else start
    up = np.asarray(up / max(float(np.linalg.norm(up)), _TINY), np.float64)
    feet = _Feet(samples, row, count, prior)
    shared: Array = np.zeros(2)
    known = np.asarray(prior.shared_rad)
    for step in range(_STEPS):
        axes = tangent_axes(up)
        information, gradient = _from_ups(samples, up, axes, shared + known)
        deviations = np.array(prior.sigma_rad)
        deviations[1] *= max(math.hypot(up[0], up[1]), _LEAST_LEVEL)
        information[[2, 3], [2, 3]] += deviations**-2
        gradient[2:] -= shared * deviations**-2
        feet_information, feet_gradient = feet.equations(up, axes, step)
        information[:2, :2] += feet_information
        gradient[:2] += feet_gradient
        # Where nobody shows anything the matrix must still have an inverse.
        information[[0, 1], [0, 1]] += 1e-6
        change = np.asarray(np.linalg.solve(information, gradient), np.float64)
        length = max(float(np.linalg.norm(change[:2])), _TINY)
        turn = change[:2] * min(1.0, _LARGEST_STEP_RAD / length)
        feet.follow(turn)
        shared = shared + change[2:]
        moved = up + turn @ axes
        up = np.asarray(moved / np.linalg.norm(moved), np.float64)
    return TiltSolution(
        up,
        np.asarray(np.linalg.inv(information)[:2, :2], np.float64),
        np.asarray(np.linalg.inv(information[:2, :2]), np.float64),
        shared + known,
        feet.heights,
        feet.variance(),
    )


def _from_ups(samples: TiltSamples, up: Array, axes: Array, shared: Array) -> tuple[Array, Array]:
    """Return the (4, 4) information and (4,) gradient of the lifter's own estimates.

    An estimate is up plus the shared error plus noise, alike in both directions: the lifter's
    small variance of roll makes the mean worse, since roll of people at the edge errs together.
    """
    miss = (samples.up_cam - up) @ axes.T - shared
    distance = np.sqrt((miss * miss).sum(1) / samples.variance)
    weight = samples.weight / samples.variance / _ALIKE_UPS
    weight = weight * np.minimum(1.0, _HUBER / np.maximum(distance, _TINY))
    information = np.kron(np.ones((2, 2)), np.eye(2)) * weight.sum()
    return information, np.tile(weight @ miss, 2)


class _Feet:
    """Equations of the feet; heights of the camera over each person's floor are eliminated."""

    def __init__(
        self, samples: TiltSamples, row: NDArray[np.int64], count: int, prior: TiltPrior
    ) -> None:
        self._samples, self._row, self._count = samples, row, count
        self._given = prior.heights
        self._precision = (
            np.full(count, _TINY)
            if prior.heights_variance is None
            else np.maximum(1.0 / prior.heights_variance, _TINY)
        )
        self.heights = np.zeros(count) if prior.heights is None else prior.heights.copy()
        self._weight = self._rest = np.zeros(count)
        self._slope = np.zeros((count, 2))

    def equations(self, up: Array, axes: Array, step: int) -> tuple[Array, Array]:
        """Return the (2, 2) information and (2,) gradient for up along the tangent axes."""
        samples, row = self._samples, self._row
        below = -(samples.foot @ up)
        stretched = _stretched(below)
        seen = samples.weight * samples.foot_seen
        if step == 0 and self._given is None:
            self.heights = self._sum(seen * stretched) / np.maximum(self._sum(seen), _TINY)
        miss = stretched - self.heights[row]
        # At first nobody is an outlier: up may be far off.
        squared = np.minimum(miss**2, _FREEDOM) if step == 0 else miss**2
        weight = seen * (_FREEDOM + 1.0) / (_FREEDOM + squared)
        # As stated or as seen to scatter, whichever is more.
        seen_squared = float((weight * squared).sum()) / max(float(weight.sum()), _TINY)
        weight = weight / (_ALIKE_FEET * max(seen_squared, 1.0))
        slope = (
            -(samples.foot @ axes.T) / np.hypot(_ANKLE_SPREAD, _DISTANCE_SPREAD * below)[:, None]
        )
        given = 0.0 if self._given is None else self._precision * (self.heights - self._given)
        self._weight = self._sum(weight)
        self._rest = self._sum(weight * miss) - given
        self._slope = np.stack([self._sum(weight * slope[:, axis]) for axis in (0, 1)], axis=1)
        total = self._weight + self._precision
        information = (slope * weight[:, None]).T @ slope
        information -= (self._slope / total[:, None]).T @ self._slope
        gradient = self._slope.T @ (self._rest / total) - (slope * weight[:, None]).T @ miss
        return information, gradient

    def follow(self, turn: Array) -> None:
        """Let the heights follow up, which was turned (2,) along the tangent axes."""
        change = (self._rest + self._slope @ turn) / (self._weight + self._precision)
        self.heights = self.heights + change

    def variance(self) -> Array:
        """Return that of the heights (K,), infinite where no foot was seen."""
        with np.errstate(divide='ignore'):
            return np.asarray(1.0 / self._weight)

    def _sum(self, values: Array) -> Array:
        return np.bincount(self._row, values, minlength=self._count).astype(np.float64)


def _stretched(below: Array) -> Array:
    """Return heights below the camera, in statures, on a scale where their noise is 1 everywhere.

    The variance is a^2 + (b h)^2; the integral of its inverse root is asinh(b h / a) / b. Far from
    0 that is a logarithm, in which an error of the distance is the same for all directions, so
    that noise does not tilt the plane along the rays.
    """
    return np.arcsinh(below * (_DISTANCE_SPREAD / _ANKLE_SPREAD)) / _DISTANCE_SPREAD
