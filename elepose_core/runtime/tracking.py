# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who is who from frame to frame, from 2D joints and time alone."""

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.keypoint_similarity import keypoint_similarity

__all__ = ['Tracker', 'pose_similarity']

# Half a body height apart between two frames means another person.
_LEAST_SIMILARITY = 0.1
# Spread of a joint between frames, in units of the person's size in the image.
_JOINT_SPREAD = 0.125


@dataclass
class _Track:
    number: int
    upstream_id: str
    keypoints_px: NDArray[np.float32]
    last_seen_ns: int


class Tracker:
    """Gives each person a number that stays.

    People with an upstream id keep it; the others are matched to the tracks of the frame before by
    the similarity of their joints and the Hungarian method. A track that is not seen for
    `max_gap_s` ends.
    """

    def __init__(self, max_gap_s: float) -> None:
        self._max_gap_ns = round(max_gap_s * 1e9)
        self._tracks: list[_Track] = []
        self._next = 0

    def reset(self) -> tuple[int, ...]:
        """Forget all tracks and return their numbers; numbers are not given twice."""
        ended = tuple(track.number for track in self._tracks)
        self._tracks = []
        return ended

    def update(
        self, keypoints_px: list[NDArray[np.float32]], ids: list[str], stamp_ns: int
    ) -> tuple[list[int], tuple[int, ...]]:
        """Assign the people of one frame.

        Args:
            keypoints_px: (17, 2) each, NaN = missing.
            ids: Upstream ids, '' where there is none; none comes twice.
            stamp_ns: Time of the frame.

        Returns:
            The number of each person's track, and the numbers of the tracks that ended.
        """
        # Before anybody is assigned: who stands there after a long gap is a new person.
        gone = [t for t in self._tracks if stamp_ns - t.last_seen_ns > self._max_gap_ns]
        self._tracks = [t for t in self._tracks if stamp_ns - t.last_seen_ns <= self._max_gap_ns]
        assigned = self._by_upstream_id(ids) | self._by_similarity(keypoints_px, ids)
        numbers = []
        for person, keypoints in enumerate(keypoints_px):
            track = assigned.get(person)
            if track is None:
                track = _Track(self._next, ids[person], keypoints, stamp_ns)
                self._next += 1
                self._tracks.append(track)
            track.keypoints_px, track.last_seen_ns = keypoints, stamp_ns
            numbers.append(track.number)
        return numbers, tuple(t.number for t in gone)

    def _by_upstream_id(self, ids: list[str]) -> dict[int, _Track]:
        known = {t.upstream_id: t for t in self._tracks if t.upstream_id}
        return {person: known[i] for person, i in enumerate(ids) if i in known}

    def _by_similarity(
        self, keypoints_px: list[NDArray[np.float32]], ids: list[str]
    ) -> dict[int, _Track]:
        people = [i for i, upstream in enumerate(ids) if not upstream]
        tracks = [t for t in self._tracks if not t.upstream_id]
        if not people or not tracks:
            return {}
        similarity = pose_similarity(
            np.stack([keypoints_px[i] for i in people])[:, None],
            np.stack([track.keypoints_px for track in tracks]),
        )
        rows, columns = lap.lapjvx(-similarity, extend_cost=True, return_cost=False)
        return {
            people[r]: tracks[c]
            for r, c in zip(rows, columns, strict=True)
            if similarity[r, c] > _LEAST_SIMILARITY
        }


def pose_similarity(
    first_px: NDArray[np.float32], second_px: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (...) in 0..1: how alike sets of joints (..., J, 2) lie in the image.

    What both show counts. Size comes from the extent of the second set's joints, since no area is
    given. Leading axes broadcast.
    """
    seen = np.isfinite(second_px.sum(-1, keepdims=True))
    low = np.where(seen, second_px, np.inf).min(-2)
    high = np.where(seen, second_px, -np.inf).max(-2)
    # Nobody seen: their area does not matter.
    extent = np.maximum(high - low, 0.0)
    area_px2 = np.maximum(np.square(extent).sum(-1), 1.0)
    both = seen & np.isfinite(first_px.sum(-1, keepdims=True))
    spread = np.full(second_px.shape[-2], _JOINT_SPREAD)
    return keypoint_similarity(first_px, np.where(both, second_px, np.nan), area_px2, spread)
