# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""ElePose as published: a prior, then the lifter."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest, Method
from elepose_core.cli.stages import Stages
from elepose_core.cli.training_data import BONE_STRIDE, complete_poses, facts_of_poses
from elepose_core.config import PublishedConfig
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.models.elepose_paper import ElePoseLifter, published_lift
from elepose_core.training.elepose_paper import PublishedRecipe, train_published_prior
from elepose_core.training.loop import Progress
from elepose_core.training.sampling import Keypoints2D

__all__ = ['METHOD']


def _train(
    experiment: PublishedConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    del until
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


def _untrained(experiment: PublishedConfig) -> ElePoseLifter:
    return ElePoseLifter(experiment.elepose_lifter)


def _lift(module: nn.Module, poses: PoseSet) -> Lift:
    del poses
    assert isinstance(module, ElePoseLifter)
    return published_lift(module)


def _write_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    del module
    raise InputError(
        f'{request.folder.name} cannot be made of a run of the published method, which knows no '
        'missing joints; expected a run of another recipe'
    )


METHOD = Method(
    name='elepose',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=_untrained,
    lift=_lift,
    write_bundle=_write_bundle,
)
