# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How well a detector's people agree with annotated ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.keypoint_similarity import COCO_SIGMAS, keypoint_similarity

__all__ = ['AnnotatedPerson', 'best_similarities', 'greedy_matches', 'similarity_matrix']

# Annotations without a mask: the share of its box that a person covers on the average in COCO.
_SHARE_OF_BOX = 0.53


@dataclass(frozen=True)
class AnnotatedPerson:
    """One person as people marked it.

    Attributes:
        keypoints_px: (17, 2) float64, layout COCO_17, NaN = not marked.
        area_px2: Size of the person in the image.
    """

    keypoints_px: NDArray[np.float64]
    area_px2: float

    @classmethod
    def from_coco(
        cls, keypoints: Sequence[float], box: Sequence[float], area_px2: float | None = None
    ) -> 'AnnotatedPerson':
        """Read one entry of a COCO keypoint file.

        Args:
            keypoints: 17 times x, y, v; v = 0 means not marked, 1 marked but hidden, 2 visible.
            box: x, y, width, height in pixels.
            area_px2: The annotation's area; None = a fixed share of the box, 0.53.

        Raises:
            InputError: Another number of values, or a box without area.
        """
        if len(keypoints) != 3 * len(COCO_SIGMAS) or len(box) != 4:
            raise InputError(
                f'annotation has {len(keypoints)} keypoint and {len(box)} box values; '
                'expected 51 and 4'
            )
        marked = np.asarray(keypoints, np.float64).reshape(-1, 3)
        points = np.where(marked[:, 2:] > 0, marked[:, :2], np.nan)
        area = _SHARE_OF_BOX * box[2] * box[3] if area_px2 is None else area_px2
        if not area > 0:
            raise InputError(f'annotation has area {area:g} px2; expected > 0')
        return cls(points, float(area))


def similarity_matrix(
    detections_px: Sequence[ArrayLike], people: Sequence[AnnotatedPerson]
) -> NDArray[np.float64]:
    """Return (people, detections) object keypoint similarities over the marked keypoints."""
    return np.array(
        [
            [
                float(keypoint_similarity(d, p.keypoints_px, p.area_px2, COCO_SIGMAS))
                for d in detections_px
            ]
            for p in people
        ]
    ).reshape(len(people), len(detections_px))


def greedy_matches(similarity: ArrayLike, least: float = 0.0) -> list[tuple[int, int]]:
    """Pair people with detections, each at most once, the most similar pair first.

    Args:
        similarity: (people, detections).
        least: Pairs that are not above this stay unmatched.

    Returns:
        (person, detection) in the order in which they were matched.
    """
    left = np.array(similarity, np.float64)
    pairs: list[tuple[int, int]] = []
    while left.size:
        person, detection = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        if not left[person, detection] > least:
            break
        pairs.append((person, detection))
        left[person, :] = left[:, detection] = -np.inf
    return pairs


def best_similarities(
    detections_px: Sequence[ArrayLike], people: Sequence[AnnotatedPerson]
) -> NDArray[np.float64]:
    """Return (people,) the similarity of each person's own detection, 0 for a missed person.

    A detection serves one person only; see `greedy_matches`.
    """
    similarity = similarity_matrix(detections_px, people)
    best = np.zeros(len(people))
    for person, detection in greedy_matches(similarity):
        best[person] = similarity[person, detection]
    return best
