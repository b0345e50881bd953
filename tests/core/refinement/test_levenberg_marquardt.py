# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Going downhill."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.levenberg_marquardt import minimise
from elepose_core.refinement.objective import LiftedClips, Objective
from elepose_core.refinement.sequences import BONES, Sequences, Unknowns

# One stage, so that the cost is the same from the first step to the last.
ONE_STAGE = RefinementConfig(bone_mm=(5.0,), steps_per_stage=12)


def _problem(
    walk: Any, random: np.random.Generator, noise: float
) -> tuple[Objective, Unknowns, NDArray[np.float64]]:
    """Return clips told nearly the truth, where to start, and their true distances."""
    distance = np.linalg.norm(walk.joints_cam, axis=-1)
    sequences = Sequences(walk.joints_cam / distance[..., None], walk.clip, walk.frame)
    noisy = distance + noise * random.standard_normal(distance.shape)
    lifted = LiftedClips(
        noisy / noisy[:, :1],
        walk.up_cam[sequences.edges[:-1]],
        np.tile(walk.bones, (sequences.clips, 1)),
        np.full(sequences.clips, 0.08),
        np.zeros(distance.shape),
    )
    objective = Objective(sequences, lifted, ONE_STAGE)
    return objective, objective.start(lifted, lifted.bones, lifted.up_cam), distance


@pytest.mark.parametrize('person', [[0, 1, 2], [0, 0, 0], [0, 1, 0]], ids=str)
@pytest.mark.parametrize('noise', [0.1, 1.0])
def test_no_persons_cost_rises(
    walk_of: Callable[..., Any], random: np.random.Generator, person: list[int], noise: float
) -> None:
    objective, start, _ = _problem(walk_of(clips=3, frames=10), random, noise)
    kernels = objective.kernels(5.0)
    found = minimise(objective, start, np.array(person), ONE_STAGE)
    before = np.bincount(person, objective.costs(start, kernels))
    after = np.bincount(person, objective.costs(found, kernels))
    assert (after < 0.7 * before).all()
    for clip, who in enumerate(person):
        first = person.index(who)
        assert (found.constants[clip, :BONES] == found.constants[first, :BONES]).all()


def test_a_true_start_stays_where_it_is(
    walk_of: Callable[..., Any], random: np.random.Generator
) -> None:
    objective, start, distance = _problem(walk_of(clips=2, frames=20), random, noise=0.0)
    np.testing.assert_allclose(start.distances, distance, atol=0.02)
    found = minimise(objective, start, np.zeros(2, int), ONE_STAGE)
    ratio = found.distances / found.distances[:, :1]
    moved = np.abs(ratio * distance[:, :1] - distance)
    # Hands swing fast enough for the smoothness to hold them back a little.
    assert moved.mean() < 0.05
    assert moved.max() < 0.25
    assert np.abs(np.degrees(found.constants[:, 16] - start.constants[:, 16])).max() < 0.3
