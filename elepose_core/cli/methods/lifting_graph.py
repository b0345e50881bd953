# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What all methods share whose product is a `LiftingGraph`."""

from typing import Protocol

from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.method import BundleRequest
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.torch_lift import of_whole_people, torch_lift
from elepose_core.export.calibration import calibrate_plausibility, calibrate_sigma
from elepose_core.export.onnx import export_bundle
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.models.teacher import LifterConfig, Teacher, TeacherGraph
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior, PriorConfig
from elepose_core.training.alternation import Alternators
from elepose_core.training.geometric import GeometricParts

__all__ = ['LifterSettings', 'lift_poses', 'untrained_graph', 'write_lifting_bundle']


class LifterSettings(Protocol):
    """Settings of a method with a lifter and a prior."""

    @property
    def lifter(self) -> LifterConfig:
        """Return the size of the networks."""

    @property
    def prior(self) -> PriorConfig:
        """Return the size of the density."""


def untrained_graph(experiment: LifterSettings) -> LiftingGraph:
    """Return what the checkpoints of the last stage fit."""
    return LiftingGraph(
        Lifter(experiment.lifter),
        FlowPrior(experiment.prior, VIEW_CONDITIONS).requires_grad_(False),
    )


def lift_poses(module: nn.Module, poses: PoseSet) -> Lift:
    """Return the lifter of single frames that a stage trained: a graph, or a teacher inside."""
    del poses
    if isinstance(module, Alternators | GeometricParts):
        module = module.teacher
    if isinstance(module, Teacher):
        return of_whole_people(torch_lift(TeacherGraph(module)))
    return torch_lift(module)


def write_lifting_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    """Calibrate a trained graph on poses that it did not see, compare and write it."""
    assert isinstance(module, LiftingGraph)
    poses = request.poses
    rays, scores = poses.rays.astype('float32'), poses.scores
    if poses.joints_cam_m is None:
        print('the data has no 3D truth: sigma stays uncalibrated')
    else:
        calibrate_sigma(module, rays, scores, poses.joints_cam_m)
    calibrate_plausibility(module, rays, scores)
    return export_bundle(module, request.folder, request.manifest, rays, scores, request.precision)
