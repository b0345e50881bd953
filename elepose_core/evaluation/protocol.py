# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a lifter on a PoseSet with 3D truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core import metrics
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import (
    angle_between,
    elevation_from_up_cam,
    roll_from_up_cam,
    up_cam_from_elevation,
)

__all__ = ['Conditions', 'Lift', 'evaluate']

Array = NDArray[np.float64]
# (rays, scores, up_cam or None) -> (joints (N, 17, 3), up_cam (N, 3)), camera frame, any scale
Lift = Callable[
    [NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None],
    tuple[NDArray[np.float32], NDArray[np.float32]],
]


@dataclass(frozen=True)
class Conditions:
    """What makes the test harder or easier.

    Attributes:
        max_missing: Up to this many random joints of each pose are hidden.
        noise_px: Standard deviation of Gaussian noise on each coordinate, pixels.
        roll_deg: Each clip's image is turned about its principal point by a random angle within
            +- this; the truth turns with it.
        up_known: The lifter is told the true up direction.
        seed: Of everything random.
    """

    max_missing: int = 0
    noise_px: float = 0.0
    roll_deg: float = 0.0
    up_known: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.max_missing <= 11:
            raise InputError(f'max_missing is {self.max_missing}; expected 0..11 of 17 joints')
        if not 0 <= self.noise_px < 1e4 or not 0 <= self.roll_deg <= 180:
            raise InputError(
                f'noise_px is {self.noise_px} and roll_deg {self.roll_deg}; '
                'expected noise >= 0 and a roll of 0..180'
            )
        if self.seed < 0:
            raise InputError(f'seed is {self.seed}; expected 0 or more')


def evaluate(lift: Lift, poses: PoseSet, conditions: Conditions) -> dict[str, Any]:
    """Return the figures of the evaluation contract, with the same by action under 'by_action'.

    Args:
        lift: The lifter, from rays to joints in the camera frame.
        poses: Needs `joints_cam_m`; without `elevation_rad` the angles are left out.
        conditions: See there.

    Raises:
        InputError: The set has no 3D truth or one with holes, or the true up is asked for and
            absent.
        ArithmeticError: The lifter gave something else than numbers.
    """
    if poses.joints_cam_m is None or not len(poses):
        raise InputError('the PoseSet has no joints_cam_m; expected 3D truth to evaluate against')
    if conditions.up_known and poses.elevation_rad is None:
        raise InputError('the PoseSet has no elevation_rad; expected it for a known up direction')
    for name in ('joints_cam_m', 'elevation_rad'):
        truth = getattr(poses, name)
        if truth is not None and (row := _first_not_finite(truth)) is not None:
            raise InputError(f'{name} is not finite in pose {row}; expected the whole truth')
    rays, truth_m, up_true, roll = _turned(poses, conditions)
    rays, scores = _spoilt(rays, poses, conditions)
    told = up_true.astype(np.float32) if conditions.up_known and up_true is not None else None
    joints, up = lift(rays.astype(np.float32), scores, told)
    if (row := _first_not_finite(joints)) is not None:
        raise ArithmeticError(f'the lifter gave no finite joints for pose {row}')
    target = metrics.root_centred(truth_m) * 1000
    columns = _pose_columns(metrics.root_centred(joints.astype(np.float64)), target)
    if up_true is not None:
        columns |= _angle_columns(up.astype(np.float64), up_true, roll)
    return _summary(columns, joints, target, poses)


def _first_not_finite(array: NDArray[np.floating[Any]]) -> int | None:
    rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))
    return int(rows[0]) if len(rows) else None


def _turned(poses: PoseSet, conditions: Conditions) -> tuple[Array, Array, Array | None, Array]:
    """Turn each clip's image about its principal point; returns rays, joints, up and roll."""
    random = np.random.default_rng(conditions.seed)
    clips, position = np.unique(poses.clip_index, return_inverse=True)
    limit = np.radians(conditions.roll_deg)
    roll = random.uniform(-limit, limit, len(clips))[position]
    cosine, sine = np.cos(roll), np.sin(roll)
    # The camera rolls clockwise: what it sees turns the other way.
    turn = np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], axis=-2)
    assert poses.joints_cam_m is not None
    joints = poses.joints_cam_m.astype(np.float64)
    flat = np.einsum('nab,njb->nja', turn, joints[..., :2])
    joints = np.concatenate([flat, joints[..., 2:]], axis=-1)
    rays = np.einsum('nab,njb->nja', turn, poses.rays)
    if poses.elevation_rad is None:
        return rays, joints, None, roll
    return rays, joints, up_cam_from_elevation(poses.elevation_rad, roll), roll


