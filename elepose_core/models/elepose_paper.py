# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The lifter as ElePose was published: one scale per data set, everybody at one distance."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.errors import InputError
from elepose_core.geometry.virtual_camera import up_from_elevation_and_roll
from elepose_core.skeleton import H36M_17

__all__ = ['ElePoseLifter', 'ElePoseLifterConfig', 'published_lift']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')
_HEAD = H36M_17.index('head_top')
Array = NDArray[np.float32]


class ElePoseLifterConfig(BaseModel):
    """Size of the network and place of the root; the unit is the mean pelvis-head distance."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(1024, ge=8, le=4096)
    root_depth: float = Field(10.0, gt=1)
    least_depth: float = Field(1.0, gt=0)


class ElePoseLifter(nn.Module):
    """Depth offsets and camera elevation from one complete, root-centred 2D pose.

    Source: ElePose (Wandt, Little, Rhodin; CVPR 2022), section 3 and the released settings.
        Differs: the BatchNorm layers that the original builds and never calls are left out. The
        angle has our sign: the original's tilts the pose to level, ours is the camera's elevation,
        positive = it looks down, and so the negative of it. Poses are normalised image
        coordinates instead of pixels, so that cameras of several focal lengths can share one
        scale. The bound on depth holds in the evaluation too.
    """

    head_distance: Tensor
    moves: Tensor

    def __init__(self, config: ElePoseLifterConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.shared = nn.Sequential(nn.Linear(2 * _JOINTS, width), _Residual(width))
        self.depth_head = nn.Sequential(
            _Residual(width), _Residual(width), nn.Linear(width, _JOINTS)
        )
        self.elevation_head = nn.Sequential(
            _Residual(width), _Residual(width), nn.Linear(width, 1)
        )
        self.register_buffer('head_distance', torch.ones(()))
        # The root stays at its depth, whatever the network says of it.
        self.register_buffer('moves', (torch.arange(_JOINTS) != _ROOT).float(), persistent=False)

    def fit_scale(self, rays: Tensor) -> None:
        """Take the scale of the data set from rays (N, 17, 2): the mean pelvis-head distance."""
        reach = rays[:, _HEAD] - rays[:, _ROOT]
        self.head_distance.copy_(torch.linalg.vector_norm(reach, dim=-1).mean())

    def normalised(self, rays: Tensor) -> Tensor:
        """Return poses (B, 17, 2) with the pelvis at 0 and a mean head distance of 1 / c.

        Shifting the pelvis to the axis is a crop and ignores perspective, as published.
        """
        return (rays - rays[:, _ROOT, None]) / (self.config.root_depth * self.head_distance)

    def forward(self, pose_2d: Tensor) -> tuple[Tensor, Tensor]:
        """Lift normalised poses (B, 17, 2).

        Returns:
            Root-centred joints (B, 17, 3) in the camera frame, unit see the config, and the
            camera's elevation (B,) in radians.
        """
        hidden = self.shared(pose_2d.flatten(1))
        return self._joints(pose_2d, hidden), self.elevation_head(hidden)[:, 0]

    def joints(self, pose_2d: Tensor) -> Tensor:
        """Return the joints of `forward` alone, without the work for the elevation."""
        return self._joints(pose_2d, self.shared(pose_2d.flatten(1)))

    def project(self, joints: Tensor) -> Tensor:
        """Return the normalised poses (B, 17, 2) of root-centred joints (B, 17, 3)."""
        depth = joints[..., 2:] + self.config.root_depth
        return joints[..., :2] / depth.clamp(min=self.config.least_depth)

    def _joints(self, pose_2d: Tensor, hidden: Tensor) -> Tensor:
        offset = self.depth_head(hidden) * self.moves
        depth = (offset + self.config.root_depth).clamp(min=self.config.least_depth)[..., None]
        joints = torch.cat([pose_2d * depth, depth], dim=-1)
        return joints - joints[:, _ROOT, None]


class _Residual(nn.Module):
    """Two layers around which the input passes; the sum is activated once more."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.activation = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.second(self.activation(self.first(x))))
        return torch.as_tensor(self.activation(x + hidden))


def published_lift(
    lifter: ElePoseLifter,
) -> Callable[[Array, Array, Array | None], tuple[Array, Array]]:
    """Wrap a lifter as the evaluation calls it: (rays, scores, up_cam or None).

    It gives joints (N, 17, 3) in the camera frame, in units of the mean pelvis-head distance and
    at the place that the scale implies, and up_cam (N, 3). It raises InputError for a missing
    joint and where the true up direction is told: the published method knows neither.
    """

    def lift(rays: Array, scores: Array, up_cam: Array | None) -> tuple[Array, Array]:
        if up_cam is not None:
            raise InputError(
                'up is told; the published method cannot use it, expected its own estimate'
            )
        missing = np.argwhere(~np.isfinite(rays).all(-1) | (scores <= 0))
        if len(missing):
            row, joint = missing[0]
            raise InputError(
                f'pose {row} has no {H36M_17.joint_names[joint]}; '
                'the published method expects all 17 joints'
            )
        seen = torch.from_numpy(rays).to(lifter.head_distance.device)
        with torch.no_grad():
            joints, elevation = lifter(lifter.normalised(seen))
            root = torch.cat([seen[:, _ROOT], torch.ones_like(seen[:, _ROOT, :1])], dim=1)
            placed = joints + (root / lifter.head_distance)[:, None]
            up = up_from_elevation_and_roll(elevation, torch.zeros_like(elevation))
        return placed.cpu().numpy(), up.cpu().numpy()

    return lift
