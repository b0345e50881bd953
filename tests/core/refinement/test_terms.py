# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Residuals and their derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elepose_core.refinement.sequences import (
    ANKLES,
    BONES,
    ELEVATION,
    FLOOR,
    JOINTS,
    Sequences,
    Unknowns,
)
from elepose_core.refinement.terms import (
    Anchor,
    BoneLengths,
    Floor,
    LinearConstants,
    Motion,
    Term,
)
from elepose_core.skeleton import H36M_17


def _anchor(sequences: Sequences) -> Term:
    return Anchor(sequences, np.linspace(0.9, 1.1, len(sequences) * JOINTS).reshape(-1, JOINTS))


TERMS: dict[str, Callable[[Sequences], Term]] = {
    'anchor': _anchor,
    'bones': lambda s: BoneLengths(s, H36M_17.bones, [(b,) for b in range(BONES)]),
    'hips': lambda s: BoneLengths(s, [(1, 4)], [(0, 3)]),
    'acceleration': lambda s: Motion(s, range(JOINTS), (1.0, -2.0, 1.0)),
    'velocity': lambda s: Motion(s, ANKLES, (-1.0, 1.0)),
    'floor': Floor,
    'constants': lambda s: LinearConstants([(0, 3), (1, 4)], (1.0, -2.0), np.full((2, 2), 0.3)),
}


def _values(term: Term, unknowns: Unknowns) -> Any:
    """Return what each row depends on (R, D + K)."""
    footprint = term.footprint
    return np.concatenate(
        [
            unknowns.distances.ravel()[footprint.distances],
            unknowns.constants[footprint.clip[:, None], footprint.constants],
        ],
        axis=1,
    )


def _moved(term: Term, unknowns: Unknowns, row: int, slot: int, by: float) -> Unknowns:
    footprint, (distances, constants) = term.footprint, (a.copy() for a in unknowns)
    count = footprint.distances.shape[1]
    if slot < count:
        distances.reshape(-1)[footprint.distances[row, slot]] += by
    else:
        constants[footprint.clip[row], footprint.constants[row, slot - count]] += by
    return Unknowns(distances, constants)


@pytest.mark.parametrize('name', TERMS)
def test_slope_is_that_of_half_the_squared_residual(
    name: str, sequences: Sequences, unknowns: Unknowns, random: np.random.Generator
) -> None:
    term, small = TERMS[name](sequences), 1e-5
    squared, slope, normal = term.linearised(unknowns)
    np.testing.assert_allclose(squared, term.squared(unknowns), atol=1e-9)
    rows = len(term.footprint.clip)
    assert slope.shape == (rows, _values(term, unknowns).shape[1])
    for row in random.integers(0, rows, 12):
        for slot in range(slope.shape[1]):
            above = term.squared(_moved(term, unknowns, row, slot, small))[row]
            below = term.squared(_moved(term, unknowns, row, slot, -small))[row]
            expected = 0.5 * (above - below) / (2 * small)
            assert slope[row, slot] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert np.linalg.eigvalsh(normal).min() > -1e-9


@pytest.mark.parametrize('name', ['anchor', 'bones', 'hips', 'floor', 'constants'])
def test_normal_of_a_scalar_residual_is_the_outer_product(
    name: str, sequences: Sequences, unknowns: Unknowns
) -> None:
    squared, slope, normal = TERMS[name](sequences).linearised(unknowns)
    np.testing.assert_allclose(
        normal * squared[:, None, None], slope[:, :, None] * slope[:, None, :], atol=1e-9
    )


def test_residuals_are_the_plain_vector_ones(sequences: Sequences, unknowns: Unknowns) -> None:
    joints = sequences.rays * unknowns.distances[..., None]
    lengths = unknowns.constants[sequences.clip]
    for bone, (parent, child) in enumerate(H36M_17.bones):
        apart = np.linalg.norm(joints[:, parent] - joints[:, child], axis=1)
        squared = TERMS['bones'](sequences).squared(unknowns).reshape(-1, BONES)[:, bone]
        np.testing.assert_allclose(squared, (apart - lengths[:, bone]) ** 2, rtol=1e-6, atol=1e-9)
    # Runs of three: frames 0-2 of the first clip, two in the second; none over gap or edge.
    starts = np.array([0, 5, 6])
    assert sequences.runs(3).tolist() == starts.tolist()
    bent = joints[starts] - 2 * joints[starts + 1] + joints[starts + 2]
    squared = TERMS['acceleration'](sequences).squared(unknowns)
    np.testing.assert_allclose(squared, (bent**2).sum(-1).ravel(), rtol=1e-6)
    heights = (joints[:, list(ANKLES)] * unknowns.up_cam[sequences.clip][:, None]).sum(-1).min(1)
    np.testing.assert_allclose(
        TERMS['floor'](sequences).squared(unknowns),
        (heights - unknowns.constants[sequences.clip, FLOOR]) ** 2,
        rtol=1e-6,
    )


def test_coincident_joints_give_numbers(sequences: Sequences, unknowns: Unknowns) -> None:
    rays = np.repeat(sequences.rays[:, :1], JOINTS, axis=1)
    same = Sequences(rays, sequences.clip, sequences.frame)
    together = Unknowns(np.full_like(unknowns.distances, 16.0), unknowns.constants)
    for array in TERMS['bones'](same).linearised(together):
        assert np.isfinite(array).all()


def test_up_of_unknowns_by_hand() -> None:
    constants = np.zeros((1, 19))
    constants[0, ELEVATION] = np.pi / 6
    up = Unknowns(np.zeros((0, JOINTS)), constants).up_cam
    np.testing.assert_allclose(up, [[0.0, -np.sqrt(3) / 2, -0.5]], atol=1e-12)
