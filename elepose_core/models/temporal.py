# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What networks that look at neighbouring frames share; any number of frames will do."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import rotated
from elepose_core.models.observation import Observation

__all__ = [
    'TemporalConfig',
    'TemporalTrunk',
    'for_each_frame',
    'of_clips',
    'of_frames',
    'up_of_frames',
]


class TemporalConfig(BaseModel):
    """Size of a network over time; each block looks twice as far as the one before."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(256, ge=8, le=4096)
    blocks: int = Field(3, ge=1, le=6)


class TemporalTrunk(nn.Module):
    """A linear layer and residual blocks of a convolution over three frames and a linear layer.

    Frames before the first are like the first, those after the last like the last.
    """

    def __init__(self, inputs: int, config: TemporalConfig) -> None:
        super().__init__()
        self.entry = nn.Conv1d(inputs, config.width, 1)
        self.body = nn.Sequential(
            nn.LeakyReLU(),
            *(_Residual(config.width, 2**block) for block in range(config.blocks)),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, inputs) to (B, T, width)."""
        return torch.as_tensor(self.body(self.entry(features.transpose(1, 2)))).transpose(1, 2)


class _Residual(nn.Module):
    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.first = nn.Conv1d(width, width, 3, dilation=reach)
        self.second = nn.Conv1d(width, width, 1)
        self.activation = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        before, after = (end.expand(-1, -1, self.reach) for end in (x[:, :, :1], x[:, :, -1:]))
        hidden = self.activation(self.first(torch.cat([before, x, after], dim=2)))
        return x + torch.as_tensor(self.activation(self.second(hidden)))


def of_frames(clips: Tensor) -> Tensor:
    """Return clips (B, T, ...) frame by frame (B * T, ...)."""
    return clips.flatten(0, 1)


def of_clips(frames: Tensor, count: int) -> Tensor:
    """Return frames (B * T, ...) clip by clip (B, T, ...) of `count` frames each."""
    return frames.reshape(-1, count, *frames.shape[1:])


def for_each_frame(values: Tensor, count: int) -> Tensor:
    """Return values (B, ...) of clips once for each of their frames (B * T, ...)."""
    return values[:, None].expand(-1, count, *values.shape[1:]).flatten(0, 1)


def up_of_frames(up_cam: Tensor, seen: Observation, count: int) -> Tensor:
    """Return up (B * T, 3) in the virtual camera of each frame, of cameras that stand still.

    Args:
        up_cam: (B, 3) in the cameras.
        seen: B * T frames.
        count: T.
    """
    return rotated(for_each_frame(up_cam, count), seen.rotation)
