# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Leaving out second detections of the same person."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.interface import Detection
from elepose_core.geometry.keypoint_similarity import keypoint_similarity

__all__ = ['similarity', 'without_duplicates']

# One spread for all keypoints, close to the mean of COCO's; layouts other than COCO have none.
_SPREAD = 0.07
# Keypoints that are mere guesses say nothing on who is meant.
_LEAST_SCORE = 0.2
_DUPLICATE_SIMILARITY = 0.6


def without_duplicates(detections: list[Detection]) -> list[Detection]:
    """Keep each detection that does not lie on a surer one.

    Args:
        detections: Of one image, the surest first.

    Returns:
        Those kept, in the same order.
    """
    kept: list[Detection] = []
    for detection in detections:
        if all(similarity(detection, other) < _DUPLICATE_SIMILARITY for other in kept):
            kept.append(detection)
    return kept


def similarity(first: Detection, second: Detection, spread: float = _SPREAD) -> float:
    """Return how well the keypoints that both are sure of agree, 0..1.

    Args:
        first: A detection.
        second: Another one of the same layout.
        spread: Of each keypoint, in units of the root of the larger one's area.
    """
    points = [_sure_px(first), _sure_px(second)]
    shared = np.isfinite(points[0]).all(-1) & np.isfinite(points[1]).all(-1)
    # Two keypoints that coincide may belong to people who touch.
    if shared.sum() < 3:
        return 0.0
    area = max(_area_px2(p) for p in points)
    spreads = np.full(int(shared.sum()), spread)
    return float(keypoint_similarity(points[0][shared], points[1][shared], area, spreads))


def _sure_px(detection: Detection) -> NDArray[np.float32]:
    return np.where(detection.scores[:, None] >= _LEAST_SCORE, detection.keypoints_px, np.nan)


def _area_px2(points_px: NDArray[np.float32]) -> float:
    seen = points_px[np.isfinite(points_px).all(-1)]
    width, height = map(float, seen.max(0) - seen.min(0))
    # A person seen from the side or lying is thin but not small.
    return max(width * height, (max(width, height) / 3) ** 2, 1.0)
