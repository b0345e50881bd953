# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lift a PoseSet file: npz in, npz out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

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
    """Return the set with five more arrays under `extra`, all float32.

    `lifted_joints_cam_m` (N, 17, 3) metres, `lifted_sigma_m` (N, 17) metres, `lifted_up_cam`
    (N, 3), `lifted_root_cam_m` (N, 3) metres and `lifted_plausibility` (N,), as in `Skeleton3D`;
    NaN where the joint is missing or the pose has too few joints.

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
    lifts = predictor.lift(rays.astype(np.float32), scores)
    results = {
        'lifted_joints_cam_m': np.full((len(poses), len(H36M_17), 3), np.nan, np.float32),
        'lifted_sigma_m': np.full((len(poses), len(H36M_17)), np.nan, np.float32),
        'lifted_root_cam_m': np.full((len(poses), 3), np.nan, np.float32),
        'lifted_up_cam': np.where(usable[:, None], lifts.up_cam, np.float32(np.nan)),
        'lifted_plausibility': np.where(usable, lifts.plausibility, np.float32(np.nan)),
    }
    rows = np.flatnonzero(usable)
    if len(rows):
        # Whether it is assumed is all that counts of a camera here, and that is the same for all.
        first = poses.camera_index[rows[0]]
        width, height = (int(side) for side in poses.image_size[first])
        camera = Camera(poses.camera_matrix[first], width, height, assumed=assumed_camera)
        placed = place_by_stature(
            lifts.joints_cam[rows], lifts.sigma[rows], scores[rows] > 0, camera, options.stature_m
        )
        results['lifted_joints_cam_m'][rows] = placed.joints_cam_m
        results['lifted_sigma_m'][rows] = placed.sigma_m
        results['lifted_root_cam_m'][rows] = placed.root_cam_m
    return replace(poses, extra={**poses.extra, **results})
