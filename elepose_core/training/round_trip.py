# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lift, turn about up, project, lift again, turn back: what two views of one person must share."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from elepose_core import losses
from elepose_core.geometry.virtual_camera import azimuth_rotation
from elepose_core.models.observation import Observation, project
from elepose_core.priors.bones import bone_lengths

__all__ = [
    'NewView',
    'new_view',
    'relative_bone_lengths',
    'round_trip_terms',
    'turned',
    'view_after',
]


@dataclass(frozen=True)
class NewView:
    """A person seen anew after a turn about the pelvis.

    Attributes:
        observation: The new view; the pelvis stays on the axis at distance 1.
        turn: (B, 3, 3) the rotation.
    """

    observation: Observation
    turn: Tensor


def turned(joints: Tensor, turn: Tensor) -> Tensor:
    """Turn joints (B, 17, 3) about their pelvis by (B, 3, 3)."""
    root = joints[:, :1]
    return (joints - root) @ turn.transpose(1, 2) + root


def new_view(joints: Tensor, up: Tensor, azimuth_rad: Tensor) -> NewView:
    """Return the view of `joints` (B, 17, 3) after turning about `up` (B, 3).

    Height and distance of the camera stay: no distribution of elevations has to be guessed.
    """
    return view_after(joints, azimuth_rotation(up, azimuth_rad))


def view_after(joints: Tensor, turn: Tensor) -> NewView:
    """Return the view of `joints` (B, 17, 3) after a turn (B, 3, 3) about the pelvis."""
    pose_2d = project(turned(joints, turn))
    scale = torch.sqrt((pose_2d * pose_2d).sum(-1) + 1e-12).mean(1).clamp(min=1e-4)
    straight = torch.eye(3, device=joints.device).expand(len(joints), 3, 3)
    return NewView(Observation(pose_2d, torch.ones_like(pose_2d[..., 0]), scale, straight), turn)


def round_trip_terms(
    teacher: Callable[[Observation, Tensor], Tensor],
    first: Observation,
    joints: Tensor,
    up: Tensor,
    second: NewView,
) -> dict[str, Tensor]:
    """Return what speaks against `joints` when their new view is lifted and turned back.

    Args:
        teacher: Lifts the new view, told up.
        first: What the camera saw.
        joints: (B, 17, 3) what the teacher made of it, in the virtual camera.
        up: (B, 3) in the virtual camera.
        second: The new view of `joints`.

    Returns:
        Scalars 'reprojection', 'consistency_3d', 'pairwise_deformation', in units of the
        person's size.

    Source: ElePose, section 3.4.
    """
    again = teacher(second.observation, up)
    back = (again - again[:, :1]) @ second.turn
    scale = first.scale[:, None, None]
    relative, relative_again = (joints - joints[:, :1]) / scale, back / scale
    back_2d = project(back + joints[:, :1])
    return {
        'reprojection': losses.mean_distance(back_2d / scale, first.pose_2d / scale),
        'consistency_3d': losses.mean_distance(relative, relative_again),
        'pairwise_deformation': losses.pairwise_deformation_loss(relative, relative_again),
    }


def relative_bone_lengths(joints: Tensor) -> Tensor:
    """Return bone lengths (B, 16) of joints (B, 17, 3), divided by their mean."""
    lengths = bone_lengths(joints)
    return lengths / lengths.mean(1, keepdim=True)
