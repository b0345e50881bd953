# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From settings and data to what the loop trains and what the protocol measures."""

import torch
from torch import Tensor, nn

from elepose_core.config import Experiment, PublishedConfig
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.models.elepose_paper import ElePoseLifter, published_lift
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.models.observation import observe
from elepose_core.models.teacher import Teacher, TeacherGraph
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior
from elepose_core.training.alternation import Alternators
from elepose_core.training.sampling import Keypoints2D

__all__ = ['BONE_STRIDE', 'lift_of', 'poses_for_bones', 'untrained']

# Every n-th pose: bone ratios settle long before all are read.
BONE_STRIDE = 3


def untrained(experiment: Experiment) -> LiftingGraph | ElePoseLifter:
    """Return what a run of these settings leaves behind, before it has learned anything."""
    if isinstance(experiment, PublishedConfig):
        return ElePoseLifter(experiment.elepose_lifter)
    return LiftingGraph(
        Lifter(experiment.lifter),
        FlowPrior(experiment.prior, VIEW_CONDITIONS).requires_grad_(False),
    )


def lift_of(module: nn.Module) -> Lift:
    """Return what a stage trains as the callable that the protocol measures."""
    if isinstance(module, ElePoseLifter):
        return published_lift(module)
    if isinstance(module, Alternators):
        module = module.teacher
    return torch_lift(TeacherGraph(module) if isinstance(module, Teacher) else module)


def poses_for_bones(data: Keypoints2D) -> tuple[Tensor, Tensor]:
    """Return poses (M, 17, 2) in their virtual cameras, enough to estimate bones, and persons."""
    every = slice(None, None, BONE_STRIDE)
    rays = data.rays[every]
    return observe(rays, torch.ones(rays.shape[:2])).pose_2d, data.person[every]
