# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that count, drop, report and notice when nothing comes."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from rclpy.node import Node

from elepose_core.errors import InputError
from elepose_ros.endpoints import (
    SILENCE_S,
    Topic,
    make_subscription,
    publishers_of,
    silence_sentence,
    topics_of_kind,
)
from elepose_ros.reports import Reporter
from elepose_ros.slot import Worker
from elepose_ros.stages import StageStatistics

__all__ = ['Input', 'StoppedError', 'Topic', 'guarded']


class StoppedError(Exception):
    """The node stops while a frame waits: the frame goes without a word."""


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
        self._silence = f'silence {topic.name}'
        self._is_on = False
        self._heard_s = 0.0
        self._is_silence_told = False
        self.received = 0
        self._subscription = self._subscribe()

    @property
    def topic_name(self) -> str:
        """The full name after remapping."""
        return self._full_name

    def age_s(self) -> float:
        """Return for how long nothing came, since `start` at most."""
        return time.perf_counter() - self._heard_s

    def start(self) -> None:
        """Begin to hand messages over."""
        self.received = 0
        self._is_silence_told = False
        self._heard_s = time.perf_counter()
        if self._queue:
            self._worker = Worker(self._handle_item, self._queue, name=self._topic.name)
        self._is_on = True

    def stop(self) -> None:
        """Hand over no more; a message at hand is finished first."""
        self._is_on = False
        if self._worker is not None:
            self._statistics.drop(self._worker.close())
            self._worker = None

    def close(self) -> None:
        """End the subscription."""
        self.stop()
        self._node.destroy_subscription(self._subscription)
        # It holds a method of ours: two that hold each other would wait for the garbage collector.
        self._subscription = None

    def set_reliability(self, reliability: str) -> None:
        """Make the subscription anew when another reliability is wanted."""
        if reliability != self._topic.reliability:
            self._topic = dataclasses.replace(self._topic, reliability=reliability)
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe()
            self._heard_s = time.perf_counter()  # the new one may take a while as well

    def watch(self) -> None:
        """Say what to do when nothing arrives; to be called about once a second."""
        # A silence after messages may be a bag that is paused: it is told once, others again.
        if self._is_silence_told and self.received:
            return
        if sentence := self.fault():
            self._is_silence_told = True
            self._reporter.warn(self._silence, sentence)

    def faults(self) -> dict[str, str]:
        """Return why nothing comes now, by the key under which it is reported."""
        return {self._silence: fault} if (fault := self.fault()) else {}

    def fault(self) -> str:
        """Return why nothing comes now and what to do, in one sentence; empty = it comes."""
        silent_s = self.age_s()
        if not self._is_on or silent_s < SILENCE_S:
            return ''
        publishers = publishers_of(self._node, self.topic_name)
        if self.received and publishers:
            names = ', '.join(publisher.node for publisher in publishers)
            return (
                f'nothing came on {self.topic_name} for {silent_s:.0f} s after {self.received} '
                f'messages: check whether {names} still runs (a bag may have ended or paused)'
            )
        others = () if publishers else topics_of_kind(self._node, self._topic.kind)
        return silence_sentence(self._topic, self.topic_name, silent_s, publishers, others)

    def _subscribe(self) -> Any:
        events = (self._on_incompatible_qos, self._on_lost)
        subscription = make_subscription(self._node, self._topic, self._on_message, events)
        self._full_name = str(subscription.topic_name)
        return subscription

    def _on_message(self, message: Any) -> None:
        if not self._is_on:
            self._statistics.count('while inactive')
            return
        self.received += 1
        if self._is_silence_told or self.received == 1:
            self._is_silence_told = False
            self._reporter.over(self._silence)
        self._heard_s = time.perf_counter()
        item = (message, self._heard_s)
        if self._worker is None:
            self._handle_item(item)
            return
        self._statistics.count('in')
        if self._worker.put(item):
            self._statistics.drop()

    def _handle_item(self, item: tuple[Any, float]) -> None:
        with guarded(self._topic.name, self.topic_name, (self._reporter, self._statistics)):
            self._handle(*item)

    def _on_lost(self, number: int) -> None:
        self._statistics.count('lost in the middleware', number)

    def _on_incompatible_qos(self, policy: str) -> None:
        publishers = publishers_of(self._node, self.topic_name)
        names = ', '.join(p.node for p in publishers if p.reliability != 'reliable')
        cure = (
            f'set {self._topic.parameter} to best_effort'
            if policy == 'RELIABILITY'
            else f'let it offer the default {policy.lower()}'
        )
        self._reporter.warn(
            f'qos {self._topic.name}',
            f'{names or "a publisher"} offers less {policy} on {self.topic_name} than is asked '
            f'for, so nothing comes from it: {cure}',
        )


@contextlib.contextmanager
def guarded(
    name: str, full_name: str, reports: tuple[Reporter, StageStatistics]
) -> Iterator[None]:
    """Count and report what goes wrong with one message, so that the next one is still read."""
    reporter, statistics = reports
    try:
        yield
    except StoppedError:
        statistics.drop()
    except InputError as error:
        statistics.count('refused')
        reporter.error(f'refused {name}', f'{full_name}: {error}')
    except Exception:  # a bug in one frame must not silence the robot for good
        statistics.count('failed')
        reporter.error(
            f'failed {name}',
            f'{full_name}: a frame was lost by a bug, please report it:\n{traceback.format_exc()}',
        )
