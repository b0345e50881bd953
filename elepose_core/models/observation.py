# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People as a virtual camera sees them, and the parts that all our networks share."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import (
    rotated,
    rotated_rays,
    up_from_elevation_and_roll,
    virtual_camera,
)
from elepose_core.skeleton import H36M_17

__all__ = [
    'NEAREST',
    'Observation',
    'ResidualTrunk',
    'back_project',
    'observe',
    'observe_whole',
    'project',
]

_ROOT = H36M_17.index('pelvis')
# Depth along the ray in units of the root's; a person closer than this touches the lens.
NEAREST = 0.3


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

    def level_up(self, elevation_rad: Tensor) -> Tensor:
        """Return up (B, 3) in the virtual camera, of cameras without roll at these elevations."""
        up = up_from_elevation_and_roll(elevation_rad, torch.zeros_like(elevation_rad))
        return rotated(up, self.rotation)


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
    scale = (_from_axis(pose_2d) * visible).sum(1) / count[:, 0]
    return Observation(pose_2d, visible, scale.clamp(min=1e-4), rotation)


def observe_whole(rays: Tensor, visible: Tensor) -> Observation:
    """Do the same for people without missing joints: all of `rays` count, whatever was visible."""
    rotation = virtual_camera(rays[:, _ROOT])
    pose_2d = rotated_rays(rays, rotation)
    return Observation(pose_2d, visible, _from_axis(pose_2d).mean(1).clamp(min=1e-4), rotation)


def _from_axis(pose_2d: Tensor) -> Tensor:
    # The small constant keeps the gradient of the norm finite at the axis.
    return torch.sqrt((pose_2d * pose_2d).sum(-1) + 1e-12)


def back_project(pose_2d: Tensor, depth: Tensor) -> Tensor:
    """Put joints (B, J, 2) on their rays at depths (B, J); returns (B, J, 3) in that camera."""
    depth = depth.clamp(min=NEAREST)
    return torch.cat([pose_2d * depth[..., None], depth[..., None]], dim=-1)


def project(joints: Tensor) -> Tensor:
    """Return normalised image coordinates (B, J, 2) of joints (B, J, 3) whose root is at 1."""
    return joints[..., :2] / joints[..., 2:].clamp(min=NEAREST)


class ResidualTrunk(nn.Module):
    """A linear layer and residual blocks of two linear layers each.

    Attributes:
        entry: The linear layer that sees the features.
        body: All that follows.
    """

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.entry = nn.Linear(inputs, width)
        self.body = nn.Sequential(nn.LeakyReLU(), *(_Residual(width) for _ in range(blocks)))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, inputs) to (B, width)."""
        return torch.as_tensor(self.body(self.entry(features)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.activation = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.first(x))
        return x + torch.as_tensor(self.activation(self.second(hidden)))
