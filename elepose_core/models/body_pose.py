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


def _indices(*names: str) -> list[int]:
    return [H36M_17.index(name) for name in names]


# Arms, then legs: where each limb begins, bends and ends; the left one first.
_LIMBS = [
    _indices(*(f'{side}_{joint}' for joint in pair for side in ('left', 'right')))
    for pair in (('shoulder', 'hip'), ('elbow', 'knee'), ('wrist', 'ankle'))
]
# Which of root, loin and chest, then neck and collars, then the upper and the lower bones of the
# limbs gives the orientation of each bone.
_ROOT, _LOIN, _CHEST, _NECK, _COLLARS, _UPPER, _LOWER = 0, 1, 2, 3, 4, 6, 10
_COLLAR_BONES = [POSE_BONES.index(f'clavicle.{letter}') for letter in 'LR']
_SOURCES = {
    **{'root': _ROOT, 'spine05': _LOIN, 'spine03': _CHEST, 'spine01': _CHEST},
    **{'neck01': _NECK, 'head': _NECK, 'clavicle.L': _COLLARS, 'clavicle.R': _COLLARS + 1},
    **{
        f'{bone}.{letter}': first + limb
        for limb, letter in enumerate('LR')
        for bone, first in (
            ('upperarm01', _UPPER),
            ('lowerarm01', _LOWER),
            ('wrist', _LOWER),
            ('upperleg01', _UPPER + 2),
            ('lowerleg01', _LOWER + 2),
            ('foot', _LOWER + 2),
        )
    },
}


def pose_of_joints(joints: Tensor, shape: BodyShape, with_collars: bool = False) -> Tensor:
    """Return orientations (..., 20, 3, 3) with which a body takes the pose of joints.

    Directions of trunk, head and limbs are met exactly; lengths are the body's own. A limb is
    turned about itself as its bend shows; where it is straight, as little as can be. Hands go with
    forearms, feet with shanks, and the head looks where the chest does, for 17 joints do not show
    these.

    Args:
        joints: (..., 17, 3) layout H36M_17, camera frame, any unit, all finite.
        shape: The body; leading axes broadcast. Where the joints are not those of the mesh, add
            `BodyModel.joint_offset` to its joints before.
        with_collars: Turn the collar bones towards the shoulders, too, instead of with the chest;
            only where the joints are the body's, or it shrugs.
    """
    (trunk, neck, limbs), (own_trunk, own_neck, own_limbs) = (
        _directions(points) for points in (joints, shape.joints)
    )
    frames = _aligned(trunk, own_trunk)
    chest, root = frames[..., _CHEST, :, :], frames[..., _ROOT, :, :]
    head = _least_turned(neck, own_neck, chest)
    upper, lower = (limbs[..., half, :, :] for half in (0, 1))
    own_upper, own_lower = (own_limbs[..., half, :, :] for half in (0, 1))
    hinge = _hinges(own_upper, own_lower)
    # Arms bend against the chest, legs against the pelvis.
    base = torch.stack([chest, chest, root, root], dim=-3)
    unturned = _least_turned(upper, own_upper, base) @ hinge[..., None]
    about = _cross(upper, lower) + _STRAIGHT * unturned[..., 0]
    bones = [
        _aligned(torch.stack([way, about], -2), torch.stack([own, hinge], -2))
        for way, own in ((upper, own_upper), (lower, own_lower))
    ]
    collars = torch.stack([chest, chest], dim=-3)
    if with_collars:
        collars = _collars(joints, shape, collars)
    found = torch.cat([frames, head[..., None, :, :], collars, *bones], dim=-3)
    sources = torch.tensor([_SOURCES[name] for name in POSE_BONES], device=found.device)
    return torch.index_select(found, -3, sources)


def _directions(joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return unit vectors of joints (..., 17, 3).

    Returns:
        Two each of root, loin and chest (..., 3, 2, 3), that which counts first; neck (..., 3);
        upper and lower halves (..., 2, 4, 3) of the limbs.
    """

    def way(start: str, end: str) -> Tensor:
        first, last = _indices(start, end)
        return _unit(joints[..., last, :] - joints[..., first, :])

    hips, shoulders = (way(f'right_{joint}', f'left_{joint}') for joint in ('hip', 'shoulder'))
    loin, back = way('pelvis', 'spine'), way('spine', 'thorax')
    pairs = ((hips, loin), (loin, hips + shoulders), (back, shoulders))
    trunk = torch.stack([torch.stack(pair, dim=-2) for pair in pairs], dim=-3)
    place = [joints[..., limb, :] for limb in _LIMBS]
    limbs = torch.stack([_unit(place[1] - place[0]), _unit(place[2] - place[1])], dim=-3)
    return trunk, way('thorax', 'head_top'), limbs


def _collars(joints: Tensor, shape: BodyShape, chest: Tensor) -> Tensor:
    """Return orientations (..., 2, 3, 3) of collar bones that point to the shoulders."""
    bones = shape.bones[..., _COLLAR_BONES, :]
    shoulders, thorax = _LIMBS[0][:2], [H36M_17.index('thorax')]
    size = _extent(joints) / _extent(shape.joints)
    arm = bones - shape.joints[..., thorax, :]
    start = joints[..., thorax, :] + size[..., None, None] * (chest @ arm[..., None])[..., 0]
    way, own = joints[..., shoulders, :] - start, shape.joints[..., shoulders, :] - bones
    return _least_turned(way, own, chest)


def _extent(joints: Tensor) -> Tensor:
    """Return the mean length (...) of the bones of joints (..., 17, 3)."""
    parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    bones = joints[..., children, :] - joints[..., parents, :]
    return torch.sqrt((bones * bones).sum(-1) + 1e-12).mean(-1)


def _hinges(upper: Tensor, lower: Tensor) -> Tensor:
    """Return about what limbs (..., 4, 3) of the body at rest bend.

    Its arms are bent a little. A knee bends about the axis to the body's left, which its straight
    legs do not show.
    """
    arms = _unit(_cross(upper, lower))[..., :2, :]
    left = arms.new_tensor([1.0, 0.0, 0.0]).expand_as(arms)
    return torch.cat([arms, left], dim=-2)


def _least_turned(way: Tensor, own: Tensor, base: Tensor) -> Tensor:
    """Return the orientation next to `base` that takes direction `own` to `way`."""
    return shortest_rotation((base @ own[..., None])[..., 0], way) @ base


def _aligned(seen: Tensor, own: Tensor) -> Tensor:
    """Return the rotations that take the first of two directions (..., 2, 3) to that seen.

    The second comes as near to that seen as it can.
    """
    frames = rotation_from_columns(seen.flatten(-2)), rotation_from_columns(own.flatten(-2))
    return frames[0] @ frames[1].transpose(-1, -2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return (skew(a) @ b[..., None])[..., 0]


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.sqrt((vectors * vectors).sum(-1, keepdim=True).clamp(min=1e-12))
