# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Damped Gauss-Newton over a part of the clips; each clip has its own damping."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.normal_equations import NormalEquations
from elepose_core.refinement.objective import Objective
from elepose_core.refinement.sequences import BONES, ELEVATION, Unknowns

__all__ = ['elevation_deviation_rad', 'minimise']

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_FIRST_DAMPING, _STAGE_DAMPING = 1e-2, 1e-1
_LEAST_DAMPING, _MOST_DAMPING = 1e-6, 1e6
_LARGEST_BONE_STEP = 0.03
# Of a joint's distance from the camera, at least so much is left after one step.
_LEAST_LEFT = 0.3


def minimise(
    objective: Objective, unknowns: Unknowns, person: Integers, config: RefinementConfig
) -> Unknowns:
    """Bring the cost of each clip down, stage by stage with tighter bones.

    Bones move whatever a single clip thinks of it, as its person's other clips want them; the
    rest of a clip moves where its cost sinks.

    Args:
        objective: What is known.
        unknowns: Where to start.
        person: (C,) from 0 without gaps.
        config: Stages and steps.

    Source: D. Marquardt, 1963.
    """
    equations = NormalEquations(objective.sequences, objective.terms)
    damping = np.full(objective.sequences.clips, _FIRST_DAMPING)
    for bone_mm in config.bone_mm:
        kernels = objective.kernels(bone_mm)
        damping = np.minimum(damping, _STAGE_DAMPING)
        for _ in range(config.steps_per_stage):
            equations.linearise(unknowns, kernels)
            trial = _step(equations, unknowns, person, damping)
            unknowns = _with_bones(unknowns, trial)
            better = objective.costs(trial, kernels) < objective.costs(unknowns, kernels)
            unknowns = Unknowns(
                np.where(
                    better[objective.sequences.clip, None], trial.distances, unknowns.distances
                ),
                np.where(better[:, None], trial.constants, unknowns.constants),
            )
            damping = np.where(better, damping / 5, damping * 10)
            damping = damping.clip(_LEAST_DAMPING, _MOST_DAMPING)
    return unknowns


def elevation_deviation_rad(
    objective: Objective, unknowns: Unknowns, config: RefinementConfig
) -> Array:
    """Return the formal standard deviation (C,) of each clip's elevation at the minimum.

    It says how well the clip's own motion determines the elevation: little where a person stays
    at one distance. Bones are taken as known; what the lifter gets wrong in every frame alike, it
    does not know.
    """
    equations = NormalEquations(objective.sequences, objective.terms)
    equations.linearise(unknowns, objective.kernels(config.bone_mm[-1]))
    left = equations.eliminate(np.zeros(objective.sequences.clips))
    first = ELEVATION - BONES
    return np.asarray(np.sqrt(left.camera_covariance()[:, first, first]))


def _step(
    equations: NormalEquations, unknowns: Unknowns, person: Integers, damping: Array
) -> Unknowns:
    left = equations.eliminate(damping)
    step = left.constants_step(person, _LARGEST_BONE_STEP)
    distances = unknowns.distances + left.distances_step(step)
    return Unknowns(
        np.maximum(distances, _LEAST_LEFT * unknowns.distances), unknowns.constants + step
    )


def _with_bones(unknowns: Unknowns, other: Unknowns) -> Unknowns:
    constants = unknowns.constants.copy()
    constants[:, :BONES] = other.constants[:, :BONES]
    return Unknowns(unknowns.distances, constants)
