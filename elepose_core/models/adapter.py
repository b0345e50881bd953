# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter: brings 2D poses as a detector marks them to those that a lifter learned from."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.models.completion import whole
from elepose_core.models.observation import Observation, ResidualTrunk
from elepose_core.skeleton import H36M_17

__all__ = ['AdapterConfig', 'PoseAdapter']

_COORDINATES = 2 * len(H36M_17)
# No keypoint is moved by more than this share of the person's angular size, each way.
_FARTHEST = 0.5


class AdapterConfig(BaseModel):
    """Size of the adapter."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(256, ge=8, le=4096)
    blocks: int = Field(2, ge=1, le=16)


class PoseAdapter(nn.Module):
    """Moves the keypoints of whole people who are not rolled; at first by nothing.

    Source: the 2D domain adapter of Chen et al. (CVPR 2019), section 3.5.
        Differs: it moves keypoints by bounded offsets instead of making them anew, so that it can
        only put right what is about there.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.trunk = ResidualTrunk(_COORDINATES, config.width, config.blocks)
        self.head = nn.Linear(config.width, _COORDINATES)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def offsets(self, seen: Observation) -> Tensor:
        """Return how far (B, 17, 2) keypoints are moved, in units of the person's size."""
        scaled = seen.pose_2d / seen.scale[:, None, None]
        moved = self.head(self.trunk(scaled.flatten(1))).reshape(scaled.shape)
        return _FARTHEST * torch.tanh(moved / _FARTHEST)

    def forward(self, seen: Observation) -> Observation:
        """Return whole people with their keypoints moved, aimed at their pelvis anew."""
        return whole(seen, seen.pose_2d + self.offsets(seen) * seen.scale[:, None, None])
