# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Residuals of clips: one class for each thing that is known.

As every joint is on its ray, the squared distance of two joints follows from their distances d, e
from the camera and the cosine c between their rays, d^2 + e^2 - 2 d e c. The cosines are data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from elepose_core.refinement.sequences import (
    ANKLES,
    ELEVATION,
    FLOOR,
    JOINTS,
    ROLL,
    ROOT,
    Sequences,
    Unknowns,
)

__all__ = [
    'Anchor',
    'BoneLengths',
    'Floor',
    'Footprint',
    'LinearConstants',
    'Linearised',
    'Motion',
    'Term',
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
# Two joints on one ray at one distance: the bone between them has no direction.
_SHORTEST2 = 1e-12


@dataclass(frozen=True)
class Footprint:
    """Which unknowns each row of a term depends on.

    Attributes:
        clip: (R,) the clip of the row.
        distances: (R, D) indices into the flat (F * 17) distances.
        constants: (R, K) columns of the clip's constants.
    """

    clip: Integers
    distances: Integers
    constants: Integers


class Linearised(NamedTuple):
    """Residuals r (scalars or vectors) with the Jacobian J by the D + K unknowns of each row.

    Attributes:
        squared: (R,) r . r
        slope: (R, D + K) J^T r
        normal: (R, D + K, D + K) J^T J
    """

    squared: Array
    slope: Array
    normal: Array


class Term(Protocol):
    """Something that is known, as rows of residuals."""

    footprint: Footprint

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives."""


def _scalar(residual: Array, jacobian: Array) -> Linearised:
    return Linearised(residual**2, residual[:, None] * jacobian, _outer(jacobian))


def _outer(jacobian: Array) -> Array:
    return jacobian[:, :, None] * jacobian[:, None, :]


def _columns(rows: int, columns: Sequence[int]) -> Integers:
    return np.broadcast_to(np.asarray(columns, np.int64), (rows, len(columns)))


class Anchor:
    """A joint's distance in relation to the pelvis's is what the lifter said.

    Residual: d_j - ratio_j d_pelvis, mean bone lengths; rows are (F, 16).
    """

    def __init__(self, sequences: Sequences, ratio: Array) -> None:
        """Take the lifter's distances (F, 17), divided by the pelvis's."""
        joints = np.array([j for j in range(JOINTS) if j != ROOT])
        frames = np.arange(len(sequences))[:, None] * JOINTS
        pairs = np.stack(np.broadcast_arrays(frames + joints, frames + ROOT), axis=-1)
        rows = len(sequences) * len(joints)
        self.footprint = Footprint(
            np.repeat(sequences.clip, len(joints)), pairs.reshape(rows, 2), _columns(rows, ())
        )
        self._jacobian = np.stack([np.ones(rows), -ratio[:, joints].ravel()], axis=1)
        self._normal = _outer(self._jacobian)

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""
        return np.square(self._residual(unknowns))

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives."""
        residual = self._residual(unknowns)
        return Linearised(residual**2, residual[:, None] * self._jacobian, self._normal)

    def _residual(self, unknowns: Unknowns) -> Array:
        return _dot(self._jacobian, unknowns.distances.ravel()[self.footprint.distances])


class BoneLengths:
    """Two joints are as far apart as the bones between them are long, in every frame.

    Residual: |x_i - x_k| - sum of the bones' lengths, mean bone lengths; rows are (F, pairs).
    """

    def __init__(
        self,
        sequences: Sequences,
        pairs: Sequence[tuple[int, int]],
        bones: Sequence[Sequence[int]],
    ) -> None:
        """Take pairs of joints and, for each, the bones that join them in a straight line."""
        ends = np.array(pairs)
        frames, count = np.arange(len(sequences))[:, None, None], len(pairs)
        rows = len(sequences) * count
        self.footprint = Footprint(
            np.repeat(sequences.clip, count),
            (frames * JOINTS + ends).reshape(rows, 2),
            np.tile(np.array(bones, np.int64), (len(sequences), 1)),
        )
        first, second = sequences.rays[:, ends[:, 0]], sequences.rays[:, ends[:, 1]]
        self._cosine = np.einsum('fpk,fpk->fp', first, second).ravel()

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""
        distances = unknowns.distances.ravel()[self.footprint.distances]
        return np.square(self._apart(distances) - self._length(unknowns))

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives."""
        distances = unknowns.distances.ravel()[self.footprint.distances]
        apart = self._apart(distances)
        along = (distances - distances[:, ::-1] * self._cosine[:, None]) / apart[:, None]
        bones = -np.ones(self.footprint.constants.shape)
        return _scalar(apart - self._length(unknowns), np.concatenate([along, bones], axis=1))

    def _apart(self, distances: Array) -> Array:
        first, second = distances.T
        squared = first**2 + second**2 - 2 * first * second * self._cosine
        return np.asarray(np.sqrt(np.maximum(squared, _SHORTEST2)))

    def _length(self, unknowns: Unknowns) -> Array:
        footprint = self.footprint
        return np.asarray(unknowns.constants[footprint.clip[:, None], footprint.constants].sum(1))


class Motion:
    """A difference over neighbouring frames is zero: velocity or acceleration.

    Residual: the vector sum of coefficient_p x_(t+p), mean bone lengths; rows are (runs, joints).
    """

    def __init__(
        self, sequences: Sequences, joints: Sequence[int], coefficients: Sequence[float]
    ) -> None:
        """Take the joints and the coefficients of frames t, t + 1, ..., such as 1, -2, 1."""
        steps, factors = np.arange(len(coefficients)), np.array(coefficients)
        starts = sequences.runs(len(steps))
        rows = len(starts) * len(joints)
        frames = (starts[:, None] + steps)[:, None, :]
        index = frames * JOINTS + np.asarray(joints)[:, None]
        self.footprint = Footprint(
            np.repeat(sequences.clip[starts], len(joints)),
            index.reshape(rows, len(steps)),
            _columns(rows, ()),
        )
        rays = sequences.rays.reshape(-1, 3)[self.footprint.distances] * factors[:, None]
        self._normal = rays @ rays.transpose(0, 2, 1)

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""
        return self.linearised(unknowns).squared

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives; J does not depend on the unknowns."""
        distances = unknowns.distances.ravel()[self.footprint.distances]
        slope = np.einsum('rvw,rw->rv', self._normal, distances)
        return Linearised(_dot(slope, distances), slope, self._normal)


class Floor:
    """The lower ankle is at the height of the clip's floor.

    Residual: up . x_ankle - floor, mean bone lengths; one row per frame. Each row names both
    ankles; the derivative by the higher one is zero.
    """

    def __init__(self, sequences: Sequences) -> None:
        frames = np.arange(len(sequences))
        self.footprint = Footprint(
            sequences.clip,
            frames[:, None] * JOINTS + np.array(ANKLES),
            _columns(len(sequences), (ELEVATION, ROLL, FLOOR)),
        )
        self._rays = sequences.rays[:, list(ANKLES)]
        self._clip = sequences.clip

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""
        return np.asarray(np.square(self._heights(unknowns).min(1)))

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives."""
        heights = self._heights(unknowns)
        lower, frames = heights.argmin(1), np.arange(len(heights))
        ray = self._rays[frames, lower]
        distance = unknowns.distances[frames, np.array(ANKLES)[lower]]
        by_elevation, by_roll = _up_derivatives(unknowns)
        jacobian = np.zeros((len(heights), len(ANKLES) + 3))
        jacobian[frames, lower] = _dot(unknowns.up_cam[self._clip], ray)
        jacobian[:, 2] = _dot(by_elevation[self._clip], ray) * distance
        jacobian[:, 3] = _dot(by_roll[self._clip], ray) * distance
        jacobian[:, 4] = -1.0
        return _scalar(heights[frames, lower], jacobian)

    def _heights(self, unknowns: Unknowns) -> Array:
        """Return the heights (F, 2) of the ankles over the floor."""
        upward = np.einsum('fk,fjk->fj', unknowns.up_cam[self._clip], self._rays)
        floor = unknowns.constants[self._clip, FLOOR]
        return np.asarray(upward * unknowns.distances[:, ANKLES] - floor[:, None])


class LinearConstants:
    """A weighted sum of a clip's constants has a known value.

    Residual: sum of coefficient_k constant_k - target; rows are (C, sums).
    """

    def __init__(
        self, columns: Sequence[Sequence[int]], coefficients: Sequence[float], target: Array
    ) -> None:
        """Take the columns of each sum, the coefficients of all, and the targets (C, sums)."""
        clips, sums = target.shape
        self.footprint = Footprint(
            np.repeat(np.arange(clips), sums),
            np.zeros((clips * sums, 0), np.int64),
            np.tile(np.array(columns, np.int64), (clips, 1)),
        )
        self._jacobian = np.tile(np.array(coefficients, np.float64), (clips * sums, 1))
        self._target = target.ravel()

    def squared(self, unknowns: Unknowns) -> Array:
        """Return the squared residuals (R,)."""
        return np.square(self._residual(unknowns))

    def linearised(self, unknowns: Unknowns) -> Linearised:
        """Return the residuals with their derivatives."""
        return _scalar(self._residual(unknowns), self._jacobian)

    def _residual(self, unknowns: Unknowns) -> Array:
        footprint = self.footprint
        values = unknowns.constants[footprint.clip[:, None], footprint.constants]
        return np.asarray(_dot(values, self._jacobian) - self._target)


def _up_derivatives(unknowns: Unknowns) -> tuple[Array, Array]:
    """Return the derivatives (C, 3) of up by elevation and by roll."""
    elevation, roll = unknowns.constants[:, ELEVATION], unknowns.constants[:, ROLL]
    ce, se, cr, sr = np.cos(elevation), np.sin(elevation), np.cos(roll), np.sin(roll)
    by_elevation = np.stack([se * sr, se * cr, -ce], axis=-1)
    return by_elevation, np.stack([-ce * cr, ce * sr, np.zeros_like(ce)], axis=-1)


def _dot(first: Array, second: Array) -> Array:
    return np.asarray(np.einsum('rk,rk->r', first, second))
