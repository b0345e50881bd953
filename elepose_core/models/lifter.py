# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The lifter: 2D joints of one person, seen by a virtual camera, to depth and camera elevation."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import rotated_rays, virtual_camera
from elepose_core.skeleton import H36M_17

__all__ = ['Lifter', 'LifterConfig', 'Observation', 'back_project', 'observe']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')
# Depth along the ray in units of the root's; a person closer than this touches the lens.
_NEAREST = 0.3


class LifterConfig(BaseModel):
    """Size of the two networks."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(384, ge=8, le=4096)
    blocks: int = Field(3, ge=1, le=16)
    elevation_width: int = Field(256, ge=8, le=4096)
    elevation_blocks: int = Field(2, ge=1, le=16)


@dataclass(frozen=True)
class Observation:
    """One person per row as the virtual camera sees them.

    Attributes:
        pose_2d: (B, 17, 2) normalised image coordinates in the virtual camera, all joints.
        visible: (B, 17) 1 where the lifter may look, else 0.
        scale: (B,) mean distance of the visible joints from the axis: the person's angular size.
        rotation: (B, 3, 3) from the camera to the virtual camera.
    """

    pose_2d: Tensor
    visible: Tensor
    scale: Tensor
    rotation: Tensor


class Lifted(NamedTuple):
    """Output of `Lifter.forward`.

    Attributes:
        depth: (B, 17) depth relative to the root's, 1 at the root.
        completion: (B, 17, 2) guess of every joint's `pose_2d`, meant for missing ones.
    """

    depth: Tensor
    completion: Tensor


def observe(rays: Tensor, visible: Tensor) -> Observation:
    """Turn a virtual camera at each person and measure the angular size.

    The axis goes through the pelvis, or through the mean of the visible joints where the pelvis
    is missing.

    Args:
        rays: (B, 17, 2) finite normalised image coordinates; those of missing joints only serve
            as truth in training.
        visible: (B, 17) float, 1 = seen.
    """
    weight = visible[..., None]
    count = weight.sum(1).clamp(min=1.0)
    mean = (rays * weight).sum(1) / count
    centre = torch.where(visible[:, _ROOT, None] > 0, rays[:, _ROOT], mean)
    rotation = virtual_camera(centre)
    pose_2d = rotated_rays(rays, rotation)
    # The small constant keeps the gradient of the norm finite at the axis.
    radius = torch.sqrt((pose_2d * pose_2d).sum(-1) + 1e-12)
    scale = (radius * visible).sum(1) / count[:, 0]
    return Observation(pose_2d, visible, scale.clamp(min=1e-4), rotation)


def back_project(pose_2d: Tensor, depth: Tensor) -> Tensor:
    """Put joints (B, J, 2) on their rays at depths (B, J); returns (B, J, 3) in that camera."""
    depth = depth.clamp(min=_NEAREST)
    return torch.cat([pose_2d * depth[..., None], depth[..., None]], dim=-1)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.activation = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.first(x))
        return x + torch.as_tensor(self.activation(self.second(hidden)))


def _trunk(inputs: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(), *(_Residual(width) for _ in range(blocks))
    )


class Lifter(nn.Module):
    """Depths that know the up direction, and the elevation that is assumed when nobody tells it.

    Source: the residual lifter of ElePose, section 3.
        Differs: the depth network is told the up direction instead of sharing features with the
        elevation head; depth offsets are scaled by the angular size with the root at distance 1,
        so that perspective is that of the true distance; missing joints are masked and completed.
    """

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.config = config
        seen = 3 * _JOINTS + 1
        self.elevation_trunk = _trunk(seen, config.elevation_width, config.elevation_blocks)
        self.elevation_head = nn.Linear(config.elevation_width, 1)
        self.trunk = _trunk(seen + 3, config.width, config.blocks)
        self.depth_head = nn.Linear(config.width, _JOINTS)
        self.completion_head = nn.Linear(config.width, 2 * _JOINTS)
        # Training starts from a flat person and a level camera.
        nn.init.normal_(self.depth_head.weight, std=1e-3)
        nn.init.normal_(self.elevation_head.weight, std=1e-3)
        nn.init.zeros_(self.elevation_head.bias)

    def elevation(self, observation: Observation) -> Tensor:
        """Return the virtual camera's elevation (B,) in radians."""
        hidden = self.elevation_trunk(_features(observation))
        return 1.5 * torch.tanh(self.elevation_head(hidden)[:, 0])

    def forward(self, observation: Observation, up: Tensor) -> Lifted:
        """Lift.

        Args:
            observation: What the virtual camera sees.
            up: (B, 3) unit vector against gravity in the virtual camera.
        """
        hidden = self.trunk(torch.cat([_features(observation), up], dim=1))
        offset = self.depth_head(hidden)
        offset = offset - offset[:, _ROOT, None]
        scale = observation.scale[:, None]
        completion = self.completion_head(hidden).reshape(-1, _JOINTS, 2)
        return Lifted(1.0 + offset * scale, completion * scale[..., None])


def _features(observation: Observation) -> Tensor:
    """Return (B, 52): scaled visible joints, mask, logarithm of the angular size."""
    visible = observation.visible
    scaled = observation.pose_2d * visible[..., None] / observation.scale[:, None, None]
    log_scale = torch.log(observation.scale)[:, None]
    return torch.cat([scaled.flatten(1), visible, log_scale], dim=1)
