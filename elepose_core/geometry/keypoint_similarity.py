# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Object keypoint similarity: how well two sets of keypoints of one image agree."""

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


def keypoint_similarity(
    keypoints_px: ArrayLike, truth_px: ArrayLike, area_px2: ArrayLike, sigmas: ArrayLike
) -> NDArray[np.float64]:
    """Return the mean over the truth's keypoints of exp(-d^2 / (2 area (2 sigma)^2)).

    A keypoint that the truth has and the other lacks counts as 0; one that the truth lacks does
    not count at all.

    Args:
        keypoints_px: (..., J, 2), NaN = missing.
        truth_px: (..., J, 2), NaN = missing.
        area_px2: (...), size of the person, > 0.
        sigmas: (J,) spread per keypoint, in units of the root of the area.

    Returns:
        (...) in 0..1; 0 where the truth has no keypoint.

    Raises:
        InputError: An area is not > 0.

    Source: COCO keypoint evaluation, OKS (cocodataset.org, "Keypoint Evaluation").
        Differs: keypoints may be missing, which COCO's results cannot express.
    """
    truth = np.asarray(truth_px, np.float64)
    area = np.asarray(area_px2, np.float64)
    if not (area > 0).all():
        raise InputError(f'area_px2 is {np.min(area):g}; expected > 0')
    # Two columns added are several times as fast as a sum over an axis of two.
    apart = np.square(np.asarray(keypoints_px, np.float64) - truth)
    squared = apart[..., 0] + apart[..., 1]
    variance = (2 * np.asarray(sigmas, np.float64)) ** 2 * area[..., None]
    alike = np.where(np.isfinite(squared), np.exp(-squared / (2 * variance)), 0.0)
    counted = np.isfinite(truth[..., 0] + truth[..., 1])
    return np.asarray((alike * counted).sum(-1) / np.maximum(counted.sum(-1), 1))
