# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Geometric self-supervision: a teacher that two judges train, then the lifter it teaches."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from elepose_core.cli.methods.lifting_graph import (
    lift_poses,
    untrained_graph,
    write_lifting_bundle,
)
from elepose_core.cli.methods.method import Method, holding
from elepose_core.cli.stages import Stages, seeded
from elepose_core.cli.training_data import complete_poses, facts_of_poses
from elepose_core.config import GeometricConfig
from elepose_core.models.discriminator import PoseJudges
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import Teacher
from elepose_core.priors.flow import VIEW_CONDITIONS
from elepose_core.training.alternation import clip_elevations
from elepose_core.training.distillation import Distillation, Lessons
from elepose_core.training.geometric import Geometric, GeometricParts, lessons_of, pair_starts
from elepose_core.training.loop import Progress
from elepose_core.training.prior import train_prior
from elepose_core.training.sampling import Keypoints2D

__all__ = ['METHOD']

# Where the first stage keeps its checkpoint, inside the run.
_ADVERSARIAL = Path('adversarial')


def _train(
    experiment: GeometricConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    """Train up to the stage `until`; returns how the last went."""
    seed = experiment.training.seed
    torch.manual_seed(seed)
    parts = _untrained_parts(experiment).to(device)
    on_device = data.to(device)
    recipe = Geometric(
        parts,
        on_device,
        pair_starts(on_device),
        experiment.views,
        experiment.geometric_losses,
        experiment.adversarial_losses,
    )
    recipe.prepare()
    progress = stages.train(recipe, seeded(experiment.adversarial, seed), _ADVERSARIAL)
    if until == 'adversarial':
        return progress
    teacher = parts.teacher
    elevation, _ = clip_elevations(teacher, on_device, data.clips)
    fit = partial(
        train_prior,
        data,
        experiment.prior,
        seed,
        mirrored_share=experiment.sampling.mirrored_share,
        clip_elevation=elevation.cpu(),
    )
    prior = stages.prior(_ADVERSARIAL, VIEW_CONDITIONS, fit)
    lessons = stages.lessons(partial(_lessons, teacher, on_device, elevation))
    torch.manual_seed(seed)
    lifter = Lifter(experiment.lifter).to(device)
    lifter.start_from(teacher)
    graph = LiftingGraph(lifter, prior).to(device)
    distillation = Distillation(graph, lessons.to(device), experiment.losses, experiment.sampling)
    return stages.train(distillation, experiment.training, Path())


def _check(experiment: GeometricConfig, data: Keypoints2D, until: str | None) -> None:
    del experiment, until
    pair_starts(data)


def _lessons(
    teacher: Teacher, data: Keypoints2D, elevation: Tensor, on_part: Callable[[int, int], None]
) -> Lessons:
    lessons = lessons_of(teacher, data, elevation).to(torch.device('cpu'))
    on_part(data.clips, data.clips)
    return lessons


def _untrained_parts(experiment: GeometricConfig) -> GeometricParts:
    return GeometricParts(Teacher(experiment.lifter), PoseJudges(experiment.judges))


METHOD = Method(
    name='geometric',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=untrained_graph,
    lift=lift_poses,
    write_bundle=write_lifting_bundle,
    stages=('adversarial', 'distillation'),
    of_stage={'adversarial': holding(_untrained_parts)},
    check=_check,
)
