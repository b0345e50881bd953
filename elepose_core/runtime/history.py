# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The last frames of each person, for graphs that look at several."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.skeleton import H36M_17

__all__ = ['PoseHistory', 'windows_of_clips']

Float32 = NDArray[np.float32]

_JOINTS = len(H36M_17)
# People whose frames are kept; of more, those unseen for longest start anew.
_MOST_PEOPLE = 256
# How far from its time a frame may be, in steps. Not half: at twice the rate every second frame is
# half a step from two times, and noise would decide.
_NEAR = 0.45
# Frames that come faster than so many per step of the graph replace each other.
_MOST_PER_STEP = 4
_SECOND_NS = 1_000_000_000
_LONG_AGO_NS = -(2**62)
# The seconds of a stamp have 31 bits.
_LONGEST_CLIP_S = 2.0**31


class PoseHistory:
    """Rings of what was seen of each person, read as frames at the rate that the graph learned.

    A graph of T frames at f Hz is given what was seen nearest to 0, 1, ..., T - 1 steps of 1 / f
    before now. What is not within 0.45 of a step of one of these times is left out, and a time
    with nothing that near is a missing frame. So a camera of twice the rate has every second frame
    looked at, one of half the rate has every second frame missing, and a frame that was dropped is
    missing and does not make the motion seem faster.
    """

    def __init__(self, frames: int, fps: float) -> None:
        """Start without anybody.

        Args:
            frames: T, how many the graph looks at.
            fps: Rate of these frames.
        """
        self._frames = frames
        self._step_ns = _SECOND_NS / fps
        self._depth = _MOST_PER_STEP * frames
        self._row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._make_room(0)

    def __len__(self) -> int:
        return len(self._row_of)

    def reset(self) -> None:
        """Forget everybody."""
        self._row_of.clear()
        self._make_room(0)

    def forget(self, tracks: Sequence[int]) -> None:
        """Forget tracks that ended."""
        for track in tracks:
            row = self._row_of.pop(track, None)
            if row is not None:
                self._free.append(row)

    def add(
        self, tracks: Sequence[int], rays: Float32, scores: Float32, stamp_ns: int
    ) -> tuple[Float32, Float32]:
        """Take in a frame and return what the graph looks at.

        Args:
            tracks: N different numbers that stay with people.
            rays: (N, 17, 2) as they are seen now; NaN = missing.
            scores: (N, 17); 0 = missing.
            stamp_ns: Time of the frame, not before that of the last one.

        Returns:
            Rays (N, T, 17, 2) and scores (N, T, 17), the oldest frame first and this one last; a
            missing frame has NaN and 0.
        """
        rows = self._rows(tracks)
        newest = self._newest[rows]
        last_ns, before_ns = self._stamps_ns[rows, newest], self._stamps_ns[rows, newest - 1]
        # What came so soon after the frame before it that it is not needed makes room.
        is_replaced = last_ns - before_ns < self._step_ns / _MOST_PER_STEP
        is_replaced |= last_ns == stamp_ns
        newest = np.where(is_replaced, newest, (newest + 1) % self._depth)
        self._newest[rows] = newest
        self._stamps_ns[rows, newest] = stamp_ns
        self._rays[rows, newest], self._scores[rows, newest] = rays, scores
        chosen = self._chosen(rows, stamp_ns)
        is_missing = chosen < 0
        windows = self._rays[rows[:, None], chosen], self._scores[rows[:, None], chosen]
        windows[0][is_missing], windows[1][is_missing] = np.nan, 0.0
        return windows

    def _chosen(self, rows: NDArray[np.int64], stamp_ns: int) -> NDArray[np.int64]:
        """Return (N, T) places in the rings; -1 = a missing frame."""
        ages = (stamp_ns - self._stamps_ns[rows]) / self._step_ns
        steps = np.rint(ages)
        # The nearest is written last and stays; of two as near, the newer.
        away = np.abs(ages - steps)
        order = np.lexsort((-ages, -away), axis=1)
        person = np.arange(len(rows))[:, None]
        steps = steps[person, order]
        is_needed = (steps < self._frames) & (away[person, order] <= _NEAR)
        chosen = np.full((len(rows), self._frames), -1)
        who = np.broadcast_to(person, order.shape)[is_needed]
        frame = self._frames - 1 - steps[is_needed].astype(np.int64)
        chosen[who, frame] = order[is_needed]
        # Also where the frame before is as near to now as to its own time.
        chosen[:, -1] = self._newest[rows]
        return chosen

    def _rows(self, tracks: Sequence[int]) -> NDArray[np.int64]:
        """Return the row of each track; a new one has an empty row."""
        new = [track for track in tracks if track not in self._row_of]
        if len(self._row_of) + len(new) > _MOST_PEOPLE:
            self._drop(set(tracks), len(self._row_of) + len(new) - _MOST_PEOPLE)
        if len(new) > len(self._free):
            least = len(self._row_of) + len(new)
            self._make_room(max(least, min(2 * len(self._stamps_ns), _MOST_PEOPLE)))
        for track in new:
            row = self._free.pop()
            self._row_of[track] = row
            self._stamps_ns[row], self._newest[row] = _LONG_AGO_NS, 0
        return np.array([self._row_of[track] for track in tracks], np.int64)

    def _drop(self, kept: set[int], surplus: int) -> None:
        """Forget so many of those unseen for longest, as far as there are others than `kept`."""
        others = {track: row for track, row in self._row_of.items() if track not in kept}
        seen_ns = {t: self._stamps_ns[row, self._newest[row]] for t, row in others.items()}
        self.forget(sorted(others, key=lambda track: seen_ns[track])[:surplus])

    def _make_room(self, people: int) -> None:
        """Have rows for so many; what is in those that are there stays."""
        if not people:
            self._free = []
            self._newest = np.zeros(0, np.int64)
            self._stamps_ns = np.zeros((0, self._depth), np.int64)
            self._rays = np.zeros((0, self._depth, _JOINTS, 2), np.float32)
            self._scores = np.zeros((0, self._depth, _JOINTS), np.float32)
            return
        before = len(self._stamps_ns)
        more = people - before
        self._free += range(before, people)
        self._newest = np.pad(self._newest, (0, more))
        self._stamps_ns = np.pad(self._stamps_ns, ((0, more), (0, 0)))
        self._rays = np.pad(self._rays, ((0, more), (0, 0), (0, 0), (0, 0)))
        self._scores = np.pad(self._scores, ((0, more), (0, 0), (0, 0)))


