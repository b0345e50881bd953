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
from elepose_core.cli.methods.shared_stages import (
    frame_recipe,
    prior_of_views,
    teach_lifter,
    untrained_frames,
)
from elepose_core.cli.stages import Stages, seeded
from elepose_core.cli.training_data import complete_poses, facts_of_poses
from elepose_core.config import GeometricConfig
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import Teacher
from elepose_core.training.alternation import clip_elevations
from elepose_core.training.distillation import Lessons
from elepose_core.training.geometric import lessons_of, pair_starts
from elepose_core.training.loop import Progress
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
    recipe = frame_recipe(experiment, experiment.geometric_losses, data, device)
    progress = stages.train(recipe, seeded(experiment.adversarial, seed), _ADVERSARIAL)
    if until == 'adversarial':
        return progress
    teacher, on_device = recipe.module.teacher, recipe.data
    elevation, _ = clip_elevations(teacher, on_device, data.clips)
    prior = prior_of_views(experiment, data, elevation, seed, stages, _ADVERSARIAL)
    lessons = stages.lessons(partial(_lessons, teacher, on_device, elevation))
    torch.manual_seed(seed)
    lifter = Lifter(experiment.lifter).to(device)
    lifter.start_from(teacher)
    return teach_lifter(experiment, lifter, prior, lessons, stages)


def _check(experiment: GeometricConfig, data: Keypoints2D, until: str | None) -> None:
    del experiment, until
    pair_starts(data)


def _lessons(
    teacher: Teacher, data: Keypoints2D, elevation: Tensor, on_part: Callable[[int, int], None]
) -> Lessons:
    lessons = lessons_of(teacher, data, elevation).to(torch.device('cpu'))
    on_part(data.clips, data.clips)
    return lessons


METHOD = Method(
    name='geometric',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=untrained_graph,
    lift=lift_poses,
    write_bundle=write_lifting_bundle,
    stages=('adversarial', 'distillation'),
    of_stage={'adversarial': holding(untrained_frames)},
    check=_check,
)
