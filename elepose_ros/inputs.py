# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that count, drop, report and notice when nothing comes."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from elepose_core.errors import InputError
from elepose_ros.compat import incompatible_qos_callbacks
from elepose_ros.qos import input_qos
from elepose_ros.reports import Reporter
from elepose_ros.slot import Worker
from elepose_ros.stages import StageStatistics

__all__ = ['Input', 'Topic', 'silence_sentence']

# Discovery and a slow camera driver need about a second.
_SILENCE_S = 5.0


@dataclass(frozen=True)
class Topic:
    """A topic that a node listens to.

    Attributes:
        name: Relative or full name.
        kind: Message class.
        reliability: best_effort or reliable.
        parameter: The parameter that sets the reliability.
        depth: Messages that the middleware keeps.
    """

    name: str
    kind: Any
    reliability: str
    parameter: str
    depth: int


class Input:
    """Hands the messages of a topic to a function, each with the time of its arrival.

    With a queue the function runs in a thread of its own and only the newest messages wait for
    it; without one (`queue = 0`) it runs in the executor.
    """

    def __init__(
        self,
        node: Node,
        topic: Topic,
        handle: Callable[[Any, float], None],
        queue: int,
        reports: tuple[Reporter, StageStatistics],
    ) -> None:
        self._node = node
        self._topic = topic
        self._handle = handle
        self._queue = queue
        self._reporter, self._statistics = reports
        self._worker: Worker[tuple[Any, float]] | None = None
        self._is_on = False
        self._on_since_s = 0.0
        self.received = 0
        self._subscription = node.create_subscription(
            topic.kind,
            topic.name,
            self._on_message,
            input_qos(topic.reliability, topic.depth),
            event_callbacks=incompatible_qos_callbacks(self._on_incompatible_qos),
        )

    @property
    def topic_name(self) -> str:
        """The full name after remapping."""
        return str(self._subscription.topic_name)

    def start(self) -> None:
        """Begin to hand messages over."""
        self.received = 0
        self._on_since_s = time.monotonic()
        if self._queue:
            self._worker = Worker(self._handle_item, self._queue, name=self._topic.name)
        self._is_on = True

    def stop(self) -> None:
        """Hand over no more; a message at hand is finished first."""
        self._is_on = False
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def close(self) -> None:
        """End the subscription."""
        self.stop()
        self._node.destroy_subscription(self._subscription)

    def watch(self) -> None:
        """Say what to do when nothing arrives; to be called about once a second."""
        if not self._is_on or self.received:
            return
        silent_s = time.monotonic() - self._on_since_s
        publishers = self._node.count_publishers(self.topic_name)
        sentence = silence_sentence(self._topic, self.topic_name, silent_s, publishers)
        if sentence:
            self._reporter.warn(f'silence {self._topic.name} {publishers > 0}', sentence)

    def _on_message(self, message: Any) -> None:
        if not self._is_on:
            return
        self.received += 1
        item = (message, time.perf_counter())
        if self._worker is None:
            self._handle_item(item)
            return
        self._statistics.count('in')
        if self._worker.put(item):
            self._statistics.count('dropped')

    def _handle_item(self, item: tuple[Any, float]) -> None:
        try:
            self._handle(*item)
        except InputError as error:
            self._statistics.count('refused')
            self._reporter.error(f'refused {self._topic.name}', f'{self.topic_name}: {error}')
        except Exception:  # a bug in one frame must not silence the robot for good
            self._statistics.count('failed')
            self._reporter.error(
                f'failed {self._topic.name}',
                f'{self.topic_name}: a frame was lost by a bug, please report it:\n'
                f'{traceback.format_exc()}',
            )

    def _on_incompatible_qos(self, policy: str) -> None:
        self._reporter.warn(
            f'qos {self._topic.name}',
            f'a publisher on {self.topic_name} offers another {policy} than asked for, so nothing '
            f'comes from it: set {self._topic.parameter} to best_effort',
        )


def silence_sentence(topic: Topic, full_name: str, silent_s: float, publishers: int) -> str:
    """Return what to say about a topic on which nothing has come yet; empty = nothing."""
    if silent_s < _SILENCE_S:
        return ''
    if publishers == 0:
        return (
            f'nobody publishes {full_name}: start the publisher, or remap {topic.name} to the '
            'topic that it publishes'
        )
    if topic.reliability == 'best_effort':
        cure = f'set {topic.parameter} to reliable (large best-effort messages may all get lost)'
    else:
        cure = f'set {topic.parameter} to best_effort'
    return (
        f'{publishers} publisher(s) on {full_name} but nothing received for {silent_s:.0f} s: '
        f'check that it runs, or {cure}'
    )
