# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter of a trained lifter: from keypoints as detectors mark them to those it knows."""

from pathlib import Path

import torch
from torch import nn

from elepose_core.bundle import Bundle
from elepose_core.cli.methods.lifting_graph import write_lifting_bundle
from elepose_core.cli.methods.method import BundleRequest, Method
from elepose_core.cli.stages import Stages
from elepose_core.cli.training_data import complete_poses, facts_of_poses
from elepose_core.config import AdaptationConfig, read_experiment
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.models.adapter import PoseAdapter
from elepose_core.models.discriminator import frame_judge
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.lifter import Lifter
from elepose_core.priors.flow import VIEW_CONDITIONS, FlowPrior
from elepose_core.training.adaptation import Adaptation, AdaptationParts
from elepose_core.training.checkpoint import best_checkpoint
from elepose_core.training.loop import Progress
from elepose_core.training.sampling import Keypoints2D

__all__ = ['METHOD']

# Fewer poses of a detector do not show what is usual for it.
_ENOUGH_WILD = 100


def _train(
    experiment: AdaptationConfig,
    data: Keypoints2D,
    device: torch.device,
    stages: Stages,
    until: str | None,
) -> Progress:
    """Train the adapter alone; the lifter of the run that is named stays as it is."""
    del until
    torch.manual_seed(experiment.training.seed)
    wild, parts = _sources(experiment)
    parts.to(device)
    recipe = Adaptation(parts, wild.rays.to(device), data.rays.to(device), experiment.adaptation)
    recipe.prepare()
    return stages.train(recipe, experiment.training, Path())


def _sources(experiment: AdaptationConfig) -> tuple[Keypoints2D, AdaptationParts]:
    """Return the wild poses, and the adapter before the lifter that is named."""
    source = experiment.source
    for name in ('wild', 'run'):
        if not getattr(source, name):
            raise InputError(f'source.{name} is not set; expected --set source.{name}=...')
    wild = complete_poses([Path(source.wild)], _ENOUGH_WILD)
    parts = _untrained(experiment)
    _take_lifter(parts.graph, Path(source.run))
    return wild, parts


def _check(experiment: AdaptationConfig, data: Keypoints2D, until: str | None) -> None:
    del data, until
    _sources(experiment)


def _take_lifter(graph: LiftingGraph, run: Path) -> None:
    read_experiment(run / 'config.toml')  # which refuses a folder that is no run
    weights = best_checkpoint(run)['exported']
    if not any(name.startswith('lifter.') for name in weights):
        raise InputError(f'{run} (source.run) has no lifter that is deployed; expected one')
    mine = {k: v.shape for k, v in graph.state_dict().items() if not k.startswith('adapter.')}
    if mine != {k: v.shape for k, v in weights.items() if k in mine}:
        raise InputError(
            f'{run} (source.run) has networks of other sizes than the sections lifter and prior; '
            f'expected those of {run}/config.toml'
        )
    graph.load_state_dict({k: weights[k] for k in mine}, strict=False)


def _untrained(experiment: AdaptationConfig) -> AdaptationParts:
    graph = LiftingGraph(
        Lifter(experiment.lifter),
        FlowPrior(experiment.prior, VIEW_CONDITIONS).requires_grad_(False),
        PoseAdapter(experiment.adapter),
    )
    return AdaptationParts(graph, frame_judge(experiment.judges))


def _lift(module: nn.Module, poses: PoseSet) -> Lift:
    del poses
    assert isinstance(module, AdaptationParts)
    return torch_lift(module.graph)


def _write_bundle(module: nn.Module, request: BundleRequest) -> Bundle:
    assert isinstance(module, AdaptationParts)
    return write_lifting_bundle(module.graph, request)


METHOD = Method(
    name='adapter',
    read=complete_poses,
    facts=facts_of_poses,
    train=_train,
    untrained=_untrained,
    lift=_lift,
    write_bundle=_write_bundle,
    check=_check,
)
