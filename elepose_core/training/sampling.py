# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of 2D poses, and which of their joints the lifter may see."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core.skeleton import H36M_17

__all__ = ['SamplingConfig', 'draw_rays', 'draw_visibility']

_JOINTS = len(H36M_17)


def _mask(*prefixes: str) -> list[bool]:
    return [name.startswith(prefixes) for name in H36M_17.joint_names]


# What really goes missing: the image ends at the knees, at the waist, an arm is hidden, ...
_HIDDEN_TOGETHER = torch.tensor(
    [
        _mask('left_ankle', 'right_ankle'),
        _mask('left_ankle', 'right_ankle', 'left_knee', 'right_knee'),
        [
            i in (0, 7) or name.endswith(('hip', 'knee', 'ankle'))
            for i, name in enumerate(H36M_17.joint_names)
        ],
        _mask('left_elbow', 'left_wrist'),
        _mask('right_elbow', 'right_wrist'),
        _mask('left_knee', 'left_ankle'),
        _mask('right_knee', 'right_ankle'),
        _mask('neck_nose', 'head_top'),
    ]
)


class SamplingConfig(BaseModel):
    """How the input of the lifter is varied; shares are probabilities per pose."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    mirrored_share: float = Field(0.5, ge=0, le=1)
    random_hidden_share: float = Field(0.2, ge=0, le=1)
    group_hidden_share: float = Field(0.2, ge=0, le=1)
    most_random_hidden: float = Field(0.4, ge=0, le=1)
    noisy_share: float = Field(0.5, ge=0, le=1)
    noise: float = Field(0.01, ge=0, le=1)


def draw_rays(
    rays: Tensor, batch_size: int, config: SamplingConfig, generator: torch.Generator
) -> Tensor:
    """Draw poses (B, 17, 2) with replacement and mirror a share of them left to right."""
    chosen = rays[torch.randint(len(rays), (batch_size,), generator=generator)]
    mirrored = chosen[:, list(H36M_17.mirror)] * torch.tensor([-1.0, 1.0])
    turn = torch.rand(batch_size, generator=generator) < config.mirrored_share
    return torch.where(turn[:, None, None], mirrored, chosen)


def draw_visibility(batch_size: int, config: SamplingConfig, generator: torch.Generator) -> Tensor:
    """Draw (B, 17) masks, 1 = visible: mostly whole, else random joints or whole limbs hidden."""
    choice = torch.rand(batch_size, 1, generator=generator)
    rate = torch.rand(batch_size, 1, generator=generator) * config.most_random_hidden
    at_random = torch.rand(batch_size, _JOINTS, generator=generator) < rate
    group = torch.randint(len(_HIDDEN_TOGETHER), (batch_size,), generator=generator)
    first = config.random_hidden_share
    hidden = torch.where(choice < first, at_random, torch.zeros_like(at_random))
    second = (choice >= first) & (choice < first + config.group_hidden_share)
    hidden = torch.where(second, _HIDDEN_TOGETHER[group], hidden)
    return 1.0 - hidden.float()
