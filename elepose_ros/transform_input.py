# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What comes on /tf and /tf_static, kept as bytes until somebody asks.

A robot sends hundreds of transforms a second, of which one moment a second is looked at. rclpy
takes longer to read the joints of twenty people than they take to lift.
"""

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.serialization import deserialize_message

from elepose_ros.transforms import TransformBuffer

__all__ = ['TransformInput']

# Of each sender so many messages are kept, at least so far apart: no frame is 1.6 s late.
_KEPT = 16
_APART_NS = 100_000_000
_BACK_NS = 500_000_000
_MOST_SENDERS = 500
_MOST_BYTES = 16 << 20
_SILENT_S = 30.0


class _First(NamedTuple):
    """The first transform of a message, without its pose."""

    stamp_ns: int
    parent: str
    child: str


class _Sender:
    """Messages that look alike: of one first child, and of one length."""

    def __init__(self, first: _First, keep: int) -> None:
        self.first = first
        self.keep = keep
        self.heard_s = 0.0
        # Stamps with the bytes, or with None once they have been read; the newest last.
        self.messages: deque[tuple[int, bytes | None]] = deque()


class TransformInput:
    """Keeps few messages of each sender and reads those around a moment; not safe across threads.

    Attributes:
        trouble: Why something of what came is missing, one sentence; '' = nothing is.
    """

    def __init__(
        self,
        kind: Any,
        is_own: Callable[[str, str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing.

        Args:
            kind: Class of the messages, tf2_msgs/TFMessage.
            is_own: Tells by the names of parent and child what the node itself sends on /tf.
            clock: Seconds that never go back.
        """
        self._kind = kind
        self._is_own = is_own
        self._clock = clock
        self._senders: dict[tuple[bool, str, int], _Sender] = {}
        self._bytes = 0
        self.trouble = ''

    def take(self, data: bytes, *, is_static: bool) -> None:
        """Take in a message as it came; one that has no transforms is left out."""
        first = _first(data)
        if first is None or (not is_static and self._is_own(first.parent, first.child)):
            return
        key = is_static, first.child, len(data)
        sender = self._senders.get(key)
        if not self._make_room(len(data), is_new=sender is None):
            self.trouble = (
                f'/tf has too many senders or too much data ({_MOST_SENDERS} senders and '
                f'{_MOST_BYTES >> 20} MiB are kept): {first.child!r} is left out; remap /tf to a '
                'topic with the frames of the robot alone'
            )
            return
        if sender is None:
            sender = self._senders[key] = _Sender(first, 1 if is_static else _KEPT)
        sender.heard_s = self._clock()
        messages = sender.messages
        if messages and not is_static:
            last_ns = messages[-1][0]
            if first.stamp_ns < last_ns - _BACK_NS:  # time jumped back
                self._thin(sender, 0)
            elif first.stamp_ns < last_ns + _APART_NS:
                return
        self._thin(sender, sender.keep - 1)
        messages.append((first.stamp_ns, data))
        self._bytes += len(data)

    def read_into(self, buffer: TransformBuffer, stamp_ns: int) -> None:
        """Read what came last before and first after a moment, and all that is static."""
        for key, sender in [*self._senders.items()]:
            is_static = key[0]
            if not is_static and self._is_own(sender.first.parent, sender.first.child):
                # It came before the first frame had told the name of the camera.
                self._thin(sender, 0)
                del self._senders[key]
                continue
            after = sum(stamp <= stamp_ns for stamp, _ in sender.messages)
            for place in range(max(after - 1, 0), min(after + 1, len(sender.messages))):
                self._read(buffer, sender, place, is_static=is_static)

    def _read(
        self, buffer: TransformBuffer, sender: _Sender, place: int, *, is_static: bool
    ) -> None:
        stamp_ns, data = sender.messages[place]
        if data is None:
            return
        sender.messages[place] = stamp_ns, None
        self._bytes -= len(data)
        try:
            message = deserialize_message(data, self._kind)
        except Exception as error:  # whatever rclpy raises for bytes that are no such message
            self.trouble = f'/tf brings what cannot be read ({error})'
            return
        if left_out := buffer.add(message, is_static=is_static):
            self.trouble = (
                f'/tf has more frames than are kept: {left_out!r} is left out; remap /tf to a '
                'topic with the frames of the robot alone'
            )

    def _make_room(self, size: int, *, is_new: bool) -> bool:
        """Forget who fell silent, then what is older, when there is no room; False = in vain."""
        if self._has_room(size, is_new=is_new):
            return True
        since_s = self._clock() - _SILENT_S
        for key, sender in [*self._senders.items()]:
            # What is static is said once.
            if not key[0] and sender.heard_s < since_s:
                self._thin(sender, 0)
                del self._senders[key]
        if not self._has_room(size, is_new=is_new):
            for sender in self._senders.values():
                self._thin(sender, 1)
        return self._has_room(size, is_new=is_new)

    def _has_room(self, size: int, *, is_new: bool) -> bool:
        fits = self._bytes + size <= _MOST_BYTES
        return fits and len(self._senders) + is_new <= _MOST_SENDERS

    def _thin(self, sender: _Sender, keep: int) -> None:
        """Keep so many messages of a sender, the newest."""
        while len(sender.messages) > keep:
            self._bytes -= len(sender.messages.popleft()[1] or b'')


def _first(data: bytes) -> _First | None:
    """Return the first transform of a message; None when it has none or is damaged.

    Source: CDR as in `cdr`; bit 0 of the second byte says that the smaller end comes first.
    """
    try:
        order = '<' if data[1] & 1 else '>'
        count, seconds, nanoseconds, length = struct.unpack_from(f'{order}IiII', data, 4)
        parent, at = data[20 : 19 + length], 20 + length + -length % 4
        (length,) = struct.unpack_from(f'{order}I', data, at)
        child = data[at + 4 : at + 3 + length]
    except (struct.error, IndexError):
        return None
    if not (count and parent and child):
        return None
    names = (name.decode(errors='replace').lstrip('/') for name in (parent, child))
    return _First(seconds * 1_000_000_000 + nanoseconds, *names)
