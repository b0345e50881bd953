# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The banded solution against a dense one."""

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.normal_equations import NormalEquations
from elepose_core.refinement.objective import LiftedClips, Objective
from elepose_core.refinement.sequences import BONES, CONSTANTS, JOINTS, Sequences, Unknowns

Array = NDArray[np.float64]


@pytest.fixture
def objective(sequences: Sequences, unknowns: Unknowns) -> Objective:
    lifted = LiftedClips(
        unknowns.distances / unknowns.distances[:, :1],
        unknowns.up_cam,
        np.ones((sequences.clips, BONES)),
        np.full(sequences.clips, 0.1),
        np.zeros(unknowns.distances.shape),
    )
    return Objective(sequences, lifted, RefinementConfig())


def _dense(objective: Objective, unknowns: Unknowns) -> tuple[Array, Array]:
    """Return matrix and gradient by all unknowns: distances first, then each clip's constants."""
    size = unknowns.distances.size
    matrix = np.zeros((size + unknowns.constants.size,) * 2)
    gradient = np.zeros(len(matrix))
    for term, kernel in zip(objective.terms, objective.kernels(5.0), strict=True):
        squared, slope, normal = term.linearised(unknowns)
        weight, print_ = kernel(squared)[1], term.footprint
        constants = size + print_.clip[:, None] * CONSTANTS + print_.constants
        index = np.concatenate([print_.distances, constants], axis=1)
        for row, where in enumerate(index):
            matrix[np.ix_(where, where)] += weight[row] * normal[row]
            gradient[where] += weight[row] * slope[row]
    return matrix, gradient


@pytest.mark.parametrize('person', [[0, 1], [0, 0]], ids=['apart', 'one person'])
def test_step_solves_the_dense_equations(
    objective: Objective, unknowns: Unknowns, person: list[int]
) -> None:
    equations = NormalEquations(objective.sequences, objective.terms)
    equations.linearise(unknowns, objective.kernels(5.0))
    left = equations.eliminate(np.zeros(2))
    step = left.constants_step(np.array(person), np.inf)
    moved = np.concatenate([left.distances_step(step).ravel(), step.ravel()])
    matrix, gradient = _dense(objective, unknowns)
    size = unknowns.distances.size
    matrix[range(size), range(size)] += 1e-6
    # Every unknown as a combination of the free ones: one person has one set of bones.
    free = np.eye(len(matrix))
    if person == [0, 0]:
        for bone in range(BONES):
            free[size + CONSTANTS + bone, size + bone] = 1
        free = np.delete(free, size + CONSTANTS + np.arange(BONES), axis=1)
    expected = -free @ np.linalg.solve(free.T @ matrix @ free, free.T @ gradient)
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-7)


def test_gradient_is_that_of_the_cost(objective: Objective, unknowns: Unknowns) -> None:
    _, gradient = _dense(objective, unknowns)
    kernels, small = objective.kernels(5.0), 1e-5
    size = unknowns.distances.size
    for index in (*range(0, size, 13), *range(size, len(gradient), 3)):
        costs = []
        for by in (small, -small):
            moved = [array.copy() for array in unknowns]
            part, where = (0, index) if index < size else (1, index - size)
            moved[part].reshape(-1)[where] += by
            costs.append(objective.costs(Unknowns(*moved), kernels).sum())
        expected = (costs[0] - costs[1]) / (2 * small)
        assert gradient[index] == pytest.approx(expected, rel=1e-3, abs=1e-2)


def test_bones_do_not_leap(objective: Objective, unknowns: Unknowns) -> None:
    equations = NormalEquations(objective.sequences, objective.terms)
    equations.linearise(unknowns, objective.kernels(5.0))
    left = equations.eliminate(np.zeros(2))
    step = left.constants_step(np.zeros(2, int), 0.01)
    assert np.abs(step[:, :BONES]).max() <= 0.01
    assert left.distances_step(step).shape == (9, JOINTS)


def test_much_damping_makes_short_steps(objective: Objective, unknowns: Unknowns) -> None:
    steps = []
    for damping in (0.0, 1e4):
        equations = NormalEquations(objective.sequences, objective.terms)
        equations.linearise(unknowns, objective.kernels(5.0))
        left = equations.eliminate(np.full(2, damping))
        steps.append(left.distances_step(left.constants_step(np.arange(2), np.inf)))
    assert np.abs(steps[1]).max() < 1e-3 * np.abs(steps[0]).max()
