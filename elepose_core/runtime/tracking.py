# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who is who from frame to frame, from 2D joints and time alone."""

from typing import Any, NamedTuple

import lap
import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.keypoint_similarity import keypoint_similarity

__all__ = ['Tracker', 'pose_similarity']

# Two fifths of the body height from where somebody is expected is another person.
_LEAST_SIMILARITY = 0.05
# Small against what tells people apart.
_COST_OF_A_SECOND = 1e-3
# Spread of a joint round where it is expected, in units of the person's size in the image.
_JOINT_SPREAD = np.float32(0.08)
# Keypoints tremble: a velocity is believed after about so long.
_VELOCITY_S = 0.1
# Who is not seen is expected to go on as before for so long, and to stand then.
_PREDICTED_S = 1.0


class _Known(NamedTuple):
    """The tracks, a row each.

    Attributes:
        number: What they are called.
        upstream_id: Or '' where there is none.
        keypoints_px: (T, 17, 2) when they were last seen.
        seen_ns: (T,) when that was.
        velocity_px_s: (T, 2) of all joints together.
    """

    number: list[int]
    upstream_id: list[str]
    keypoints_px: NDArray[np.float32]
    seen_ns: NDArray[np.int64]
    velocity_px_s: NDArray[np.float32]


_NOBODY = _Known(
    [], [], np.empty((0, 17, 2), np.float32), np.empty(0, np.int64), np.empty((0, 2), np.float32)
)


class Tracker:
    """Gives each person a number that stays.

    People with an upstream id keep it; the others are matched to the tracks by the similarity of
    their joints to where the track is expected, as it moved, and the Hungarian method. A track
    that is not seen for `max_gap_s` ends.
    """

    def __init__(self, max_gap_s: float) -> None:
        self.set_max_gap(max_gap_s)
        self._tracks = _NOBODY
        self._next = 0

    def set_max_gap(self, max_gap_s: float) -> None:
        """Let tracks end that are not seen for longer than this."""
        self._max_gap_ns = round(max_gap_s * 1e9)

    def __len__(self) -> int:
        return len(self._tracks.number)

    def reset(self) -> tuple[int, ...]:
        """Forget all tracks and return their numbers; numbers are not given twice."""
        ended = tuple(self._tracks.number)
        self._tracks = _NOBODY
        return ended

    def update(
        self, keypoints_px: NDArray[np.float32], ids: list[str], stamp_ns: int
    ) -> tuple[list[int], tuple[int, ...]]:
        """Assign the people of one frame.

        Args:
            keypoints_px: (N, 17, 2), NaN = missing.
            ids: Upstream ids, '' where there is none; none comes twice.
            stamp_ns: Time of the frame.

        Returns:
            The number of each person's track, and the numbers of the tracks that ended.
        """
        # Before anybody is assigned: who stands there after a long gap is a new person.
        ended = self._end(stamp_ns)
        row_of = self._by_upstream_id(ids) | self._by_similarity(keypoints_px, ids, stamp_ns)
        if row_of:
            people = list(row_of)
            _follow(self._tracks, list(row_of.values()), keypoints_px[people], stamp_ns)
        new = [person for person in range(len(ids)) if person not in row_of]
        if new:
            row_of |= dict(zip(new, range(len(self._tracks.number), 10**9), strict=False))
            self._begin(keypoints_px[new], [ids[person] for person in new], stamp_ns)
        return [self._tracks.number[row_of[person]] for person in range(len(ids))], ended

    def _end(self, stamp_ns: int) -> tuple[int, ...]:
        tracks = self._tracks
        gone = stamp_ns - tracks.seen_ns > self._max_gap_ns
        if not gone.any():
            return ()
        left = np.flatnonzero(~gone)
        self._tracks = _Known(
            [tracks.number[row] for row in left],
            [tracks.upstream_id[row] for row in left],
            tracks.keypoints_px[left],
            tracks.seen_ns[left],
            tracks.velocity_px_s[left],
        )
        return tuple(tracks.number[row] for row in np.flatnonzero(gone))

    def _begin(self, keypoints_px: NDArray[np.float32], ids: list[str], stamp_ns: int) -> None:
        tracks, count = self._tracks, len(ids)
        self._tracks = _Known(
            [*tracks.number, *range(self._next, self._next + count)],
            [*tracks.upstream_id, *ids],
            np.concatenate([tracks.keypoints_px, keypoints_px]),
            np.concatenate([tracks.seen_ns, np.full(count, stamp_ns)]),
            np.concatenate([tracks.velocity_px_s, np.zeros((count, 2), np.float32)]),
        )
        self._next += count

    def _by_upstream_id(self, ids: list[str]) -> dict[int, int]:
        known = {upstream: row for row, upstream in enumerate(self._tracks.upstream_id)}
        return {person: known[i] for person, i in enumerate(ids) if i and i in known}

    def _by_similarity(
        self, keypoints_px: NDArray[np.float32], ids: list[str], stamp_ns: int
    ) -> dict[int, int]:
        """Return the row of each person without an id who is like a track without one."""
        people = [person for person, upstream in enumerate(ids) if not upstream]
        rows = [row for row, upstream in enumerate(self._tracks.upstream_id) if not upstream]
        if not people or not rows:
            return {}
        expected_px = _predicted_px(self._tracks, stamp_ns)[rows]
        similarity = pose_similarity(keypoints_px[people][:, None], expected_px)
        # Of two that fit alike, the one that was seen last.
        unseen_s = (stamp_ns - self._tracks.seen_ns[rows]) * 1e-9
        cost = _COST_OF_A_SECOND * unseen_s - similarity
        found = lap.lapjvx(cost, extend_cost=True, return_cost=False)
        return {
            people[person]: rows[track]
            for person, track in zip(*(indices.tolist() for indices in found), strict=True)
            if similarity[person, track] > _LEAST_SIMILARITY
        }


