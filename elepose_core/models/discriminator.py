# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Discriminators: how much 2D poses, or two of them in a row, look like real ones."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.func import functional_call

from elepose_core.models.observation import ResidualTrunk
from elepose_core.priors.flow import scaled_pose
from elepose_core.skeleton import H36M_17

__all__ = [
    'Discriminator',
    'DiscriminatorConfig',
    'PoseJudges',
    'frame_judge',
    'motion_features',
]

_COORDINATES = 2 * len(H36M_17)
_LEAST_DEVIATION = 1e-3


class DiscriminatorConfig(BaseModel):
    """Size of each discriminator; `components` are those of a pose, a pair has twice as many."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    components: int = Field(28, ge=2, le=32)
    width: int = Field(256, ge=8, le=4096)
    blocks: int = Field(2, ge=1, le=16)


class Discriminator(nn.Module):
    """One logit per row: positive = taken for real.

    It sees whitened principal components of features, so that a wrong bone counts as much as a
    wrong stance.

    Source: the discriminator of Chen et al. (CVPR 2019), section 3.2.
        Differs: whitened components instead of coordinates; no dropout, since every term of the
        loop is deterministic; a logit instead of a probability.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, inputs: int, components: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.register_buffer('mean', torch.zeros(inputs))
        self.register_buffer('axes', torch.eye(inputs)[:, :components].clone())
        self.trunk = ResidualTrunk(components, config.width, config.blocks)
        self.head = nn.Linear(config.width, 1)

    def fit(self, features: Tensor) -> None:
        """Take the principal axes from many real features (N, inputs)."""
        count = self.axes.shape[1]
        mean = features.mean(0)
        _, singular, axes = torch.linalg.svd(features - mean, full_matrices=False)
        deviation = singular[:count] / len(features) ** 0.5
        self.mean.copy_(mean)
        self.axes.copy_(axes[:count].T / deviation.clamp(min=_LEAST_DEVIATION))

    def whitened(self, features: Tensor) -> Tensor:
        """Return the components (B, components) of features (B, inputs)."""
        return (features - self.mean) @ self.axes

    def forward(self, components: Tensor) -> Tensor:
        """Judge whitened components (B, components); returns (B,)."""
        return torch.as_tensor(self.head(self.trunk(components))[:, 0])

    def frozen(self, components: Tensor) -> Tensor:
        """Return the same; gradients reach the components, not the discriminator."""
        values = {name: value.detach() for name, value in self.named_parameters()}
        return torch.as_tensor(functional_call(self, values, (components,)))


class PoseJudges(nn.Module):
    """The discriminators of single poses and of two poses in a row.

    Attributes:
        frame: Of `priors.flow.scaled_pose`.
        motion: Of `motion_features`.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.frame = frame_judge(config)
        self.motion = Discriminator(2 * _COORDINATES, 2 * config.components, config)

    def fit(self, first: Tensor, second: Tensor) -> None:
        """Take the principal axes from many real pairs (N, 17, 2) each."""
        self.frame.fit(scaled_pose(torch.cat([first, second])))
        self.motion.fit(motion_features(first, second))


def frame_judge(config: DiscriminatorConfig) -> Discriminator:
    """Return a discriminator of single poses as `priors.flow.scaled_pose` gives them."""
    return Discriminator(_COORDINATES, config.components, config)


def motion_features(first: Tensor, second: Tensor) -> Tensor:
    """Return (B, 68) of root-centred poses (B, 17, 2), one after the other: pose and motion.

    Source: Chen et al., section 3.4: the difference of two poses.
        Differs: the pose itself stands beside it, so that a motion can be wrong for a pose.
    """
    # One size for both: that somebody comes nearer is part of the motion.
    distance = torch.sqrt((first * first).sum(-1) + 1e-12).mean(1)
    size = distance.clamp(min=1e-4)[:, None, None]
    return torch.cat([(first / size).flatten(1), ((second - first) / size).flatten(1)], dim=1)
