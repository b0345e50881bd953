# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Gauss-Newton steps of an objective: a banded matrix with a border, clip by clip.

A joint's distance meets those of its own frame and of the two frames before and after. With frames
in order the matrix of all distances is therefore a band; the constants of a clip are its border.
Distances are eliminated first (Schur complement), then elevation, roll and floor of each clip; the
bones of each person are left, a small dense system.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky_banded
from scipy.linalg.lapack import dtbtrs

from elepose_core.refinement.kernels import Kernel
from elepose_core.refinement.sequences import BONES, CONSTANTS, JOINTS, Sequences, Unknowns
from elepose_core.refinement.terms import Footprint, Term

__all__ = ['Eliminated', 'NormalEquations']

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
# The diagonal and the 34 below it: two frames.
_BAND = 2 * JOINTS + 1
# A joint that nothing holds stays where it is.
_RIDGE = 1e-6


class _Places(NamedTuple):
    """Where the rows of a term go, as (slot, slot, flat indices (R,)) of each array."""

    gradient: list[tuple[int, Integers]]
    constant_gradient: list[tuple[int, Integers]]
    band: list[tuple[int, int, Integers]]
    border: list[tuple[int, int, Integers]]
    corner: list[tuple[int, int, Integers]]


class NormalEquations:
    """The linearised objective at one point.

    Attributes:
        band: (F * 17, 35) entry [i, k] couples distances i and i + k.
        border: (F * 17, 19 + 1) couples a distance with the constants of its clip; the last
            column is the gradient by the distance.
        corner: (C, 19, 19) couples the constants of a clip.
        gradient: (C, 19) by the constants.
    """

    def __init__(self, sequences: Sequences, terms: list[Term]) -> None:
        """Find out once where each row of each term belongs."""
        self._sequences, self._terms = sequences, terms
        self._places = [_places(term.footprint) for term in terms]
        distances = len(sequences) * JOINTS
        self.band = np.zeros((distances, _BAND))
        self.border = np.zeros((distances, CONSTANTS + 1))
        self.corner = np.zeros((sequences.clips, CONSTANTS, CONSTANTS))
        self.gradient = np.zeros((sequences.clips, CONSTANTS))

    def linearise(self, unknowns: Unknowns, kernels: list[Kernel]) -> None:
        """Fill the equations anew at a point."""
        for array in (self.band, self.border, self.corner, self.gradient):
            array.fill(0.0)
        for term, kernel, places in zip(self._terms, kernels, self._places, strict=True):
            squared, slope, normal = term.linearised(unknowns)
            _, weight = kernel(squared)
            self._add(places, slope * weight[:, None], normal * weight[:, None, None])

    def _add(self, places: _Places, slope: Array, normal: Array) -> None:
        border, gradient = self.border.reshape(-1), self.gradient.reshape(-1)
        for slot, where in places.gradient:
            np.add.at(border, where, slope[:, slot])
        for slot, where in places.constant_gradient:
            np.add.at(gradient, where, slope[:, slot])
        for array, entries in (
            (self.band, places.band),
            (self.border, places.border),
            (self.corner, places.corner),
        ):
            flat = array.reshape(-1)
            for first, second, where in entries:
                np.add.at(flat, where, normal[:, first, second])

    def eliminate(self, damping: Array) -> 'Eliminated':
        """Eliminate the distances; overwrites the band.

        Args:
            damping: (C,) by which each clip's diagonal grows, relative to it: 0 is Gauss-Newton,
                much is a short step down the gradient.
        """
        of_row = np.repeat(damping[self._sequences.clip], JOINTS)
        self.band[:, 0] = self.band[:, 0] * (1 + of_row) + _RIDGE
        corner, gradient = self.corner.copy(), self.gradient.copy()
        diagonal = np.arange(CONSTANTS)
        corner[:, diagonal, diagonal] *= 1 + damping[:, None]
        factors: list[Array] = []
        halves: list[Array] = []
        for clip, rows in enumerate(_rows(self._sequences)):
            factor = cholesky_banded(
                self.band[rows].T, lower=True, overwrite_ab=True, check_finite=False
            )
            half, _ = dtbtrs(factor, self.border[rows], uplo='L')
            inner = half.T @ half
            corner[clip] -= inner[:CONSTANTS, :CONSTANTS]
            gradient[clip] -= inner[:CONSTANTS, CONSTANTS]
            factors.append(factor)
            halves.append(half)
        return Eliminated(self._sequences, corner, gradient, factors, halves)


