# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joint angles of ROS4HRI's human model from lifted joints, for all people at once.

The model's kinematics, read off human_description's human-tpl.xacro: the body's frame lies at the
pelvis, x out of the chest, y to the left, z towards the head; all links are parallel to it when
all angles are 0, with arms and legs hanging down along -z. Each limb is a chain of turns about the
axes below, in this order from the trunk outwards; s is 1 on the left and -1 on the right.

    torso     waist y
    head      r_head x, y_head z, p_head -y          after the torso
    arm       y_shoulder -s z, p_shoulder s x, r_shoulder s z, elbow -y      after the torso
    leg       y_hip -z, p_hip s x, r_hip -y, knee -y         after the body
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.runtime.vectors import cross
from elepose_core.skeleton import H36M_17

__all__ = ['ANGLE_NAMES', 'BodyAngles', 'body_angles']

Array = NDArray[np.float64]

ANGLE_NAMES = (
    'waist',
    *('r_head', 'y_head', 'p_head'),
    *(f'{side}_{part}' for side in 'lr' for part in ('y_shoulder', 'p_shoulder', 'r_shoulder')),
    *(f'{side}_elbow' for side in 'lr'),
    *(f'{side}_{part}' for side in 'lr' for part in ('y_hip', 'p_hip', 'r_hip')),
    *(f'{side}_knee' for side in 'lr'),
)
# A limb bent by less than 3 degrees shows no plane: noise would turn it about itself.
_LEAST_BEND = 0.05
# An arm that hangs this far to the inside still counts as hanging, not as lifted to the back.
_HANGING_RAD = 0.4
_PELVIS, _SPINE = H36M_17.index('pelvis'), H36M_17.index('spine')
_THORAX, _HEAD = H36M_17.index('thorax'), H36M_17.index('head_top')


def _indices(*parts: str) -> list[list[int]]:
    return [[H36M_17.index(f'{side}_{part}') for side in ('left', 'right')] for part in parts]


_ARMS = _indices('shoulder', 'elbow', 'wrist')
_LEGS = _indices('hip', 'knee', 'ankle')
_SIDE = np.array([1.0, -1.0])  # s of the left and the right limb


@dataclass(frozen=True)
class BodyAngles:
    """Bodies of the model.

    Attributes:
        camera_from_body: (N, 3, 3) rotation of the body's frame; NaN where hips or spine are not
            known.
        angles_rad: (N, 20) in the order of `ANGLE_NAMES`; NaN where a joint that an angle rests on
            is not known. The model's limits are not applied.
    """

    camera_from_body: Array
    angles_rad: Array


def body_angles(joints: NDArray[np.floating[Any]]) -> BodyAngles:
    """Fit the model's angles to joints.

    Directions of arms, legs and head are met exactly, but for three things. The trunk bends
    forward only, not sideways. A limb that is bent by less than 3 degrees does not show how it is
    turned about itself: an arm is then taken to be unturned, a leg as little turned as can be, and
    so is a leg whose ankle is not known; an arm's turn is NaN where its wrist is not. The head's
    turn to the side is not to be seen from 17 joints: `y_head` is 0, as if everybody looked where
    the chest points.

    Args:
        joints: (N, 17, 3) layout H36M_17, camera frame, any unit; NaN = unknown.

    Source: the chains of urdf/human-tpl.xacro of ros4hri/human_description@3012ada (REP 155).
        Differs: hri_fullbody@2a6c477 fits the angles of a limb to its end alone, by numeric
        optimisation, and holds waist and head at 0; here elbow and knee are met, too.
    """
    points = joints.astype(np.float64)
    with np.errstate(invalid='ignore', divide='ignore'):
        camera_from_body = _body_rotation(points)
        local = (points - points[:, :1]) @ camera_from_body
        waist = np.arctan2(local[:, _THORAX, 0], local[:, _THORAX, 2])
        torso = _turned(local, -waist[:, None], 1)
        head = _head(_unit(torso[:, _HEAD] - torso[:, _THORAX]))
        arms = _arms(*_halves(torso, _ARMS))
        legs = _legs(*_halves(local, _LEGS))
    columns = [
        *(waist[None], head),
        *(part for limbs in (arms, legs) for part in (limbs[:3, 0], limbs[:3, 1], limbs[3])),
    ]
    return BodyAngles(camera_from_body, np.concatenate(columns).T)