def _follow(
    tracks: _Known, rows: list[int], keypoints_px: NDArray[np.float32], stamp_ns: int
) -> None:
    """Note where tracks are seen (R, 17, 2), and how fast they move."""
    moved_px = keypoints_px - tracks.keypoints_px[rows]
    common = np.isfinite(moved_px[..., 0] + moved_px[..., 1])
    count = common.sum(1)
    mean_px = np.where(common[..., None], moved_px, 0).sum(1) / np.maximum(count, 1)[:, None]
    step_s = (stamp_ns - tracks.seen_ns[rows]) * 1e-9
    share = np.where((step_s > 0) & (count > 0), step_s / (step_s + _VELOCITY_S), 0.0)
    measured = mean_px / np.maximum(step_s, 1e-9)[:, None]
    tracks.velocity_px_s[rows] += share[:, None] * (measured - tracks.velocity_px_s[rows])
    tracks.keypoints_px[rows], tracks.seen_ns[rows] = keypoints_px, stamp_ns


def _predicted_px(tracks: _Known, stamp_ns: int) -> NDArray[np.float32]:
    """Return where the joints (T, 17, 2) of tracks are expected."""
    step_s = np.minimum((stamp_ns - tracks.seen_ns) * 1e-9, _PREDICTED_S)
    way_px = step_s[:, None] * tracks.velocity_px_s
    return np.asarray(tracks.keypoints_px + way_px[:, None], np.float32)


def pose_similarity(
    first_px: NDArray[np.float32], second_px: NDArray[np.float32]
) -> NDArray[np.floating[Any]]:
    """Return (...) in 0..1: how alike sets of joints (..., J, 2) lie in the image.

    What both show counts. Size comes from the extent of the second set's joints, since no area is
    given. Leading axes broadcast.
    """
    seen = np.isfinite(second_px[..., :1] + second_px[..., 1:])
    low = np.where(seen, second_px, np.inf).min(-2)
    high = np.where(seen, second_px, -np.inf).max(-2)
    # Nobody seen: their area does not matter.
    extent = np.maximum(high - low, 0.0)
    area_px2 = np.maximum(np.square(extent).sum(-1), 1.0)
    spread = np.full(second_px.shape[-2], _JOINT_SPREAD)
    return keypoint_similarity(first_px, second_px, area_px2, spread, common_only=True)
