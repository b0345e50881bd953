# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who is who from frame to frame, from 2D joints and time alone."""

from dataclasses import dataclass, field

import lap
import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.keypoint_similarity import keypoint_similarity

__all__ = ['Tracker', 'pose_similarity']

# Two fifths of the body height from where somebody is expected is another person.
_LEAST_SIMILARITY = 0.05
# Spread of a joint round where it is expected, in units of the person's size in the image.
_JOINT_SPREAD = 0.08
# Keypoints tremble: a velocity is believed after about so long.
_VELOCITY_S = 0.1
# Who is not seen is expected to go on as before for so long, and to stand then.
_PREDICTED_S = 1.0


@dataclass
class _Track:
    number: int
    upstream_id: str
    keypoints_px: NDArray[np.float32]
    last_seen_ns: int
    velocity_px_s: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))


class Tracker:
    """Gives each person a number that stays.

    People with an upstream id keep it; the others are matched to the tracks by the similarity of
    their joints to where the track is expected, as it moved, and the Hungarian method. A track
    that is not seen for `max_gap_s` ends.
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
        similar = self._by_similarity(keypoints_px, ids, stamp_ns)
        assigned = self._by_upstream_id(ids) | similar
        _follow([*assigned.values()], [keypoints_px[person] for person in assigned], stamp_ns)
        numbers = []
        for person, keypoints in enumerate(keypoints_px):
            track = assigned.get(person)
            if track is None:
                track = _Track(self._next, ids[person], keypoints, stamp_ns)
                self._next += 1
                self._tracks.append(track)
            numbers.append(track.number)
        return numbers, tuple(t.number for t in gone)

    def _by_upstream_id(self, ids: list[str]) -> dict[int, _Track]:
        known = {t.upstream_id: t for t in self._tracks if t.upstream_id}
        return {person: known[i] for person, i in enumerate(ids) if i in known}

    def _by_similarity(
        self, keypoints_px: list[NDArray[np.float32]], ids: list[str], stamp_ns: int
    ) -> dict[int, _Track]:
        people = [i for i, upstream in enumerate(ids) if not upstream]
        tracks = [t for t in self._tracks if not t.upstream_id]
        if not people or not tracks:
            return {}
        similarity = pose_similarity(
            np.stack([keypoints_px[i] for i in people])[:, None],
            _predicted_px(tracks, stamp_ns),
        )
        rows, columns = lap.lapjvx(-similarity, extend_cost=True, return_cost=False)
        return {
            people[r]: tracks[c]
            for r, c in zip(rows, columns, strict=True)
            if similarity[r, c] > _LEAST_SIMILARITY
        }


def _follow(tracks: list[_Track], keypoints_px: list[NDArray[np.float32]], stamp_ns: int) -> None:
    """Note where tracks are seen, and how fast they move; for all at once."""
    if not tracks:
        return
    seen_px = np.stack(keypoints_px)
    moved_px = seen_px - np.stack([track.keypoints_px for track in tracks])
    common = np.isfinite(moved_px[..., 0] + moved_px[..., 1])
    count = common.sum(1)
    mean_px = np.where(common[..., None], moved_px, 0).sum(1) / np.maximum(count, 1)[:, None]
    step_s = _elapsed_s(tracks, stamp_ns)
    velocity = np.stack([track.velocity_px_s for track in tracks])
    measured = mean_px / np.maximum(step_s, 1e-9)
    share = np.where((step_s > 0) & (count > 0)[:, None], step_s / (step_s + _VELOCITY_S), 0.0)
    velocity = (velocity + share * (measured - velocity)).astype(np.float32)
    for row, track in enumerate(tracks):
        track.keypoints_px, track.last_seen_ns = keypoints_px[row], stamp_ns
        track.velocity_px_s = velocity[row]


def _predicted_px(tracks: list[_Track], stamp_ns: int) -> NDArray[np.float32]:
    """Return where the joints (T, 17, 2) of tracks are expected."""
    step_s = np.minimum(_elapsed_s(tracks, stamp_ns), _PREDICTED_S)
    way_px = step_s * np.stack([track.velocity_px_s for track in tracks])
    before = np.stack([track.keypoints_px for track in tracks])
    return np.asarray(before + way_px[:, None], np.float32)


def _elapsed_s(tracks: list[_Track], stamp_ns: int) -> NDArray[np.float64]:
    """Return the time (T, 1) since each track was seen."""
    return np.array([[(stamp_ns - track.last_seen_ns) * 1e-9] for track in tracks])


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
