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

__all__ = ['Discriminator', 'DiscriminatorConfig', 'PoseJudges']

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

    Source: the discriminator of Chen et al. (CVPR 2019), section 3.2.
        Differs: no dropout, since every term of the loop is deterministic; a logit instead of a
        probability.
    """

    def __init__(self, inputs: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.trunk = ResidualTrunk(inputs, config.width, config.blocks)
        self.head = nn.Linear(config.width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Judge features (B, inputs); returns (B,)."""
        return torch.as_tensor(self.head(self.trunk(features))[:, 0])

    def frozen(self, features: Tensor) -> Tensor:
        """Return the same; gradients reach the features, not the discriminator."""
        values = {name: value.detach() for name, value in self.named_parameters()}
        return torch.as_tensor(functional_call(self, values, (features,)))


class PoseJudges(nn.Module):
    """The discriminators of single poses and of two poses in a row.

    Both see whitened principal components, so that a wrong bone counts as much as a wrong stance.

    Attributes:
        frame: Of `frame_features`.
        motion: Of `motion_features`.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        pose, pair = config.components, 2 * config.components
        self.frame_axes = _Axes(_COORDINATES, pose)
        self.motion_axes = _Axes(2 * _COORDINATES, pair)
        self.frame = Discriminator(pose, config)
        self.motion = Discriminator(pair, config)

    def fit(self, first: Tensor, second: Tensor) -> None:
        """Take the principal axes from many real pairs (N, 17, 2) each."""
        self.frame_axes.fit(scaled_pose(torch.cat([first, second])))
        self.motion_axes.fit(_in_a_row(first, second))

    def frame_features(self, pose_2d: Tensor) -> Tensor:
        """Return (B, components) of complete root-centred poses (B, 17, 2)."""
        return self.frame_axes.whitened(scaled_pose(pose_2d))

    def motion_features(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (B, 2 components) of poses (B, 17, 2) in virtual cameras, one after the other.

        Source: Chen et al., section 3.4: the difference of two poses.
            Differs: the pose itself stands beside it, so that a motion can be wrong for a pose.
        """
        return self.motion_axes.whitened(_in_a_row(first, second))


class _Axes(nn.Module):
    """Principal axes of features, each scaled to deviation 1."""

    mean: Tensor
    axes: Tensor

    def __init__(self, inputs: int, components: int) -> None:
        super().__init__()
        self.register_buffer('mean', torch.zeros(inputs))
        self.register_buffer('axes', torch.eye(inputs)[:, :components].clone())

    def fit(self, features: Tensor) -> None:
        count = self.axes.shape[1]
        mean = features.mean(0)
        _, singular, axes = torch.linalg.svd(features - mean, full_matrices=False)
        deviation = singular[:count] / len(features) ** 0.5
        self.mean.copy_(mean)
        self.axes.copy_(axes[:count].T / deviation.clamp(min=_LEAST_DEVIATION))

    def whitened(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.axes


def _in_a_row(first: Tensor, second: Tensor) -> Tensor:
    # One size for both: that somebody comes nearer is part of the motion.
    distance = torch.sqrt((first * first).sum(-1) + 1e-12).mean(1)
    size = distance.clamp(min=1e-4)[:, None, None]
    return torch.cat([(first / size).flatten(1), ((second - first) / size).flatten(1)], dim=1)