def _spoilt(
    rays: Array, poses: PoseSet, conditions: Conditions
) -> tuple[Array, NDArray[np.float32]]:
    """Add detector noise and hide joints."""
    random = np.random.default_rng(conditions.seed + 1)
    focal = poses.camera_matrix[poses.camera_index][:, [0, 1], [0, 1]]
    noise = random.normal(size=rays.shape) * conditions.noise_px / focal[:, None, :]
    scores = poses.scores.copy()
    if conditions.max_missing:
        count = random.integers(0, conditions.max_missing + 1, len(rays))
        rank = random.random(scores.shape).argsort(1).argsort(1)
        scores[rank < count[:, None]] = 0.0
    noisy = np.where(scores[..., None] > 0, rays + noise, np.nan)
    return noisy, scores


def _pose_columns(pose: Array, target: Array) -> dict[str, Array]:
    pck, auc = metrics.pck_and_auc(pose, target)
    return {
        'n_mpjpe_mm': metrics.n_mpjpe_mm(pose, target),
        'n_mpjpe_norm_mm': metrics.n_mpjpe_norm_mm(pose, target),
        'pa_mpjpe_mm': metrics.pa_mpjpe_mm(pose, target),
        'pa_mpjpe_reflective_mm': metrics.pa_mpjpe_mm(pose, target, reflection=True),
        'flip_rate': metrics.is_flipped(pose, target).astype(np.float64),
        'pck150': pck,
        'auc': auc,
        'cps': metrics.correct_pose_score(pose, target),
    }


def _angle_columns(up: Array, up_true: Array, roll: Array) -> dict[str, Array]:
    return {
        'elevation_error_deg': np.degrees(
            elevation_from_up_cam(up) - elevation_from_up_cam(up_true)
        ),
        'roll_mae_deg': np.degrees(np.abs(_wrapped(roll_from_up_cam(up) - roll))),
        'up_mae_deg': np.degrees(angle_between(up, up_true)),
    }


def _wrapped(angle: Array) -> Array:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _summary(
    columns: dict[str, Array], joints: NDArray[np.float32], target: Array, poses: PoseSet
) -> dict[str, Any]:
    pose = metrics.root_centred(joints.astype(np.float64))

    def figures(rows: NDArray[np.bool_]) -> dict[str, Any]:
        result: dict[str, Any] = {'n': int(rows.sum())}
        for name, column in columns.items():
            if name == 'elevation_error_deg':
                result |= _elevation_figures(column[rows], poses.clip_index[rows])
            else:
                result[name] = float(column[rows].mean())
        velocity = metrics.mpjve_mm(
            pose[rows], target[rows], poses.clip_index[rows], poses.frame_index[rows]
        )
        result['mpjve_mm'] = velocity if np.isfinite(velocity) else None
        return result

    everything = figures(np.ones(len(poses), bool))
    if poses.action is not None:
        action = poses.action[poses.clip_index]
        everything['by_action'] = {
            str(name): figures(action == name) for name in np.unique(action)
        }
    return everything


def _elevation_figures(error_deg: Array, clip_index: NDArray[np.int64]) -> dict[str, float]:
    """Elevation belongs to the camera: the clip figure is the error of each clip's mean."""
    _, position = np.unique(clip_index, return_inverse=True)
    clip_mean = np.bincount(position, error_deg) / np.bincount(position)
    return {
        'elevation_mae_deg': float(np.abs(error_deg).mean()),
        'elevation_median_deg': float(np.median(np.abs(error_deg))),
        'elevation_bias_deg': float(error_deg.mean()),
        'elevation_clip_mae_deg': float(np.abs(clip_mean).mean()),
    }
