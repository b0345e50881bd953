# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""hri_msgs of ROS4HRI (REP-155): bodies that come on one topic each, put together to frames.

Facts read: msg/*.msg of ros4hri/hri_msgs. The order is OpenPose's but for eyes and ears, of which
the left ones come first; coordinates are 0..1 of the image's width and height.
"""

import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np

from elepose_core.errors import InputError, shown
from elepose_core.runtime.bounds import check_count
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.runtime.people import People2D
from elepose_ros.adapters.points import coco_columns, people_from_points

__all__ = ['HRI_18', 'BodyFrame', 'BodyFrames', 'people_from_bodies']

_ORDER = (
    'nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist '
    'right_hip right_knee right_ankle left_hip left_knee left_ankle '
    'left_eye right_eye left_ear right_ear'
)
HRI_18 = tuple(_ORDER.split())
_COLUMNS = coco_columns(HRI_18)
# Stamps that may wait for their last bodies at one time.
_PENDING = 8
_LATEST_NS = 1_000_000_000


class BodyFrame(NamedTuple):
    """Bodies of one image.

    Attributes:
        header: That of one of the bodies, or of the list of ids when there is nobody.
        bodies: hri_msgs/Skeleton2D by id.
        arrived_s: When the first message came in, on the clock of time.perf_counter.
    """

    header: Any
    bodies: dict[str, Any]
    arrived_s: float


def people_from_bodies(frame: BodyFrame, width: int, height: int) -> People2D:
    """Read the hri_msgs/Skeleton2D messages of one image.

    Args:
        frame: The bodies; their ids are kept.
        width: Image width, px.
        height: Image height, px.

    Raises:
        InputError: The size of the image is unknown, a body has another number of points, or a
            point is out of reach.
    """
    if width <= 0 or height <= 0:
        raise InputError(
            f'image size is {width}x{height} and skeleton2d is given in fractions of it; expected '
            'a camera_info with width and height'
        )
    check_count(len(frame.bodies))
    rows = []
    for identity, body in frame.bodies.items():
        if len(body.skeleton) != len(HRI_18):
            raise InputError(
                f'skeleton of body {shown(identity)} has {len(body.skeleton)} points; '
                f'expected {len(HRI_18)}'
            )
        rows.append([(p.x, p.y, p.c) for p in (body.skeleton[c] for c in _COLUMNS)])
    values = np.array(rows, np.float64).reshape(-1, len(_COLUMNS), 3)
    points_px = values[..., :2] * (width, height) - 0.5
    return people_from_points(frame.header, list(frame.bodies), points_px, values[..., 2])


class BodyFrames:
    """Collects bodies by their stamp and hands frames over, in the order of their stamps.

    A frame is whole when every body has come that is tracked and came to the frame before. What is
    missing after `wait_s`, or when a later frame is whole, is not waited for: its frame goes
    without it. A body that comes after its frame is dropped and counted.
    """

    def __init__(
        self,
        then: Callable[[BodyFrame], None],
        wait_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Make an empty collection.

        Args:
            then: Takes a frame.
            wait_s: Longest wait for a frame's bodies after the first of them.
            clock: Seconds.
        """
        self.late = 0
        self._then = then
        self._wait_s = wait_s
        self._clock = clock
        self._pending: dict[int, BodyFrame] = {}
        self._awaited: set[str] = set()
        self._last_ns: int | None = None

    def set_tracked(self, header: Any, ids: Collection[str]) -> None:
        """Take who is tracked; nobody at all is an empty frame with the list's stamp.

        The list only ever moves time on: one without a stamp, or older than the last frame, makes
        no frame. That a recording began again is told by its bodies.
        """
        self._awaited &= set(ids)
        stamp_ns = stamp_ns_from_header(header)
        if not ids and stamp_ns > (self._last_ns or 0):
            self._frame_at(header)
        self.send_due()

    def add(self, identity: str, body: Any) -> None:
        """Take a body."""
        frame = self._frame_at(body.header)
        self._awaited.add(identity)
        if frame is None:
            self.late += 1
            return
        frame.bodies[identity] = body
        self.send_due()

    def send_due(self) -> None:
        """Hand over what is whole or has waited long enough."""
        now_s = self._clock()
        while count := self._number_due(now_s):
            for stamp_ns in sorted(self._pending)[:count]:
                frame = self._pending.pop(stamp_ns)
                # Whoever sends no skeleton must not hold each frame up.
                self._awaited &= frame.bodies.keys()
                self._last_ns = stamp_ns
                self._then(frame)

    def _number_due(self, now_s: float) -> int:
        """Return how many of the oldest frames go: who waits before one that goes, goes first."""
        due = [
            number
            for number, (_, frame) in enumerate(sorted(self._pending.items()), start=1)
            if self._awaited <= frame.bodies.keys() or now_s - frame.arrived_s >= self._wait_s
        ]
        return max([*due, len(self._pending) - _PENDING, 0])

    def clear(self) -> None:
        """Forget all bodies."""
        self._pending.clear()
        self._awaited.clear()
        self._last_ns = None

    def _frame_at(self, header: Any) -> BodyFrame | None:
        """Return the frame of a stamp, a new one if need be; None when it has gone."""
        stamp_ns = stamp_ns_from_header(header)
        if self._last_ns is not None and stamp_ns <= self._last_ns:
            # A recording that starts again is far back; a body that is late is not.
            if self._last_ns - stamp_ns <= _LATEST_NS:
                return None
            self.clear()
        return self._pending.setdefault(stamp_ns, BodyFrame(header, {}, self._clock()))
