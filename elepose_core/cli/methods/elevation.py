# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""ElePose by our own recipe: a teacher without 3D, then the lifter that learns from it."""

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
from elepose_core.cli.methods.refined_lessons import level_lessons
from elepose_core.cli.methods.shared_stages import prior_of_views, teach_lifter
from elepose_core.cli.stages import Stages, seeded
from elepose_core.cli.training_data import complete_poses, facts_of_poses, poses_for_bones
from elepose_core.config import ExperimentConfig
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import Teacher, TeacherGraph
from elepose_core.priors.bones import bone_ratios_by_person, bone_ratios_from_2d
from elepose_core.refinement.clips import RefinementConfig, refine
from elepose_core.training.alternation import Alternation, Alternators, clip_elevations
from elepose_core.training.discovery import Discovery
from elepose_core.training.distillation import Lessons
from elepose_core.training.loop import Progress
from elepose_core.training.prior import train_prior
from elepose_core.training.sampling import Keypoints2D

__all__ = ['METHOD']

# Where the first two stages keep their checkpoints, inside the run.
_DISCOVERY, _ALTERNATION = Path('discovery'), Path('alternation')


def _train(
    experiment: ExperimentConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    """Train up to the stage `until`; returns how the last that trains a network went."""
    teacher, progress = _discovery(experiment, data, device, stages)
    if until == 'discovery':
        return progress
    learned, progress = _alternation(experiment, teacher, data, stages)
    if until == 'alternation':
        return progress
    lessons = stages.lessons(partial(_lessons, experiment.refinement, learned, data))
    if until == 'refinement':
        return progress
    torch.manual_seed(experiment.training.seed)
    lifter = Lifter(experiment.lifter).to(device)
    lifter.start_from(learned.teacher)
    return teach_lifter(experiment, lifter, learned.seen.requires_grad_(False), lessons, stages)


def _untrained_teacher(experiment: ExperimentConfig) -> Teacher:
    return Teacher(experiment.lifter)


def _teacher_of_clips(experiment: ExperimentConfig, weights: dict[str, Tensor]) -> Teacher:
    """Return the teacher alone: elevations of clips and bones belong to the data."""
    teacher, prefix = Teacher(experiment.lifter), 'teacher.'
    mine = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    teacher.load_state_dict(mine)
    return teacher


METHOD = Method(
    name='elepose',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=untrained_graph,
    lift=lift_poses,
    write_bundle=write_lifting_bundle,
    stages=('discovery', 'alternation', 'refinement', 'distillation'),
    of_stage={'discovery': holding(_untrained_teacher), 'alternation': _teacher_of_clips},
)


def _discovery(
    experiment: ExperimentConfig, data: Keypoints2D, device: torch.device, stages: Stages
) -> tuple[Teacher, Progress]:
    seed, share = experiment.training.seed, experiment.sampling.mirrored_share
    torch.manual_seed(seed)
    teacher = Teacher(experiment.lifter).to(device)
    fit = partial(train_prior, data, experiment.prior, seed, mirrored_share=share)
    prior = stages.prior(_DISCOVERY, 0, fit).to(device)
    recipe = Discovery(
        teacher,
        data.to(device),
        prior,
        bone_ratios_from_2d(poses_for_bones(data)[0]).to(device),
        experiment.discovery_losses,
        share,
    )
    return teacher, stages.train(recipe, seeded(experiment.discovery, seed), _DISCOVERY)


def _alternation(
    experiment: ExperimentConfig, teacher: Teacher, data: Keypoints2D, stages: Stages
) -> tuple[Alternators, Progress]:
    device = next(teacher.parameters()).device
    seed, share = experiment.training.seed + 1, experiment.sampling.mirrored_share
    on_device = data.to(device)
    elevation, _ = clip_elevations(teacher, on_device, data.clips)
    prior = prior_of_views(experiment, data, elevation, seed, stages, _ALTERNATION)
    ratios = bone_ratios_by_person(*poses_for_bones(data), data.people)
    module = Alternators(teacher, elevation, prior, ratios).to(device)
    recipe = Alternation(
        module, on_device, experiment.clips, experiment.alternation_losses, share, seed
    )
    return module, stages.train(recipe, seeded(experiment.alternation, seed), _ALTERNATION)


def _lessons(
    config: RefinementConfig,
    learned: Alternators,
    data: Keypoints2D,
    on_part: Callable[[int, int], None],
) -> Lessons:
    """Refine what the teacher makes of whole clips."""
    refined = refine(
        data.rays.numpy(),
        data.clip.numpy(),
        data.frame.numpy(),
        data.person.numpy(),
        torch_lift(TeacherGraph(learned.teacher)),
        learned.bone_ratios.cpu().numpy(),
        config.at_rate(data.fps),
        on_part,
    )
    return level_lessons(refined)
