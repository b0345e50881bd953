# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Object keypoint similarity: how well two sets of keypoints of one image agree."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError

__all__ = ['COCO_SIGMAS', 'keypoint_similarity']

# Spread of human annotators per COCO-17 keypoint, in units of the square root of a person's area:
# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
_FACE = (0.026, 0.025, 0.025, 0.035, 0.035)
_ARMS = (0.079, 0.079, 0.072, 0.072, 0.062, 0.062)
_LEGS = (0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
COCO_SIGMAS: NDArray[np.float64] = np.array([*_FACE, *_ARMS, *_LEGS])
COCO_SIGMAS.setflags(write=False)
# From every keypoint of any image; its square is still a float32.
_FAR_PX = np.float32(1e15)


def keypoint_similarity(
    keypoints_px: ArrayLike,
    truth_px: ArrayLike,
    area_px2: ArrayLike,
    sigmas: ArrayLike,
    *,
    common_only: bool = False,
) -> NDArray[np.floating[Any]]:
    """Return the mean over the truth's keypoints of exp(-d^2 / (2 area (2 sigma)^2)).

    A keypoint that the truth has and the other lacks counts as 0, or not at all with
    `common_only`; one that the truth lacks does not count at all.

    Args:
        keypoints_px: (..., J, 2), NaN = missing.
        truth_px: (..., J, 2), NaN = missing.
        area_px2: (...), size of the person, > 0.
        sigmas: (J,) spread per keypoint, in units of the root of the area.
        common_only: Count what both have.

    Returns:
        (...) in 0..1; 0 where no keypoint counts.

    Raises:
        InputError: An area is not > 0.

    Source: COCO keypoint evaluation, OKS (cocodataset.org, "Keypoint Evaluation").
        Differs: keypoints may be missing, which COCO's results cannot express.
    """
    truth, area = _floating(truth_px), _floating(area_px2)
    if not (area > 0).all():
        raise InputError(f'area_px2 is {np.min(area):g}; expected > 0')
    keypoints = _floating(keypoints_px)
    # Missing ones get numbers: fewer passes over all pairs than with NaN.
    seen, counted = (np.isfinite(points[..., 0] + points[..., 1]) for points in (keypoints, truth))
    x, y = (
        np.where(seen, keypoints[..., axis], _FAR_PX) - np.where(counted, truth[..., axis], 0)
        for axis in (0, 1)
    )
    sharpness = -0.125 / (np.square(_floating(sigmas)) * area[..., None])
    if common_only:
        counted = counted & seen
    alike = np.exp((x * x + y * y) * sharpness) * counted
    return np.asarray(alike.sum(-1) / np.maximum(counted.sum(-1), 1))


def _floating(values: ArrayLike) -> NDArray[np.floating[Any]]:
    """Return an array that keeps its precision; whole numbers become float64."""
    array = np.asarray(values)
    return array if array.dtype.kind == 'f' else array.astype(np.float64)
