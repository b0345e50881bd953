# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A small buffer of transforms, for nodes that must also run where tf2_ros is not installed."""

import bisect
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_ros.tf import rotation_from_quaternion

__all__ = ['TransformBuffer']

# Of each frame so many transforms are kept, at least so far apart.
_KEPT = 50
_APART_NS = 5_000_000
_MOST_FRAMES = 500
_DEEPEST = 100
_SILENT_S = 30.0
# A robot that sends its joints ten times a second, and a camera driver that stamps a little late.
_TOLERANCE_NS = 500_000_000


class _Sample(NamedTuple):
    """A frame in its parent: translation in metres, then the quaternion x, y, z, w."""

    stamp_ns: int
    parent: str
    values: tuple[float, ...]


class TransformBuffer:
    """Remembers what came on /tf and /tf_static; not safe across threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; the clock counts seconds and never goes back."""
        self._clock = clock
        self._static: dict[str, _Sample] = {}
        self._moving: dict[str, deque[_Sample]] = {}
        self._heard_s: dict[str, float] = {}

    def add(self, message: Any, *, is_static: bool) -> str:
        """Take in a tf2_msgs/TFMessage; transforms that make no sense are left out.

        Returns:
            The last frame that there was no room for; '' = there was for all. A moving one that
            was not heard for a while makes room.
        """
        left_out = ''
        for transform in message.transforms:
            child, parent = (
                name.lstrip('/') for name in (transform.child_frame_id, transform.header.frame_id)
            )
            t, q = transform.transform.translation, transform.transform.rotation
            values = (t.x, t.y, t.z, q.x, q.y, q.z, q.w)
            length = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w
            # NaN fails the comparison as well.
            if not (child and parent and 0.5 < length < 2.0 and all(map(np.isfinite, values[:3]))):
                continue
            sample = _Sample(stamp_ns_from_header(transform.header), parent, values)
            if not self._has_room(child, is_static=is_static):
                left_out = child
            elif is_static:
                self._static[child] = sample
            else:
                self._heard_s[child] = self._clock()
                self._append(self._moving.setdefault(child, deque(maxlen=_KEPT)), sample)
        return left_out

    def matrix(self, target: str, source: str, stamp_ns: int) -> NDArray[np.float64]:
        """Return `target_from_source` (4, 4) at a time.

        Args:
            target: Frame of the result.
            source: Frame of the points that the matrix is for.
            stamp_ns: Time; moving frames are interpolated between their neighbours in time.

        Raises:
            InputError: No transforms connect the two, or none at about that time.
        """
        from_source, source_end = self._climb(source, stamp_ns)
        from_target, target_end = self._climb(target, stamp_ns)
        source_in = dict(from_source)
        for ancestor, ancestor_from_target in from_target:
            if ancestor in source_in:
                return np.asarray(np.linalg.inv(ancestor_from_target) @ source_in[ancestor])
        # What ended the climb matters only now: above the common ancestor anything may be amiss.
        if error := source_end or target_end:
            raise error
        raise InputError(
            f'no transforms on /tf or /tf_static connect {source!r} with {target!r}; start '
            'robot_state_publisher or a static_transform_publisher for the mount of the camera'
        )

    def _has_room(self, child: str, *, is_static: bool) -> bool:
        frames = self._static if is_static else self._moving
        if child in frames or len(frames) < _MOST_FRAMES:
            return True
        if is_static:
            return False
        since_s = self._clock() - _SILENT_S
        for name in [name for name, heard_s in self._heard_s.items() if heard_s < since_s]:
            del self._moving[name], self._heard_s[name]
        return len(self._moving) < _MOST_FRAMES

    @staticmethod
    def _append(samples: deque[_Sample], sample: _Sample) -> None:
        if samples and sample.stamp_ns < samples[-1].stamp_ns - _TOLERANCE_NS:
            samples.clear()  # time jumped back
        # Two publishers may come a little out of order; a fast one says more than is needed.
        if not samples or sample.stamp_ns >= samples[-1].stamp_ns + _APART_NS:
            samples.append(sample)

    def _climb(
        self, frame: str, stamp_ns: int
    ) -> tuple[list[tuple[str, NDArray[np.float64]]], InputError | None]:
        """Return each ancestor of a frame with `ancestor_from_frame`, itself first.

        Returns:
            The ancestors, and what is wrong with the transform that ended the climb.
        """
        name, matrix = frame.lstrip('/'), np.eye(4)
        found = [(name, matrix)]
        while len(found) < _DEEPEST:  # a loop of frames ends as well
            try:
                sample = self._static.get(name) or self._at(name, stamp_ns)
            except InputError as error:
                return found, error
            if sample is None:
                break
            name, matrix = sample.parent, _matrix(sample) @ matrix
            found.append((name, matrix))
        return found, None

    def _at(self, frame: str, stamp_ns: int) -> _Sample | None:
        samples = self._moving.get(frame)
        if not samples:
            return None
        after = bisect.bisect_left([sample.stamp_ns for sample in samples], stamp_ns)
        newer, older = samples[min(after, len(samples) - 1)], samples[max(after - 1, 0)]
        away_ns = max(older.stamp_ns - stamp_ns, stamp_ns - newer.stamp_ns)
        if away_ns > _TOLERANCE_NS:
            raise InputError(
                f'the transform of {frame!r} is {away_ns / 1e9:.1f} s away from the stamp of the '
                'input; expected both to be on one clock, and its publisher to run'
            )
        if newer.stamp_ns <= older.stamp_ns or newer.parent != older.parent:
            return newer
        share = (stamp_ns - older.stamp_ns) / (newer.stamp_ns - older.stamp_ns)
        return _between(older, newer, min(max(share, 0.0), 1.0))


def _between(older: _Sample, newer: _Sample, share: float) -> _Sample:
    first, second = np.array(older.values), np.array(newer.values)
    if first[3:] @ second[3:] < 0:  # the same turn, written the other way round
        second[3:] = -second[3:]
    return newer._replace(values=tuple((1 - share) * first + share * second))


def _matrix(sample: _Sample) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_quaternion(np.array(sample.values[3:]))
    matrix[:3, 3] = sample.values[:3]
    return matrix
