# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher: lifts complete, clean poses seen by cameras without roll.

It learns without 3D and teaches the lifter that is deployed.
"""

import math

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import rotated, up_from_virtual_elevation
from elepose_core.models.observation import Observation, ResidualTrunk, back_project, observe
from elepose_core.skeleton import H36M_17

__all__ = ['LifterConfig', 'Teacher', 'TeacherGraph']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')
_STEEPEST_RAD = 1.5


class LifterConfig(BaseModel):
    """Size of the networks of teacher and lifter; only the lifter completes."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(384, ge=8, le=4096)
    blocks: int = Field(3, ge=1, le=16)
    elevation_width: int = Field(256, ge=8, le=4096)
    elevation_blocks: int = Field(2, ge=1, le=16)
    completion_width: int = Field(256, ge=8, le=4096)
    completion_blocks: int = Field(2, ge=1, le=16)


class Teacher(nn.Module):
    """Depths that know the up direction, and the elevation of one frame.

    Source: the residual lifter of ElePose, section 3.
        Differs: the depth network is told the up direction instead of sharing features with the
        elevation head; depth offsets are scaled by the angular size with the root at distance 1,
        so that perspective is that of the true distance.
    """

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.config = config
        seen = 2 * _JOINTS + 1
        self.elevation_trunk = ResidualTrunk(seen, config.elevation_width, config.elevation_blocks)
        self.elevation_head = nn.Linear(config.elevation_width, 1)
        self.trunk = ResidualTrunk(seen + 3, config.width, config.blocks)
        self.depth_head = nn.Linear(config.width, _JOINTS)
        # Training starts from a flat person and a level camera.
        nn.init.normal_(self.depth_head.weight, std=1e-3)
        nn.init.normal_(self.elevation_head.weight, std=1e-3)
        nn.init.zeros_(self.elevation_head.bias)

    @torch.no_grad()
    def start_at(self, elevation_rad: float) -> None:
        """Begin with every camera at this elevation."""
        nn.init.constant_(self.elevation_head.bias, math.atanh(elevation_rad / _STEEPEST_RAD))

    def elevation(self, observation: Observation) -> Tensor:
        """Return the virtual camera's elevation (B,) in radians."""
        hidden = self.elevation_trunk(_features(observation))
        return _STEEPEST_RAD * torch.tanh(self.elevation_head(hidden)[:, 0])

    def up(self, observation: Observation) -> Tensor:
        """Return up (B, 3) in the virtual camera, of a real camera without roll."""
        return up_from_virtual_elevation(self.elevation(observation), observation.rotation)

    def forward(self, observation: Observation, up: Tensor) -> Tensor:
        """Lift.

        Args:
            observation: Complete poses in the virtual camera.
            up: (B, 3) unit vector against gravity in the virtual camera.

        Returns:
            (B, 17, 3) joints in the virtual camera, on their rays, root at depth 1.
        """
        hidden = self.trunk(torch.cat([_features(observation), up], dim=1))
        offset = self.depth_head(hidden)
        offset = offset - offset[:, _ROOT, None]
        return back_project(observation.pose_2d, 1.0 + offset * observation.scale[:, None])


class TeacherGraph(nn.Module):
    """The teacher in the camera's frame, as evaluation wants it."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lift complete poses; see `LiftingGraph.forward`.

        Returns:
            joints_cam: (B, 17, 3).
            up_cam_estimate: (B, 3).
        """
        observation = observe(rays, torch.ones_like(scores))
        rotation = observation.rotation
        estimate = self.teacher.up(observation)
        told = rotated(up_cam, rotation)
        up = torch.where(torch.isinf(up_variance)[:, None], estimate, told)
        joints = self.teacher(observation, up)
        return joints @ rotation, rotated(estimate, rotation.transpose(1, 2))


def _features(observation: Observation) -> Tensor:
    """Return (B, 35): scaled joints and the logarithm of the angular size."""
    scaled = observation.pose_2d / observation.scale[:, None, None]
    log_scale = torch.log(observation.scale)[:, None]
    return torch.cat([scaled.flatten(1), log_scale], dim=1)
