# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluate a lifter on a PoseSet with 3D truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core import metrics
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.conditions import Conditions, View, view_of
from elepose_core.geometry.alignment import scale_aligned
from elepose_core.geometry.elevation import (
    angle_between,
    elevation_from_up_cam,
    roll_from_up_cam,
)

__all__ = [
    'Conditions',
    'Lift',
    'Lifts',
    'Measured',
    'evaluate',
    'measure',
    'summary',
]

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
# (rays, scores, up_cam or None) -> the fields of `Lifts` in their order, the last two optional;
# what a lifter says beyond them is not measured.
Lift = Callable[[Float32, Float32, Float32 | None], tuple[Float32 | None, ...]]


class Lifts(NamedTuple):
    """What a lifter says of N poses.

    Attributes:
        joints_cam: (N, 17, 3) camera frame, up to one factor per pose.
        up_cam: (N, 3) its own estimate of the direction against gravity; None where it has none.
        sigma: (N, 17) in the unit of the joints: the radius within which 68 % of the errors
            shall lie; None where the lifter gives none.
        plausibility: (N,) higher = more plausible; None where the lifter gives none.
    """

    joints_cam: Float32
    up_cam: Float32 | None
    sigma: Float32 | None = None
    plausibility: Float32 | None = None


@dataclass(frozen=True)
class Measured:
    """A lifter on a PoseSet, pose by pose.

    Attributes:
        poses: The set.
        view: What the lifter was given, and the truth in the same frame.
        lifts: What it said.
        pose_mm: (N, 17, 3) its joints, root-centred, scaled to the truth by least squares.
        target_mm: (N, 17, 3) the truth, root-centred.
        columns: Figures (N,) by name.
        error_in_sigmas: (N, 16) errors of all joints but the root, whose error is 0 by
            definition, as multiples of their sigma; None without a sigma.
    """

    poses: PoseSet
    view: View
    lifts: Lifts
    pose_mm: Array
    target_mm: Array
    columns: dict[str, Array]
    error_in_sigmas: Array | None


def evaluate(lift: Lift, poses: PoseSet, conditions: Conditions) -> dict[str, Any]:
    """Return the figures of the evaluation contract, with the same by action under 'by_action'.

    See `measure` for the arguments and the errors.
    """
    return summary(measure(lift, poses, conditions))


def measure(lift: Lift, poses: PoseSet, conditions: Conditions) -> Measured:
    """Lift the whole set and compare each pose with the truth.

    Args:
        lift: The lifter, from rays to joints in the camera frame. Joints that were hidden from it
            are compared like all others.
        poses: Needs `joints_cam_m`; without `elevation_rad` the angles are left out.
        conditions: See there.

    Raises:
        InputError: The set has no 3D truth or one with holes, or the true up is asked for and
            absent.
        ArithmeticError: The lifter gave something else than numbers.
    """
    _check(poses, conditions)
    view = view_of(poses, conditions)
    told = view.up_cam if conditions.up_known else None
    lifts = _lifts(
        lift(
            view.rays.astype(np.float32),
            view.scores,
            None if told is None else told.astype(np.float32),
        )
    )
    pose = metrics.root_centred(lifts.joints_cam.astype(np.float64))
    target = metrics.root_centred(view.joints_cam_m) * 1000
    aligned = scale_aligned(pose, target)
    errors_mm = metrics.joint_errors_mm(aligned, target)
    columns = _pose_columns(pose, target)
    if not (seen := view.scores > 0).all():
        count = np.maximum(seen.sum(1), 1)
        columns['n_mpjpe_seen_mm'] = (errors_mm * seen).sum(1) / count
    if view.up_cam is not None and lifts.up_cam is not None:
        columns |= _angle_columns(lifts.up_cam.astype(np.float64), view.up_cam, view.roll_rad)
    ratio = None
    if lifts.sigma is not None:
        sigma_mm = metrics.scaled_sigma_mm(pose, target, lifts.sigma.astype(np.float64))[:, 1:]
        ratio = errors_mm[:, 1:] / sigma_mm
        columns |= {'sigma_within': (ratio < 1).mean(1), 'sigma_mm': sigma_mm.mean(1)}
    return Measured(poses, view, lifts, aligned, target, columns, ratio)


def _check(poses: PoseSet, conditions: Conditions) -> None:
    if poses.joints_cam_m is None or not len(poses):
        raise InputError('the PoseSet has no joints_cam_m; expected 3D truth to evaluate against')
    if conditions.up_known and poses.elevation_rad is None:
        raise InputError('the PoseSet has no elevation_rad; expected it for a known up direction')
    for name in ('joints_cam_m', 'elevation_rad', 'roll_rad'):
        truth = getattr(poses, name)
        if truth is not None and (row := _first_not_finite(truth)) is not None:
            raise InputError(f'{name} is not finite in pose {row}; expected the whole truth')


def _lifts(values: tuple[Float32 | None, ...]) -> Lifts:
    """Name the values of a lifter and see that they are numbers."""
    lifts = Lifts(*values[: len(Lifts._fields)])  # type: ignore[arg-type]
    for name, value in zip(('joints', 'up', 'sigma', 'plausibility'), lifts, strict=True):
        if value is not None and (row := _first_not_finite(value)) is not None:
            raise ArithmeticError(f'the lifter gave no finite {name} for pose {row}')
    if lifts.sigma is not None and not (lifts.sigma > 0).all():
        raise ArithmeticError(f'the lifter gave a sigma of {lifts.sigma.min()}; expected > 0')
    return lifts


def _first_not_finite(array: NDArray[np.floating[Any]]) -> int | None:
    rows = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))
    return int(rows[0]) if len(rows) else None


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


def summary(measured: Measured) -> dict[str, Any]:
    """Return the mean figures of the whole set and, under 'by_action', of each action."""
    poses = measured.poses
    everything = _figures(measured, np.ones(len(poses), bool))
    if poses.action is not None:
        action = poses.action[poses.clip_index]
        everything['by_action'] = {
            str(name): _figures(measured, action == name) for name in np.unique(action)
        }
    return everything


def _figures(measured: Measured, rows: NDArray[np.bool_]) -> dict[str, Any]:
    clips, frames = measured.poses.clip_index[rows], measured.poses.frame_index[rows]
    result: dict[str, Any] = {'n': int(rows.sum())}
    for name, column in measured.columns.items():
        if name == 'elevation_error_deg':
            result |= _elevation_figures(column[rows], clips)
        else:
            result[name] = float(column[rows].mean())
    velocity = metrics.mpjve_mm(measured.pose_mm[rows], measured.target_mm[rows], clips, frames)
    result['mpjve_mm'] = velocity if np.isfinite(velocity) else None
    if measured.lifts.plausibility is not None:
        result['plausibility_correlation'] = metrics.rank_correlation(
            measured.lifts.plausibility[rows].astype(np.float64),
            measured.columns['n_mpjpe_mm'][rows],
        )
    return result


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
