# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A replay that keeps step with a node: no frame before the answer to the one before it."""

import time
from collections.abc import Callable

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from elepose_core.errors import InputError
from elepose_ros.compat import message_class

__all__ = ['InStep']

_FIND_S, _ANSWER_S = 30.0, 30.0
# Of a message that begins with a header: encapsulation, then the stamp.
_STAMP = slice(4, 12)
# The other side learns of our subscription a moment after we learn of it.
_SETTLE_S = 0.5


class InStep:
    """Waits, before each message on one topic, for the answer to the one before on another.

    A node that lets frames go when it cannot keep up then sees each one, however slow it is, and
    a fast one gets them as fast as it can: what it makes of a bag is the same every time. All
    other topics go on meanwhile: a frame may need the camera_info that comes after it.

    Args:
        node: Gets the subscription.
        asked: Topic that is played.
        answer: Topic on which each of its messages is answered.
        is_stopped: Tells to give up waiting.
    """

    def __init__(
        self, node: Node, asked: str, answer: str, is_stopped: Callable[[], bool]
    ) -> None:
        self._asked = asked
        self._answer = node.resolve_topic_name(answer)
        self._node = node
        self._is_stopped = is_stopped
        self._open: bytes | None = None
        self._stamps: set[bytes] = set()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)

    def find(self) -> None:
        """Wait until somebody publishes the answers, and listen.

        Raises:
            InputError: Nobody does, or their type is not installed.
        """
        end_s = time.monotonic() + _FIND_S
        while not self._is_stopped() and not self._node.count_publishers(self._answer):
            if time.monotonic() > end_s:
                raise InputError(
                    f'nobody publishes {self._answer} within {_FIND_S:g} s; expected the topic on '
                    f'which {self._asked} is answered'
                )
            self._executor.spin_once(timeout_sec=0.05)
        for name, types in self._node.get_topic_names_and_types():
            if name == self._answer:
                kind, queue = message_class(types[0]), QoSProfile(depth=100)
                self._node.create_subscription(kind, name, self._take, queue, raw=True)
        self._spin_while(lambda: True, _SETTLE_S)

    def wait_for_turn(self, topic: str) -> None:
        """Return when a message on a topic may be sent, or the replay is to stop.

        Raises:
            InputError: No answer came.
        """
        if topic == self._asked:
            self.wait_for_answer()

    def note(self, topic: str, data: bytes) -> None:
        """Remember a message that was sent, as CDR bytes."""
        if topic == self._asked:
            self._open = data

    def wait_for_answer(self) -> None:
        """Return when the last message was answered, or the replay is to stop.

        Raises:
            InputError: No answer came.
        """
        if self._open is None:
            return
        stamp, order = self._open[_STAMP], 'little' if self._open[1] & 1 else 'big'
        self._spin_while(lambda: stamp not in self._stamps, _ANSWER_S)
        if stamp not in self._stamps and not self._is_stopped():
            seconds = int.from_bytes(stamp[:4], order)  # type: ignore[arg-type]
            rest = int.from_bytes(stamp[4:], order)  # type: ignore[arg-type]
            raise InputError(
                f'no message with stamp {seconds}.{rest:09} on {self._answer} within '
                f'{_ANSWER_S:g} s of that on {self._asked}; expected one for each'
            )
        self._stamps.clear()
        self._open = None

    def _spin_while(self, condition: Callable[[], bool], timeout_s: float) -> None:
        end_s = time.monotonic() + timeout_s
        while condition() and not self._is_stopped() and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    def _take(self, data: bytes) -> None:
        self._stamps.add(bytes(data[_STAMP]))
