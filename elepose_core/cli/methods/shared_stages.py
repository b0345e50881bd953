# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Stages that several methods go through."""

from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from elepose_core.cli.stages import Stages
from elepose_core.losses import DistillationWeights
from elepose_core.models.discriminator import DiscriminatorConfig, PoseJudges
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import LifterConfig, Teacher
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig
from elepose_core.training.adversarial import AdversarialWeights
from elepose_core.training.distillation import Distillation, Lessons
from elepose_core.training.geometric import (
    Geometric,
    GeometricParts,
    GeometricWeights,
    ViewsConfig,
    pair_starts,
)
from elepose_core.training.loop import Progress, TrainingConfig
from elepose_core.training.prior import train_prior
from elepose_core.training.sampling import Keypoints2D, SamplingConfig

__all__ = ['frame_recipe', 'prior_of_views', 'teach_lifter', 'untrained_frames']


class _PriorSettings(Protocol):
    @property
    def prior(self) -> PriorConfig: ...

    @property
    def sampling(self) -> SamplingConfig: ...


class _LessonSettings(Protocol):
    @property
    def losses(self) -> DistillationWeights: ...

    @property
    def sampling(self) -> SamplingConfig: ...

    @property
    def training(self) -> TrainingConfig: ...


class _FrameSettings(Protocol):
    @property
    def lifter(self) -> LifterConfig: ...

    @property
    def judges(self) -> DiscriminatorConfig: ...

    @property
    def views(self) -> ViewsConfig: ...

    @property
    def adversarial_losses(self) -> AdversarialWeights: ...


def prior_of_views(
    experiment: _PriorSettings,
    data: Keypoints2D,
    clip_elevation: Tensor,
    seed: int,
    stages: Stages,
    folder: Path,
) -> FlowPrior:
    """Fit the density of poses given the view, of clips at elevations (clips,), in `folder`."""
    fit = partial(
        train_prior,
        data,
        experiment.prior,
        seed,
        mirrored_share=experiment.sampling.mirrored_share,
        clip_elevation=clip_elevation.cpu(),
    )
    return stages.prior(folder, VIEW_CONDITIONS, fit)


def teach_lifter(
    experiment: _LessonSettings, lifter: Lifter, prior: FlowPrior, lessons: Lessons, stages: Stages
) -> Progress:
    """Teach the lifter that is deployed; the last stage of a run."""
    device = next(lifter.parameters()).device
    graph = LiftingGraph(lifter, prior).to(device)
    recipe = Distillation(graph, lessons.to(device), experiment.losses, experiment.sampling)
    return stages.train(recipe, experiment.training, Path())


def untrained_frames(experiment: _FrameSettings) -> GeometricParts:
    """Return a teacher of single frames and its judges, before they have learned anything."""
    return GeometricParts(Teacher(experiment.lifter), PoseJudges(experiment.judges))


def frame_recipe(
    experiment: _FrameSettings, losses: GeometricWeights, data: Keypoints2D, device: torch.device
) -> Geometric:
    """Return the recipe that teaches them by geometry and judges, ready to be trained."""
    parts, on_device = untrained_frames(experiment).to(device), data.to(device)
    recipe = Geometric(
        parts,
        on_device,
        pair_starts(on_device),
        experiment.views,
        losses,
        experiment.adversarial_losses,
    )
    recipe.prepare()
    return recipe
