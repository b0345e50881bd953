# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From PoseSet files to what recipes learn from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import without_roll
from elepose_core.models.observation import observe
from elepose_core.training.sampling import Keypoints2D

__all__ = [
    'BONE_STRIDE',
    'LabelledPoses',
    'complete_poses',
    'facts_of_poses',
    'labelled_poses',
    'poses_for_bones',
]

# 29.97 and 30 frames per second are the same.
_SAME_RATE = 1.05
_ENOUGH_POSES = 1000
# Every n-th pose: bone ratios settle long before all are read.
BONE_STRIDE = 3


class LabelledPoses(NamedTuple):
    """Complete poses with their 3D truth.

    Attributes:
        seen: The poses in 2D.
        joints: (N, 17, 3) truth, metres, camera frame.
        elevation_rad: (N,) of the cameras, which have no roll.
    """

    seen: Keypoints2D
    joints: Tensor
    elevation_rad: Tensor


def complete_poses(data: Sequence[Path], least: int = _ENOUGH_POSES) -> Keypoints2D:
    """Read all files and keep the poses without a missing joint: they are the truth to learn.

    Raises:
        InputError: A file is no PoseSet, frame rates differ, or too few poses are complete.
    """
    return _joined(data, [PoseSet.load(path) for path in data], least)


def labelled_poses(data: Sequence[Path]) -> LabelledPoses:
    """Read all files and keep complete poses with their 3D truth, their cameras held level.

    Raises:
        InputError: See `complete_poses`; or a file has no 3D truth, or no camera elevation.
    """
    sets = [PoseSet.load(path) for path in data]
    joints, elevations, rolls = [], [], []
    for path, poses in zip(data, sets, strict=True):
        for name in ('joints_cam_m', 'elevation_rad', 'roll_rad'):
            truth = getattr(poses, name)
            if truth is None and name == 'roll_rad':
                continue  # level
            if truth is None or not np.isfinite(truth).all():
                kind = 'no' if truth is None else 'a not finite'
                raise InputError(f'{path} has {kind} {name}; expected the whole truth to learn')
        assert poses.joints_cam_m is not None
        assert poses.elevation_rad is not None
        complete = _complete(poses)
        roll = np.zeros(len(poses)) if poses.roll_rad is None else poses.roll_rad
        rolls.append(roll[complete])
        joints.append(poses.joints_cam_m[complete])
        elevations.append(torch.from_numpy(poses.elevation_rad[complete]))
    seen, rolled = _joined(data, sets), np.concatenate(rolls)
    level = without_roll(seen.rays.numpy(), rolled)
    truth_level = without_roll(np.concatenate(joints), rolled)
    return LabelledPoses(
        replace(seen, rays=torch.from_numpy(level.astype(np.float32))),
        torch.from_numpy(truth_level.astype(np.float32)),
        torch.cat(elevations),
    )


def facts_of_poses(data: Keypoints2D) -> dict[str, Any]:
    """Return what a run says of the poses it learned from."""
    return {'poses': len(data.rays), 'clips': data.clips, 'fps': data.fps}


def poses_for_bones(data: Keypoints2D) -> tuple[Tensor, Tensor]:
    """Return poses (M, 17, 2) in their virtual cameras, enough to estimate bones, and persons."""
    every = slice(None, None, BONE_STRIDE)
    rays = data.rays[every]
    return observe(rays, torch.ones(rays.shape[:2])).pose_2d, data.person[every]


def _complete(poses: PoseSet) -> NDArray[np.bool_]:
    whole = (poses.scores > 0).all(1) & np.isfinite(poses.keypoints_px).all((1, 2))
    return np.asarray(whole)


def _joined(
    data: Sequence[Path], sets: Sequence[PoseSet], least: int = _ENOUGH_POSES
) -> Keypoints2D:
    parts: list[tuple[NDArray[Any], ...]] = []
    clips = people = 0
    for poses in sets:
        complete = _complete(poses)
        found, clip = np.unique(poses.clip_index[complete], return_inverse=True)
        # Without names every clip shows somebody else.
        names = found if poses.subject is None else poses.subject[found]
        known, person = np.unique(names, return_inverse=True)
        rays = poses.rays[complete].astype(np.float32)
        parts.append((rays, clip + clips, poses.frame_index[complete], person[clip] + people))
        clips, people = clips + len(found), people + len(known)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(columns[0]) < least:
        files = ', '.join(str(path) for path in data)
        raise InputError(
            f'{files}: {len(columns[0])} poses have all joints; expected {least} or more'
        )
    tensors = [torch.from_numpy(column) for column in columns]
    rates = {path: poses.fps for path, poses in zip(data, sets, strict=True)}
    return Keypoints2D(tensors[0], tensors[1], tensors[2], tensors[3], _one_rate(rates))


def _one_rate(fps: dict[Path, float]) -> float:
    slow, fast = min(fps, key=fps.__getitem__), max(fps, key=fps.__getitem__)
    if fps[fast] > _SAME_RATE * fps[slow]:
        raise InputError(
            f'{slow} has {fps[slow]:g} frames per second and {fast} {fps[fast]:g}; expected one '
            'rate, since motion is learned by frames'
        )
    return fps[slow]
