# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The upper bound: the lifter that is deployed, taught by 3D truth instead of a teacher."""

from pathlib import Path
from typing import Any

import torch

from elepose_core.cli.methods.lifting_graph import (
    lift_poses,
    untrained_graph,
    write_lifting_bundle,
)
from elepose_core.cli.methods.method import Method, holding
from elepose_core.cli.methods.shared_stages import prior_of_views, teach_lifter
from elepose_core.cli.stages import Stages, seeded
from elepose_core.cli.training_data import LabelledPoses, facts_of_poses, labelled_poses
from elepose_core.config import SupervisedConfig
from elepose_core.errors import InputError
from elepose_core.export.weights import start_from_bundle
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import Teacher
from elepose_core.training.distillation import Lessons
from elepose_core.training.loop import Progress
from elepose_core.training.supervised import SupervisedTeaching

__all__ = ['METHOD']

# Where the first stage keeps its checkpoints, inside the run.
_TEACHER = Path('teacher')


def _train(
    experiment: SupervisedConfig,
    data: LabelledPoses,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    seed, clip = experiment.training.seed, data.seen.clip
    of_clip = torch.zeros(data.seen.clips).index_copy_(0, clip, data.elevation_rad)
    prior = prior_of_views(experiment, data.seen, of_clip, seed, stages, Path())
    alike = torch.ones(len(data.joints))
    lessons = Lessons(data.joints, data.elevation_rad, alike, alike).to(device)
    torch.manual_seed(seed)
    lifter = Lifter(experiment.lifter).to(device)
    if experiment.start.model:
        start_from_bundle(lifter, experiment.start.model)
    else:
        teacher = Teacher(experiment.lifter).to(device)
        taught = SupervisedTeaching(teacher, lessons, experiment.sampling)
        progress = stages.train(taught, seeded(experiment.teacher, seed), _TEACHER)
        if until == 'teacher':
            return progress
        lifter.start_from(teacher)
    return teach_lifter(experiment, lifter, prior, lessons, stages)


def _check(experiment: SupervisedConfig, data: LabelledPoses, until: str | None) -> None:
    del data
    if not experiment.start.model:
        return
    if until == 'teacher':
        raise InputError("until is 'teacher'; a run that starts from a bundle has none")
    start_from_bundle(Lifter(experiment.lifter), experiment.start.model)


def _facts(data: LabelledPoses) -> dict[str, Any]:
    return facts_of_poses(data.seen)


def _untrained_teacher(experiment: SupervisedConfig) -> Teacher:
    return Teacher(experiment.lifter)


METHOD = Method(
    name='supervised',
    read=labelled_poses,
    facts=_facts,
    train=_train,
    untrained=untrained_graph,
    lift=lift_poses,
    write_bundle=write_lifting_bundle,
    stages=('teacher', 'distillation'),
    of_stage={'teacher': holding(_untrained_teacher)},
    check=_check,
)
