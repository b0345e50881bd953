# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Damped Gauss-Newton over a part of the clips; each clip has its own damping."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.kernels import Kernel
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

    A person's bones move where that lowers the cost of all clips of that person together, whatever
    a single clip makes of it; the rest of a clip moves where its own cost sinks.

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
            unknowns, better = _accepted(objective, unknowns, trial, person, kernels)
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


def _accepted(
    objective: Objective,
    unknowns: Unknowns,
    trial: Unknowns,
    person: Integers,
    kernels: list[Kernel],
) -> tuple[Unknowns, NDArray[np.bool_]]:
    """Return what is kept of a step, and the clips (C,) that moved."""
    bones_only = unknowns.constants.copy()
    bones_only[:, :BONES] = trial.constants[:, :BONES]
    fallback = Unknowns(unknowns.distances, bones_only)
    before, after, with_bones = (
        objective.costs(point, kernels) for point in (unknowns, trial, fallback)
    )
    best = np.minimum(after, with_bones)
    sinks = np.bincount(person, best) < np.bincount(person, before)
    new_bones = sinks[person]
    moved = new_bones & (after < with_bones)
    constants = np.where(new_bones[:, None], bones_only, unknowns.constants)
    constants = np.where(moved[:, None], trial.constants, constants)
    moved_frames = moved[objective.sequences.clip, None]
    distances = np.where(moved_frames, trial.distances, unknowns.distances)
    return Unknowns(distances, constants), moved
