# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The stages of a run, one after the other; what an earlier start has finished is read back."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from elepose_core.cli.recipes import BONE_STRIDE, lift_of, poses_for_bones
from elepose_core.config import ExperimentConfig, PublishedConfig
from elepose_core.geometry.elevation import elevation_from_up_cam
from elepose_core.models.elepose_paper import ElePoseLifter
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import Teacher
from elepose_core.priors.bones import bone_ratios_by_person, bone_ratios_from_2d
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior
from elepose_core.refinement.clips import RefinementConfig, refine
from elepose_core.training.alternation import Alternation, Alternators, clip_elevations
from elepose_core.training.discovery import Discovery
from elepose_core.training.distillation import Distillation, Lessons
from elepose_core.training.elepose_paper import PublishedRecipe, train_published_prior
from elepose_core.training.loop import Progress, Recipe, StageConfig, TrainingConfig
from elepose_core.training.prior import train_prior
from elepose_core.training.sampling import Keypoints2D

__all__ = ['PriorStage', 'Stage', 'Stages', 'train_lifter', 'train_published']

Stage = Literal['discovery', 'alternation', 'refinement', 'distillation']
# Trains a prior, given what to call after each step with step and loss.
PriorStage = Callable[[Callable[[int, float], None]], FlowPrior]
# Where the first two stages keep their checkpoints, inside the run.
_DISCOVERY, _ALTERNATION = Path('discovery'), Path('alternation')


class Stages(Protocol):
    """What carries stages out: shows them, keeps them and finds what is there already."""

    def prior(self, folder: Path, conditions: int, stage: PriorStage) -> FlowPrior:
        """Return the prior of `folder`, fitted now or by an earlier start."""

    def lessons(self, refined: Callable[[Callable[[int, int], None]], Lessons]) -> Lessons:
        """Return the lessons, refined now or by an earlier start; `refined` tells clips done."""

    def train(self, recipe: Recipe, config: TrainingConfig, folder: Path) -> Progress:
        """Train to the end in `folder`."""


def train_published(
    experiment: PublishedConfig, data: Keypoints2D, device: torch.device, stages: Stages
) -> Progress:
    """Train ElePose as published: a prior, then the lifter."""
    seed, losses = experiment.training.seed, experiment.elepose_losses
    torch.manual_seed(seed)
    lifter = ElePoseLifter(experiment.elepose_lifter)
    lifter.fit_scale(data.rays)
    fit = partial(train_published_prior, data.rays, lifter, experiment.prior, seed)
    prior = stages.prior(Path(), 0, fit)
    ratios = losses.ratios(lifter.normalised(data.rays[::BONE_STRIDE]))
    recipe = PublishedRecipe(
        lifter.to(device), prior.to(device), data.rays, ratios.to(device), losses
    )
    return stages.train(recipe, experiment.training, Path())


def train_lifter(
    experiment: ExperimentConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: Stage = 'distillation',
) -> Progress:
    """Train a teacher without 3D, then the lifter that learns from it.

    Args:
        experiment: All settings.
        data: Complete poses.
        device: Where to train.
        stages: What carries them out.
        until: The last stage.

    Returns:
        How the last stage that trains a network went.
    """
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
    graph = LiftingGraph(lifter, learned.seen.requires_grad_(False)).to(device)
    recipe = Distillation(graph, lessons.to(device), experiment.losses, experiment.sampling)
    return stages.train(recipe, experiment.training, Path())


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
    return teacher, stages.train(recipe, _seeded(experiment.discovery, seed), _DISCOVERY)


def _alternation(
    experiment: ExperimentConfig, teacher: Teacher, data: Keypoints2D, stages: Stages
) -> tuple[Alternators, Progress]:
    device = next(teacher.parameters()).device
    seed, share = experiment.training.seed + 1, experiment.sampling.mirrored_share
    on_device = data.to(device)
    elevation, _ = clip_elevations(teacher, on_device, data.clips)
    fit = partial(
        train_prior,
        data,
        experiment.prior,
        seed,
        mirrored_share=share,
        clip_elevation=elevation.cpu(),
    )
    prior = stages.prior(_ALTERNATION, VIEW_CONDITIONS, fit)
    ratios = bone_ratios_by_person(*poses_for_bones(data), data.people)
    module = Alternators(teacher, elevation, prior, ratios).to(device)
    recipe = Alternation(
        module, on_device, experiment.clips, experiment.alternation_losses, share, seed
    )
    return module, stages.train(recipe, _seeded(experiment.alternation, seed), _ALTERNATION)


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
        lift_of(learned),
        learned.bone_ratios.cpu().numpy(),
        config.at_rate(data.fps),
        on_part,
    )
    elevation = elevation_from_up_cam(refined.up_cam)
    columns = (refined.joints_cam, elevation, refined.moved, refined.elevation_deviation_rad)
    return Lessons.weighted(*(torch.from_numpy(np.float32(column)) for column in columns))


def _seeded(config: StageConfig, seed: int) -> TrainingConfig:
    return TrainingConfig(**config.model_dump(), seed=seed)
