# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the adapters share: named points to a person in COCO's order.

All adapters give layout `coco_17`: it holds every keypoint that the lifter uses of these sources,
and one frame may then hold bodies of different formats.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.runtime.bounds import check_header, check_ids, check_keypoints
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.skeleton import COCO_17

__all__ = ['coco_columns', 'people_from_points']


def coco_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return where each of COCO's 17 keypoints stands in a list of names."""
    return tuple(names.index(name) for name in COCO_17.joint_names)


def people_from_points(header: Any, ids: Sequence[str], points_px: Any, scores: Any) -> People2D:
    """Put the people of one frame together.

    Args:
        header: That of the message.
        ids: One per person, '' where the source does not track.
        points_px: (N, 17, 2) pixels in COCO's order.
        scores: (N, 17) in 0..1; 0 or NaN = missing.

    Raises:
        InputError: Something is beyond the bounds of `elepose_core.runtime.bounds`.
    """
    check_header(header)
    check_ids(ids)
    points: NDArray[np.float32] = np.array(points_px, np.float32).reshape(-1, len(COCO_17), 2)
    score: NDArray[np.float32] = np.array(scores, np.float32).reshape(-1, len(COCO_17))
    missing = ~(np.isfinite(points).all(-1) & np.isfinite(score) & (score != 0))
    points[missing], score[missing] = np.nan, 0.0
    check_keypoints(points.transpose(0, 2, 1), score)
    people = tuple(Person2D(identity, points[row], score[row]) for row, identity in enumerate(ids))
    return People2D(stamp_ns_from_header(header), COCO_17.name, people)
