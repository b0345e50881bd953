# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Where missing joints would be seen, so that the lifter always sees a whole person."""

import torch
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import image_turn, rotated_rays
from elepose_core.models.observation import Observation, ResidualTrunk, observe_whole
from elepose_core.skeleton import H36M_17

__all__ = ['Completion', 'assumed_roll', 'whole']

_JOINTS = len(H36M_17)
# Cameras are mounted level within ten degrees or so, rad^2.
_USUAL_ROLL_VARIANCE = 0.03


class Completion(nn.Module):
    """The keypoints that are missing, given those that are not, of people who are not rolled."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.trunk = ResidualTrunk(3 * _JOINTS + 1, width, blocks)
        self.head = nn.Linear(width, 2 * _JOINTS)
        # Training starts with every missing joint on the axis.
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)

    def forward(self, seen: Observation, roll_rad: Tensor) -> Tensor:
        """Return all keypoints (B, 17, 2) in the virtual camera, the visible ones as they are.

        Args:
            seen: What the virtual camera sees.
            roll_rad: (B,) that is assumed of it; the network sees the image turned upright.
        """
        turn = image_turn(roll_rad)
        hidden = self.trunk(_features(seen, seen.pose_2d @ turn))
        guess = self.head(hidden).reshape(-1, _JOINTS, 2) * seen.scale[:, None, None]
        guess = guess @ turn.transpose(1, 2)
        return torch.where(seen.visible[..., None] > 0, seen.pose_2d, guess)


def whole(seen: Observation, pose_2d: Tensor) -> Observation:
    """Return the observation of completed keypoints (B, 17, 2), aimed at their pelvis."""
    rays = rotated_rays(pose_2d, seen.rotation.transpose(1, 2))
    return observe_whole(rays, seen.visible)


def assumed_roll(told_rad: Tensor, variance: Tensor) -> Tensor:
    """Return the roll (B,) to expect of a camera that seldom rolls and is said to roll so.

    Args:
        told_rad: (B,) roll in the virtual camera; any finite angle if unknown.
        variance: (B,) of it, rad^2: 0 = certain, infinite = unknown.
    """
    return told_rad * (_USUAL_ROLL_VARIANCE / (_USUAL_ROLL_VARIANCE + variance))


def _features(seen: Observation, pose_2d: Tensor) -> Tensor:
    """Return (B, 52): scaled visible joints, mask, logarithm of the angular size."""
    scaled = pose_2d * seen.visible[..., None] / seen.scale[:, None, None]
    return torch.cat([scaled.flatten(1), seen.visible, torch.log(seen.scale)[:, None]], dim=1)
