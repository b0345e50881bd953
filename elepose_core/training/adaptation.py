# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The training of the adapter: moved keypoints shall look like those that the lifter knows."""

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.models.adapter import PoseAdapter
from elepose_core.models.discriminator import Discriminator
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.observation import Observation, observe
from elepose_core.priors.flow import scaled_pose
from elepose_core.training.adversarial import judged_terms
from elepose_core.training.loop import Group
from elepose_core.training.sampling import draw_rows, mirrored

__all__ = ['Adaptation', 'AdaptationParts', 'AdaptationWeights']

_USUAL_POSES = 40_000


class AdaptationWeights(BaseModel):
    """Weights of the terms, and how fast the judge learns beside the adapter.

    `change` keeps keypoints where they are: without it another person's pose would be as good.
    `clean_change` does so for keypoints that are as the lifter knows them.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    adversarial: float = Field(1.0, ge=0)
    gradient_penalty: float = Field(0.02, ge=0)
    change: float = Field(40.0, ge=0)
    clean_change: float = Field(0.0, ge=0)
    judge_rate: float = Field(2.0, gt=0)


class AdaptationParts(nn.Module):
    """The graph whose adapter learns, and its judge.

    Attributes:
        graph: Trained but for its adapter.
        judge: Of single poses.
    """

    def __init__(self, graph: LiftingGraph, judge: Discriminator) -> None:
        super().__init__()
        self.graph = graph
        self.judge = judge

    @property
    def adapter(self) -> PoseAdapter:
        """Return the adapter of the graph."""
        assert self.graph.adapter is not None
        return self.graph.adapter


@dataclass(frozen=True)
class Adaptation:
    """Recipe of `training.loop`: unpaired 2D poses of two kinds, and no 3D.

    Attributes:
        module: `prepare` it first.
        wild: (N, 17, 2) complete rays as detectors or annotators mark them.
        clean: (M, 17, 2) complete rays as the lifter learned from them, of other poses.
        loss_weights: Of the terms.
        mirrored_share: Share of poses that are mirrored.

    Source: the domain adaptation of Chen et al. (CVPR 2019), section 3.5.
        Differs: the lifter is done; keypoints shall move little.
    """

    module: AdaptationParts
    wild: Tensor
    clean: Tensor
    loss_weights: AdaptationWeights
    mirrored_share: float = 0.5

    @property
    def groups(self) -> list[Group]:
        """Return adapter and judge, each with its own rate."""
        parts = self.module
        return [
            Group(list(parts.adapter.parameters())),
            Group(list(parts.judge.parameters()), self.loss_weights.judge_rate),
        ]

    def prepare(self) -> None:
        """Show the judge what clean poses are usual."""
        every = max(1, len(self.clean) // _USUAL_POSES)
        self.module.judge.fit(scaled_pose(_seen(self.clean[::every]).pose_2d))

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses (B, 17, 2) of both kinds."""
        drawn = {}
        for name, rays in (('wild', self.wild), ('clean', self.clean)):
            rows, flip = draw_rows(len(rays), batch_size, self.mirrored_share, generator)
            drawn[name] = mirrored(rays[rows], flip)
        return drawn

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        adapter, judge = self.module.adapter, self.module.judge
        wild, clean = _seen(draw['wild']), _seen(draw['clean'])
        real, made = (scaled_pose(view.pose_2d) for view in (clean, adapter(wild)))
        return {
            'change': _length(adapter.offsets(wild)),
            'clean_change': _length(adapter.offsets(clean)),
            **judged_terms('frame', judge, real, made),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        weights = self.loss_weights
        return {
            'change': weights.change,
            'clean_change': weights.clean_change,
            'frame_adversarial': weights.adversarial,
            'frame_discriminator': 1.0,
            'frame_gradient': weights.gradient_penalty,
        }

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step


def _seen(rays: Tensor) -> Observation:
    return observe(rays, torch.ones_like(rays[..., 0]))


def _length(offsets: Tensor) -> Tensor:
    # Squares: a few keypoints may move far less dearly than all of them a little.
    return offsets.square().sum(-1).mean()
