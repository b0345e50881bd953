# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Strict pose metrics. Poses are (N, 17, 3) root-centred in millimetres unless said otherwise."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from elepose_core.geometry.alignment import scale_aligned, similarity_aligned
from elepose_core.skeleton import H36M_17

__all__ = [
    'FLIP_MM',
    'correct_pose_score',
    'is_flipped',
    'joint_errors_mm',
    'mpjve_mm',
    'n_mpjpe_mm',
    'n_mpjpe_norm_mm',
    'pa_mpjpe_mm',
    'pck_and_auc',
    'rank_correlation',
    'root_centred',
    'scaled_sigma_mm',
]

Array = NDArray[np.float64]

FLIP_MM = 20.0
# MPI-INF-3DHP scores 14 joints; pelvis, spine and neck/nose are left out.
_SCORED_14 = [
    i for i, n in enumerate(H36M_17.joint_names) if n not in ('pelvis', 'spine', 'neck_nose')
]


def root_centred(pose: Array) -> Array:
    """Shift poses (..., 17, 3) so that the pelvis is the origin."""
    root = H36M_17.index('pelvis')
    return pose - pose[..., root : root + 1, :]


def joint_errors_mm(pose: Array, target: Array) -> Array:
    """Return the distance (..., 17) of each joint from its target."""
    return np.asarray(np.linalg.norm(pose - target, axis=-1))


def n_mpjpe_mm(pose: Array, target: Array) -> Array:
    """Return the mean joint error (N,) after least-squares scaling of each pose."""
    return np.asarray(joint_errors_mm(scale_aligned(pose, target), target).mean(-1))


def n_mpjpe_norm_mm(pose: Array, target: Array) -> Array:
    """Return the mean joint error (N,) after scaling by the ratio of norms; for comparison only.

    Source: evaluation of ElePose. Slightly worse than least squares.
    """
    norm = np.linalg.norm(pose, axis=(-2, -1), keepdims=True)
    goal = np.linalg.norm(target, axis=(-2, -1), keepdims=True)
    scaled = pose * (goal / np.where(norm > 0, norm, 1.0))
    return np.asarray(joint_errors_mm(scaled, target).mean(-1))


def pa_mpjpe_mm(pose: Array, target: Array, reflection: bool = False) -> Array:
    """Return the mean joint error (N,) after similarity alignment; strict without reflection."""
    aligned = similarity_aligned(pose, target, reflection)
    return np.asarray(joint_errors_mm(aligned, target).mean(-1))


def is_flipped(pose: Array, target: Array) -> NDArray[np.bool_]:
    """Tell (N,) whether a mirror image would fit better by more than `FLIP_MM`."""
    strict, reflective = pa_mpjpe_mm(pose, target), pa_mpjpe_mm(pose, target, reflection=True)
    return strict - reflective > FLIP_MM


def pck_and_auc(pose: Array, target: Array) -> tuple[Array, Array]:
    """Return per pose the share of correct joints at 150 mm and its mean over 0, 5, ..., 150 mm.

    Joints are the 14 of MPI-INF-3DHP, after least-squares scaling (N-PCK), strictly below the
    threshold, so that 0 mm counts as 0.
    """
    errors = joint_errors_mm(scale_aligned(pose, target), target)[:, _SCORED_14]
    thresholds = np.arange(0.0, 151.0, 5.0)
    by_threshold = (errors[:, :, None] < thresholds).mean(1)
    return by_threshold[:, -1], by_threshold.mean(1)


def correct_pose_score(pose: Array, target: Array) -> Array:
    """Return (N,) the score whose mean is CPS: mm of 0..300 at which all joints are correct.

    Source: Wandt et al., correct poses score: share of poses whose joints all lie within theta
        after Procrustes alignment, integrated over theta = 0..300 mm in steps of 1 mm.
        Differs: the released code leaves the alignment out; here it is in, without reflection.
    """
    worst = joint_errors_mm(similarity_aligned(pose, target), target).max(-1)
    thresholds = np.arange(0.0, 301.0)
    return np.asarray((worst[:, None] < thresholds).sum(1), np.float64)


def mpjve_mm(
    pose: Array, target: Array, clip_index: NDArray[np.int64], frame_index: NDArray[np.int64]
) -> float:
    """Return the mean error of joint motion between neighbouring frames of one clip, mm per frame.

    Poses are scaled by least squares one by one. NaN where no two frames are neighbours.
    """
    scaled = scale_aligned(pose, target)
    neighbours = (np.diff(clip_index) == 0) & (np.diff(frame_index) == 1)
    if not neighbours.any():
        return float('nan')
    moved = np.diff(scaled, axis=0)[neighbours]
    true_motion = np.diff(target, axis=0)[neighbours]
    return float(joint_errors_mm(moved, true_motion).mean())


def scaled_sigma_mm(pose: Array, target: Array, sigma: Array) -> Array:
    """Return sigmas (N, 17), given in the unit of the poses, after the scaling of `n_mpjpe_mm`."""
    norm = np.linalg.norm(pose, axis=(-2, -1))
    scaled = np.linalg.norm(scale_aligned(pose, target), axis=(-2, -1))
    return np.asarray(sigma * (scaled / np.where(norm > 0, norm, 1.0))[..., None])


def rank_correlation(first: Array, second: Array) -> float | None:
    """Return Spearman's correlation -1..1 of two columns (N,); None where one does not vary."""
    ranks = np.stack([rankdata(first), rankdata(second)]) if len(first) else np.zeros((2, 1))
    ranks -= ranks.mean(1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    return float(ranks[0] @ ranks[1] / norms.prod()) if norms.all() else None