def windows_of_clips(
    history: PoseHistory,
    clip_index: NDArray[np.int64],
    frame_s: NDArray[np.float64],
    rays: Float32,
    scores: Float32,
) -> Iterator[tuple[NDArray[np.int64], Float32, Float32]]:
    """Show clips to a graph as a node would show it people: each frame with those before it.

    Args:
        history: Empty; its frames and rate are the graph's.
        clip_index: (N,) clips of one person each.
        frame_s: (N,) time of each frame within its clip, seconds.
        rays: (N, 17, 2).
        scores: (N, 17).

    Yields:
        Rows (B,) whose frame is the last of rays (B, T, 17, 2) and scores (B, T, 17).

    Raises:
        InputError: A clip has two poses at one time, or is longer than a stamp can say.
    """
    _, clip = np.unique(clip_index, return_inverse=True)
    clips = int(clip.max()) + 1 if len(clip) else 0
    for start in range(0, clips, _MOST_PEOPLE):
        part = np.flatnonzero((clip >= start) & (clip < start + _MOST_PEOPLE))
        first_s = np.full(clips, np.inf)
        np.minimum.at(first_s, clip[part], frame_s[part])
        since_s = frame_s[part] - first_s[clip[part]]
        if not (since_s <= _LONGEST_CLIP_S).all():
            raise InputError(
                f'a clip is {since_s.max():g} s long; expected at most {_LONGEST_CLIP_S:g}'
            )
        stamps_ns = np.rint(since_s * 1e9).astype(np.int64)
        order = np.lexsort((clip[part], stamps_ns))
        ends = np.flatnonzero(np.diff(stamps_ns[order])) + 1
        history.reset()
        for now in np.split(order, ends):
            rows = part[now]
            if len(np.unique(clip[rows])) < len(rows):
                twice = np.flatnonzero(np.bincount(clip[rows]) > 1)[0]
                raise InputError(
                    f'clip {clip_index[np.flatnonzero(clip == twice)[0]]} has two poses in one '
                    'frame; expected one person per clip for a model that looks at several frames'
                )
            stamp_ns = int(stamps_ns[now[0]])
            yield rows, *history.add(clip[rows].tolist(), rays[rows], scores[rows], stamp_ns)