def _body_rotation(points: Array) -> Array:
    """Return axes (N, 3, 3) as columns: y along the hips, z up the lower trunk."""
    left, right = _LEGS[0]
    y = _unit(points[:, left] - points[:, right])
    up = points[:, _SPINE] - points[:, _PELVIS]
    z = _unit(up - (up * y).sum(-1, keepdims=True) * y)
    return np.stack([cross(y, z), y, z], -1)


def _halves(points: Array, limb: list[list[int]]) -> tuple[Array, Array]:
    """Return directions (2, N, 3) of the upper and the lower half of the left and right limb."""
    root, middle, end = (points[:, joints].swapaxes(0, 1) for joints in limb)
    return _unit(middle - root), _unit(end - middle)


def _head(way: Array) -> Array:
    """Return roll, yaw and pitch (3, N) of a head that lies in a direction from the neck."""
    roll = np.arctan2(-way[:, 1], way[:, 2])
    return np.stack([roll, 0.0 * roll, np.arcsin(np.clip(-way[:, 0], -1, 1))])


def _arms(upper: Array, lower: Array) -> Array:
    """Return yaw, lift, roll and elbow (4, 2, N)."""
    s = _SIDE[:, None]
    # upper = (sin y sin p, s cos y sin p, -cos p)
    lift = np.arccos(np.clip(-upper[..., 2], -1, 1))
    yaw = np.arctan2(upper[..., 0], s * upper[..., 1])
    # Both signs of the lift give this direction; this one keeps hanging arms from flipping.
    inside = (np.abs(yaw) > np.pi / 2) & (lift < _HANGING_RAD)
    yaw = np.where(inside, yaw - np.copysign(np.pi, yaw), yaw)
    lift = np.where(inside, -lift, lift)
    # lower, seen from the upper arm = (cos(s r) sin e, sin(s r) sin e, -cos e)
    seen = _turned(_turned(lower, s * yaw, 2), -s * lift, 0)
    elbow = np.arccos(np.clip(-seen[..., 2], -1, 1))
    roll = s * np.arctan2(seen[..., 1], seen[..., 0])
    return np.stack([yaw, lift, np.where(elbow < _LEAST_BEND, 0.0, roll), elbow])


def _legs(upper: Array, lower: Array) -> Array:
    """Return yaw, lift, forward swing and knee (4, 2, N)."""
    s = _SIDE[:, None]
    # Both halves lie in a plane whose normal is (sin y cos p, cos y cos p, s sin p).
    normal = cross(upper, lower)
    bend = np.linalg.norm(normal, axis=-1, keepdims=True)
    # Without a plane: the normal that is nearest to the line of the hips.
    unturned = np.array([0.0, 1.0, 0.0]) - upper[..., 1:2] * upper
    normal = _unit(np.where(bend >= _LEAST_BEND, normal, unturned))
    # A knee bends one way; if noise bends it the other, the knee's sign says so, not the hip.
    normal = np.where(normal[..., 1:2] < 0, -normal, normal)
    lift = np.arcsin(np.clip(s * normal[..., 2], -1, 1))
    yaw = np.arctan2(normal[..., 0], normal[..., 1])
    swing, shank = (
        np.arctan2(seen[..., 0], -seen[..., 2])
        for seen in (_turned(_turned(way, yaw, 2), -s * lift, 0) for way in (upper, lower))
    )
    return np.stack([yaw, lift, swing, (shank - swing + np.pi) % (2 * np.pi) - np.pi])


def _turned(vectors: Array, angle: Array, axis: int) -> Array:
    """Return vectors (..., 3), each turned about a coordinate axis by an angle (...)."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle), np.sin(angle)
    turned = vectors.copy()
    turned[..., first] = cos * vectors[..., first] - sin * vectors[..., second]
    turned[..., second] = sin * vectors[..., first] + cos * vectors[..., second]
    return turned


def _unit(vectors: Array) -> Array:
    """Return vectors at length 1; NaN where they have none."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, np.nan))
