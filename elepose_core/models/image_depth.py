# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Depths of the joints of a person from the picture alone, and the 3D pose with its keypoints."""

import math
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.models.backbones import picture_backbone
from elepose_core.models.observation import back_project, observe
from elepose_core.skeleton import H36M_17

__all__ = ['DepthSeen', 'ImageDepth', 'ImageDepthConfig', 'depth_offsets', 'placed_on_rays']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')
# Usual mean and deviation of a channel of a picture, 0..1.
_MEAN, _DEVIATION = 0.45, 0.25


class ImageDepthConfig(BaseModel):
    """A backbone of timm and what comes after it.

    `stage` is the backbone's stage whose map is taken, `channels` those that are left of each of
    its pixels, `width` the size of the layer that sees all of them, `side` that of the pictures.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    backbone: str = 'regnetx_002'
    stage: int = Field(2, ge=0, le=8)
    side: int = Field(64, ge=32, le=512)
    channels: int = Field(32, ge=1, le=1024)
    width: int = Field(256, ge=8, le=4096)


class ImageDepth(nn.Module):
    """Depth of each joint relative to the pelvis, in units of the person's angular size.

    That is the unit of `models.lifter`: a joint lies at 1 + depth * scale times the pelvis's
    depth in the virtual camera. The map of the backbone keeps its places, since where a limb is in
    the picture says which one it is.
    """

    def __init__(self, config: ImageDepthConfig) -> None:
        super().__init__()
        self.config = config
        # A CPU convolves half as fast again with the channels of a pixel side by side.
        self.backbone = picture_backbone(config.backbone, config.stage)
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        info: Any = self.backbone.feature_info
        cells = math.ceil(config.side / info.reduction()[0]) ** 2
        self.squeeze = nn.Conv2d(info.channels()[0], config.channels, 1)
        self.trunk = nn.Sequential(
            nn.Flatten(),
            nn.LayerNorm(config.channels * cells),
            nn.Linear(config.channels * cells, config.width),
            nn.LeakyReLU(),
        )
        self.depth_head = nn.Linear(config.width, _JOINTS)
        self.sigma_head = nn.Linear(config.width, _JOINTS)
        # Only pre-training asks for it.
        self.place_head = nn.Linear(config.width, 2 * _JOINTS)
        # Training starts from a flat person and a sigma of a usual size.
        for head in (self.depth_head, self.sigma_head):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.sigma_head.bias.fill_(-1.0)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Look at people.

        Args:
            crops: (B, 3, S, S) RGB 0..1, squares of `geometry.person_crop`.

        Returns:
            depth: (B, 17) relative to the pelvis, in units of the angular size.
            sigma: (B, 17) within which 68 % of its errors are expected, same unit.
        """
        hidden = self._seen(crops)
        depth = self.depth_head(hidden)
        sigma = torch.exp(self.sigma_head(hidden).clamp(-6.0, 2.0))
        return depth - depth[:, _ROOT, None], sigma

    def depth_and_places(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth (B, 17) and where joints are (B, 17, 2), edges at -1 and 1."""
        hidden = self._seen(crops)
        return self.depth_head(hidden), self.place_head(hidden).unflatten(1, (_JOINTS, 2))

    def _seen(self, crops: Tensor) -> Tensor:
        features = self.backbone((crops - _MEAN) / _DEVIATION)[0]
        return torch.as_tensor(self.trunk(self.squeeze(features)))


class DepthSeen(nn.Module):
    """What the bundle holds: `ImageDepth` with its sigma calibrated on pictures of val.

    Attributes:
        sigma_factor: (17,) from the network's sigma to the calibrated one.
    """

    sigma_factor: Tensor

    def __init__(self, network: ImageDepth) -> None:
        super().__init__()
        self.network = network
        self.register_buffer('sigma_factor', torch.ones(_JOINTS))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return depth and sigma; see `ImageDepth.forward`."""
        depth, sigma = self.network(crops)
        return depth, sigma * self.sigma_factor


def depth_offsets(joints_cam: Tensor, rays: Tensor) -> Tensor:
    """Return what `ImageDepth` should say (N, 17) of joints (N, 17, 3) seen along rays."""
    seen = observe(rays, torch.ones_like(rays[..., 0]))
    depth = (joints_cam * seen.rotation[:, 2][:, None]).sum(-1)
    return (depth / depth[:, _ROOT, None] - 1.0) / seen.scale[:, None]


def placed_on_rays(rays: Tensor, depth: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return joints (N, 17, 3) in the camera on their rays at depths of `ImageDepth`, and sigma.

    The pelvis lies at depth 1 of its virtual camera, as with `models.lifter`.
    """
    seen = observe(rays, torch.ones_like(rays[..., 0]))
    scale = seen.scale[:, None]
    joints = back_project(seen.pose_2d, 1.0 + depth * scale)
    return joints @ seen.rotation, sigma * scale
