# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who of a frame can be lifted, and what was seen of them."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, rays_from_pixels
from elepose_core.runtime.options import LiftingOptions
from elepose_core.runtime.people import People2D
from elepose_core.skeleton import h36m_from, layout_named

__all__ = ['Usable', 'seen_joints', 'usable_people']

# A keypoint farther out than 89 degrees from the axis is a detector's slip, not a joint.
_LARGEST_RAY = math.tan(math.radians(89.0))
# All joints in one spot are another; it would stand for a person beyond 170 m.
_SMALLEST_PERSON_RAD = 0.01


class Usable(NamedTuple):
    """The N people of a frame who are lifted.

    Attributes:
        rays: (N, 17, 2) normalised image coordinates; NaN = missing or beyond the lens.
        keypoints_px: (N, 17, 2); NaN = not seen.
        scores: (N, 17); 0 = not seen.
        ids: Upstream ids, '' where there is none; none comes twice.
        sources: Index of each in the input.
    """

    rays: NDArray[np.float64]
    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    ids: list[str]
    sources: list[int]

    def of(self, rows: NDArray[np.bool_]) -> 'Usable':
        """Return some of them."""
        kept = np.flatnonzero(rows).tolist()
        arrays = self.rays[kept], self.keypoints_px[kept], self.scores[kept]
        return Usable(
            *arrays, [self.ids[row] for row in kept], [self.sources[row] for row in kept]
        )


def seen_joints(
    rays: NDArray[np.float64], scores: NDArray[np.float32], options: LiftingOptions
) -> NDArray[np.bool_]:
    """Tell (N, 17) which joints count as seen; none of a person who cannot be lifted.

    Args:
        rays: (N, 17, 2) normalised image coordinates; NaN = missing or beyond the lens.
        scores: (N, 17).
        options: Score limit and number of joints that a person needs.
    """
    in_view = np.abs(rays) < _LARGEST_RAY
    seen = in_view[..., 0] & in_view[..., 1]
    seen &= scores >= max(options.min_keypoint_score, 1e-6)
    highest = np.where(seen[..., None], rays, -np.inf).max(1)
    lowest = np.where(seen[..., None], rays, np.inf).min(1)
    is_person = (highest - lowest).max(-1) >= _SMALLEST_PERSON_RAD
    is_person &= seen.sum(1) >= options.min_keypoints
    return np.asarray(seen & is_person[:, None])


def usable_people(people: People2D, camera: Camera, options: LiftingOptions) -> Usable:
    """Convert to the lifter's layout and keep those with enough joints.

    Raises:
        InputError: The layout is unknown or a person's arrays do not fit it.
    """
    keypoints, scores = h36m_from(*_stacked(people), people.layout)
    rays = rays_from_pixels(keypoints, camera)
    seen = seen_joints(rays, scores, options)
    scores = np.where(seen, np.minimum(scores, np.float32(1)), np.float32(0))
    keypoints = np.where(seen[..., None], keypoints, np.float32(np.nan))
    kept = np.flatnonzero(seen.any(1))
    best = np.argsort(-scores[kept].sum(1), kind='stable')[: options.max_people]
    kept = kept[np.sort(best)]
    ids: list[str] = []
    for person in kept:
        upstream = people.people[person].id
        # An id that comes twice in one frame belongs to the first.
        ids.append('' if upstream in ids else upstream)
    return Usable(rays[kept], keypoints[kept], scores[kept], ids, kept.tolist())


def _stacked(people: People2D) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return keypoints (N, J, 2) and scores (N, J) of all people, who must fit the layout."""
    joints = len(layout_named(people.layout))
    for number, person in enumerate(people.people):
        shapes = np.shape(person.keypoints_px), np.shape(person.scores)
        if shapes != ((joints, 2), (joints,)):
            raise InputError(
                f'keypoints of person {number} have shape {shapes[0]} and scores {shapes[1]}; '
                f'layout {people.layout} needs ({joints}, 2) and ({joints},)'
            )
    keypoints = np.array([p.keypoints_px for p in people.people], np.float32)
    scores = np.array([p.scores for p in people.people], np.float32)
    return keypoints.reshape(-1, joints, 2), scores.reshape(-1, joints)
