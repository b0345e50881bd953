# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lift a PoseSet file: npz in, npz out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera
from elepose_core.runtime.lifting import LiftingOptions, seen_joints
from elepose_core.runtime.placement import place_by_stature
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17

__all__ = ['lift_poses', 'lifted']


def lift_poses(source: Path, out: Path, predictor: Predictor, options: LiftingOptions) -> None:
    """Lift every pose of a PoseSet by itself and write it with the result.

    Args:
        source: PoseSet npz.
        out: npz with the same keys and those of `lifted`.
        predictor: Model.
        options: Stature and score limits.
    """
    lifted(PoseSet.load(source), predictor, options).save(out)


def lifted(
    poses: PoseSet, predictor: Predictor, options: LiftingOptions, assumed_camera: bool = False
) -> PoseSet:
    """Return the set with three more arrays under `extra`.

    `lifted_joints_cam_m` (N, 17, 3) float32 metres, NaN where the joint is missing or the pose has
    too few joints; `lifted_up_cam` (N, 3) float32; `lifted_root_cam_m` (N, 3) float32.

    Args:
        poses: Any PoseSet.
        predictor: Model.
        options: Stature and score limits; tracking does not apply.
        assumed_camera: The intrinsics are only assumed.
    """
    rays = poses.rays
    seen = seen_joints(rays, poses.scores, options)
    usable = np.asarray(seen.any(1))
    scores = np.where(seen, poses.scores, 0).astype(np.float32)
    joints, up = predictor.lift(rays.astype(np.float32), scores)
    cameras = [
        Camera(matrix, int(width), int(height), assumed=assumed_camera)
        for matrix, (width, height) in zip(poses.camera_matrix, poses.image_size, strict=True)
    ]
    placed = np.full(joints.shape, np.nan, np.float32)
    for row in np.flatnonzero(usable):
        camera = cameras[poses.camera_index[row]]
        placed[row] = place_by_stature(joints[row], camera, options.stature_m).joints_cam_m
    root = placed[:, H36M_17.index('pelvis')].copy()
    missing: NDArray[np.bool_] = scores <= 0
    placed[missing] = np.nan
    up = np.where(usable[:, None], up, np.float32(np.nan))
    results = {
        'lifted_joints_cam_m': placed,
        'lifted_up_cam': up,
        'lifted_root_cam_m': root,
    }
    return replace(poses, extra={**poses.extra, **results})
