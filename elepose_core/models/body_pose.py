# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Orientations of the body model's bones from 17 joints, in closed form."""

import torch
from torch import Tensor

from elepose_core.body.data import POSE_BONES
from elepose_core.models.body import BodyShape
from elepose_core.models.rotations import rotation_from_columns, shortest_rotation, skew
from elepose_core.skeleton import H36M_17

__all__ = ['pose_of_joints']

# How much the unturned limb counts against the plane of its bend (sine of the angle).
_STRAIGHT = 0.15


def pose_of_joints(joints: Tensor, shape: BodyShape) -> Tensor:
    """Return orientations (..., 20, 3, 3) with which a body takes the pose of joints.

    Directions of trunk, head and limbs are met exactly; lengths are the body's own. A limb is
    turned about itself as its bend shows; where it is straight, as little as can be. Collar bones
    go with the chest, hands with forearms, feet with shanks, and the head looks where the chest
    does, for 17 joints do not show these.

    Args:
        joints: (..., 17, 3) layout H36M_17, camera frame, any unit, all finite.
        shape: The body; leading axes broadcast. Where the joints are not those of the mesh, add
            `BodyModel.joint_offset` to its joints before.
    """
    seen, rest = _Joints(joints), _Joints(shape.joints)
    found: dict[str, Tensor] = {}
    hips, own_hips = seen.axis('hip'), rest.axis('hip')
    loin, own_loin = seen.way('pelvis', 'spine'), rest.way('pelvis', 'spine')
    found['root'] = _aligned(hips, loin, own_hips, own_loin)
    shoulders, own_shoulders = seen.axis('shoulder'), rest.axis('shoulder')
    found['spine05'] = _aligned(loin, hips + shoulders, own_loin, own_hips + own_shoulders)
    back, own_back = seen.way('spine', 'thorax'), rest.way('spine', 'thorax')
    chest = _aligned(back, shoulders, own_back, own_shoulders)
    found['spine03'] = found['spine01'] = chest
    neck = seen.way('thorax', 'head_top'), rest.way('thorax', 'head_top')
    found['neck01'] = found['head'] = _least_turned(*neck, chest)
    for side, letter in (('left', 'L'), ('right', 'R')):
        found[f'clavicle.{letter}'] = chest
        arm = [f'{side}_{joint}' for joint in ('shoulder', 'elbow', 'wrist')]
        upper, lower = rest.way(*arm[:2]), rest.way(*arm[1:])
        hinge = _unit(_cross(upper, lower))
        pair = _limb(seen, rest, arm, hinge, chest)
        found[f'upperarm01.{letter}'], found[f'lowerarm01.{letter}'] = pair
        found[f'wrist.{letter}'] = pair[1]
        leg = [f'{side}_{joint}' for joint in ('hip', 'knee', 'ankle')]
        # A knee bends about the axis to the body's left, which straight legs do not show.
        hinge = own_hips.new_tensor([1.0, 0.0, 0.0]).expand_as(own_hips)
        pair = _limb(seen, rest, leg, hinge, found['root'])
        found[f'upperleg01.{letter}'], found[f'lowerleg01.{letter}'] = pair
        found[f'foot.{letter}'] = pair[1]
    # All broadcast against the joints; some may not have met the shape's axes.
    size = (found['root'] + found['head']).shape
    return torch.stack([found[name].expand(size) for name in POSE_BONES], dim=-3)


class _Joints:
    """Unit vectors between the joints of poses (..., 17, 3)."""

    def __init__(self, joints: Tensor) -> None:
        self.joints = joints

    def way(self, start: str, end: str) -> Tensor:
        """Return the direction (..., 3) from one joint to another."""
        first, last = H36M_17.index(start), H36M_17.index(end)
        return _unit(self.joints[..., last, :] - self.joints[..., first, :])

    def axis(self, joint: str) -> Tensor:
        """Return the direction from the right to the left one."""
        return self.way(f'right_{joint}', f'left_{joint}')


def _limb(
    seen: _Joints, rest: _Joints, joints: list[str], hinge: Tensor, trunk: Tensor
) -> tuple[Tensor, Tensor]:
    """Return orientations of the two bones of a limb, which bends about `hinge` at rest."""
    root, middle, end = joints
    upper, lower = seen.way(root, middle), seen.way(middle, end)
    own_upper, own_lower = rest.way(root, middle), rest.way(middle, end)
    unturned = _least_turned(upper, own_upper, trunk) @ hinge[..., None]
    about = _cross(upper, lower) + _STRAIGHT * unturned[..., 0]
    first = _aligned(upper, about, own_upper, hinge)
    return first, _aligned(lower, about, own_lower, hinge)


def _least_turned(way: Tensor, own: Tensor, trunk: Tensor) -> Tensor:
    """Return the orientation next to the trunk's that takes direction `own` to `way`."""
    return shortest_rotation((trunk @ own[..., None])[..., 0], way) @ trunk


def _aligned(first: Tensor, second: Tensor, own_first: Tensor, own_second: Tensor) -> Tensor:
    """Return the rotation that takes `own_first` to `first` and `own_second` next to `second`."""
    seen = rotation_from_columns(torch.cat([first, second], dim=-1))
    own = rotation_from_columns(torch.cat([own_first, own_second], dim=-1))
    return seen @ own.transpose(-1, -2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return (skew(a) @ b[..., None])[..., 0]


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.sqrt((vectors * vectors).sum(-1, keepdim=True).clamp(min=1e-12))
