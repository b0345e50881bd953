# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From settings and data to what the loop trains and what the protocol measures."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from elepose_core.config import Experiment, PublishedConfig
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.models.elepose_paper import ElePoseLifter, published_lift
from elepose_core.models.lifter import Lifter, observe
from elepose_core.priors.bones import bone_ratios_from_2d
from elepose_core.priors.flow import FlowPrior
from elepose_core.training.elepose_paper import PublishedRecipe, train_published_prior
from elepose_core.training.loop import Recipe
from elepose_core.training.objective import Objective
from elepose_core.training.prior import train_prior

__all__ = ['PriorStage', 'lift_of', 'make_recipe', 'untrained']

# Trains a prior, given what to call after each step with step and loss.
PriorStage = Callable[[Callable[[int, float], None]], FlowPrior]
# Every n-th pose: bone ratios settle long before all are read.
_BONE_STRIDE = 3


def untrained(experiment: Experiment) -> Lifter | ElePoseLifter:
    """Return the lifter of these settings; its weights follow from torch's seed."""
    if isinstance(experiment, PublishedConfig):
        return ElePoseLifter(experiment.elepose_lifter)
    return Lifter(experiment.lifter)


def lift_of(module: nn.Module) -> Lift:
    """Return a trained lifter as the callable that the protocol measures."""
    if isinstance(module, ElePoseLifter):
        return published_lift(module)
    assert isinstance(module, Lifter)
    return torch_lift(module)


def make_recipe(
    experiment: Experiment,
    rays: Tensor,
    device: torch.device,
    fitted: Callable[[PriorStage], FlowPrior],
) -> Recipe:
    """Return what the loop trains.

    Args:
        experiment: Its settings.
        rays: (N, 17, 2) complete poses in normalised image coordinates, on the CPU.
        device: Where to train.
        fitted: Runs the stage that fits the prior, or finds its result.
    """
    torch.manual_seed(experiment.training.seed)
    if isinstance(experiment, PublishedConfig):
        return _published(experiment, rays, device, fitted)
    lifter = Lifter(experiment.lifter).to(device)
    seed = experiment.training.seed
    prior = fitted(partial(train_prior, rays, experiment.prior, experiment.sampling, seed))
    ratios = _bone_ratios(rays)
    losses, sampling = experiment.losses, experiment.sampling
    return Objective(lifter, rays, prior.to(device), ratios.to(device), losses, sampling)


def _published(
    experiment: PublishedConfig,
    rays: Tensor,
    device: torch.device,
    fitted: Callable[[PriorStage], FlowPrior],
) -> PublishedRecipe:
    lifter = ElePoseLifter(experiment.elepose_lifter)
    lifter.fit_scale(rays)
    seed, losses = experiment.training.seed, experiment.elepose_losses
    prior = fitted(partial(train_published_prior, rays, lifter, experiment.prior, seed))
    ratios = losses.ratios(lifter.normalised(rays[::_BONE_STRIDE]))
    return PublishedRecipe(lifter.to(device), prior.to(device), rays, ratios.to(device), losses)


def _bone_ratios(rays: Tensor) -> Tensor:
    some = rays[::_BONE_STRIDE]
    return bone_ratios_from_2d(observe(some, torch.ones(some.shape[:2])).pose_2d)
