# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Least-squares alignment of poses: scale only, or a similarity with or without reflection."""

import numpy as np
from numpy.typing import NDArray

__all__ = ['scale_aligned', 'scale_factor', 'similarity_aligned']

Array = NDArray[np.float64]


def scale_aligned(pose: Array, target: Array) -> Array:
    """Scale root-centred poses (..., J, 3) to a target by least squares.

    Returns:
        s * pose with s = <pose, target> / <pose, pose>, per pose; a zero pose stays zero.

    Source: the N-MPJPE of VideoPose3D.
    """
    return np.asarray(pose * scale_factor(pose, target))


def scale_factor(pose: Array, target: Array) -> Array:
    """Return the factor (..., 1, 1) of `scale_aligned`."""
    dot = (pose * target).sum((-2, -1), keepdims=True)
    square = (pose * pose).sum((-2, -1), keepdims=True)
    return np.asarray(dot / np.where(square > 0, square, 1.0))


def similarity_aligned(pose: Array, target: Array, reflection: bool = False) -> Array:
    """Move poses (..., J, 3) onto a target by the best similarity (scale, rotation, shift).

    Args:
        pose: Predicted joints.
        target: True joints, same shape; the result is in its unit and frame.
        reflection: Allow a mirror image. False is the strict metric: a pose that is flipped in
            depth stays wrong.

    Returns:
        The aligned poses. Coincident joints collapse onto the target's mean.

    Source: orthogonal Procrustes with the determinant fixed through the last singular vector.
    """
    pose_mean, target_mean = pose.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    centred, goal = pose - pose_mean, target - target_mean
    left, singular, right = np.linalg.svd(np.swapaxes(centred, -2, -1) @ goal)
    sign = np.ones_like(singular)
    if not reflection:
        sign[..., -1] = np.where(np.linalg.det(left) * np.linalg.det(right) < 0, -1.0, 1.0)
    rotation = (left * sign[..., None, :]) @ right
    square = (centred**2).sum((-2, -1))
    scale = (singular * sign).sum(-1) / np.where(square > 0, square, 1.0)
    return np.asarray(scale[..., None, None] * (centred @ rotation) + target_mean)
