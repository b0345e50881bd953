# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lift a PoseSet file: npz in, npz out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera
from elepose_core.offline.bodies import from_root, stored
from elepose_core.runtime.history import PoseHistory, windows_of_clips
from elepose_core.runtime.lifting import LiftingOptions, seen_joints
from elepose_core.runtime.placement import place_by_stature
from elepose_core.runtime.predictor import Lifted, Predictor
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
    poses: PoseSet,
    predictor: Predictor,
    options: LiftingOptions,
    assumed_camera: bool = False,
    has_tracks: bool = True,
) -> PoseSet:
    """Return the set with five more arrays under `extra`, all float32.

    `lifted_joints_cam_m` (N, 17, 3) metres, `lifted_sigma_m` (N, 17) metres, `lifted_up_cam`
    (N, 3), `lifted_root_cam_m` (N, 3) metres and `lifted_plausibility` (N,), as in `Skeleton3D`;
    NaN where the joint is missing or the pose has too few joints. Bodies, when they are asked for,
    come besides: see `bodies.stored`.

    A model that looks at several frames sees each pose with those of its clip before it.

    Args:
        poses: Any PoseSet.
        predictor: Model.
        options: Stature and score limits; tracking does not apply.
        assumed_camera: The intrinsics are only assumed.
        has_tracks: A clip is one person's; otherwise each pose is lifted by itself.

    Raises:
        InputError: A clip has several people and the model looks at several frames.
    """
    rays = poses.rays
    seen = seen_joints(rays, poses.scores, options)
    usable = np.asarray(seen.any(1))
    scores = np.where(seen, poses.scores, 0).astype(np.float32)
    clips = (poses.clip_index, poses.frame_index / poses.fps) if has_tracks else None
    lifts = _lifts(predictor, rays.astype(np.float32), scores, clips, options.with_vertices)
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
        if lifts.vertices_cam.shape[1]:
            body = str(predictor.manifest.body)
            vertices = np.full_like(lifts.vertices_cam, np.nan)
            vertices[rows] = lifts.vertices_cam[rows] * placed.scale[:, None, None]
            results |= stored(from_root(vertices, results['lifted_root_cam_m']), body)
    return replace(poses, extra={**poses.extra, **results})


def _lifts(
    predictor: Predictor,
    rays: NDArray[np.float32],
    scores: NDArray[np.float32],
    clips: tuple[NDArray[np.int64], NDArray[np.float64]] | None,
    with_vertices: bool,
) -> Lifted:
    """Lift poses, with those before them where the clips (N,) and times (N,) are known."""
    frames, fps = predictor.manifest.frames, predictor.manifest.fps
    if frames == 1 or clips is None or not len(rays):
        return predictor.lift(rays, scores, None, None, with_vertices)
    found: Lifted | None = None
    for rows, *shown in windows_of_clips(PoseHistory(frames, fps), *clips, rays, scores):
        part = predictor.lift(shown[0], shown[1], None, None, with_vertices)
        if found is None:
            found = Lifted(*(np.zeros((len(rays), *p.shape[1:]), np.float32) for p in part))
        for whole, values in zip(found, part, strict=True):
            whole[rows] = values
    assert found is not None
    return found