class Eliminated(NamedTuple):
    """What is left of the equations without the distances.

    Attributes:
        sequences: The clips.
        corner: (C, 19, 19) Schur complement of the constants.
        gradient: (C, 19) that goes with it.
        factors: Cholesky factor L of each clip's band.
        halves: L^-1 of each clip's border, the gradient last.
    """

    sequences: Sequences
    corner: Array
    gradient: Array
    factors: list[Array]
    halves: list[Array]

    def constants_step(self, person: Integers, largest_bone_step: float) -> Array:
        """Return the step (C, 19) of the constants; clips of one person share that of the bones.

        Args:
            person: (C,) from 0 without gaps.
            largest_bone_step: In mean bone lengths; beyond it the equations are not to be trusted.
        """
        own, cross = self.corner[:, BONES:, BONES:], self.corner[:, BONES:, :BONES]
        solved = np.linalg.solve(
            own, np.concatenate([cross, self.gradient[:, BONES:, None]], axis=2)
        )
        matrix = self.corner[:, :BONES, :BONES] - cross.transpose(0, 2, 1) @ solved[..., :BONES]
        slope = self.gradient[:, :BONES] - np.einsum('cob,co->cb', cross, solved[..., BONES])
        persons = int(person.max()) + 1
        matrices, slopes = np.zeros((persons, BONES, BONES)), np.zeros((persons, BONES))
        np.add.at(matrices, person, matrix)
        np.add.at(slopes, person, slope)
        bones = -np.linalg.solve(matrices, slopes[..., None])[..., 0]
        bones = np.clip(bones, -largest_bone_step, largest_bone_step)[person]
        others = -solved[..., BONES] - np.einsum('cob,cb->co', solved[..., :BONES], bones)
        return np.concatenate([bones, others], axis=1)

    def distances_step(self, constants_step: Array) -> Array:
        """Return the step (F, 17) of the distances that goes with a step of the constants."""
        steps = [
            dtbtrs(factor, half @ np.append(step, 1.0)[:, None], uplo='L', trans='T')[0][:, 0]
            for factor, half, step in zip(self.factors, self.halves, constants_step, strict=True)
        ]
        return -np.concatenate(steps).reshape(-1, JOINTS)

    def camera_covariance(self) -> Array:
        """Return (C, 3, 3) of elevation, roll (rad) and floor, the bones taken as known."""
        return np.asarray(np.linalg.inv(self.corner[:, BONES:, BONES:]))


def _rows(sequences: Sequences) -> Iterator[slice]:
    """Yield the rows of each clip's distances."""
    edges = sequences.edges * JOINTS
    yield from (slice(a, b) for a, b in pairwise(edges))


def _places(footprint: Footprint) -> _Places:
    clip, distances, constants = footprint.clip, footprint.distances, footprint.constants
    count, columns = distances.shape[1], range(constants.shape[1])
    flat = clip[:, None] * CONSTANTS + constants
    band = []
    for first in range(count):
        for second in range(first, count):
            low = np.minimum(distances[:, first], distances[:, second])
            high = np.maximum(distances[:, first], distances[:, second])
            band.append((first, second, low * _BAND + high - low))
    wide = CONSTANTS + 1
    return _Places(
        gradient=[(d, distances[:, d] * wide + CONSTANTS) for d in range(count)],
        constant_gradient=[(count + k, flat[:, k]) for k in columns],
        band=band,
        border=[
            (d, count + k, distances[:, d] * wide + constants[:, k])
            for d in range(count)
            for k in columns
        ],
        corner=[
            (count + k, count + m, flat[:, k] * CONSTANTS + constants[:, m])
            for k in columns
            for m in columns
        ],
    )
