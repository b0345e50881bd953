# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Every message is accounted for, whatever becomes of it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_ros.endpoints import Topic
from elepose_ros.inputs import Input
from elepose_ros.reports import Reporter
from elepose_ros.stages import StageStatistics

pytestmark = pytest.mark.ros
QUEUE = 3


class _Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...


@pytest.fixture
def statistics() -> StageStatistics:
    return StageStatistics()


@pytest.fixture
def make(probe: Any, statistics: StageStatistics) -> Any:
    made = []

    def make(handle: Callable[[Any, float], None]) -> Input:
        topic = Topic('fed', Header, 'reliable', 'none', depth=100)
        made.append(Input(probe.node, topic, handle, QUEUE, (Reporter(_Silent()), statistics)))
        return made[-1]

    yield make
    for input_ in made:
        input_.close()


def test_what_comes_in_is_done_dropped_refused_or_failed(
    probe: Any, make: Any, statistics: StageStatistics
) -> None:
    is_busy, may_go_on = threading.Event(), threading.Event()

    def handle(message: Any, _arrived_s: float) -> None:
        is_busy.set()
        assert may_go_on.wait(10)
        if message.frame_id == 'refuse':
            raise InputError('not so')
        if message.frame_id == 'fail':
            raise RuntimeError('a bug')
        statistics.count('out')

    input_ = make(handle)
    publisher = probe.talk(Header, 'fed')
    probe.until(publisher.get_subscription_count, 'the subscription')
    sent = 0

    def send(frame_id: str = '') -> None:
        nonlocal sent
        publisher.publish(Header(frame_id=frame_id))
        sent += 1

    def counted(*events: str) -> int:
        counts = statistics.counts()
        return sum(counts.get(event, 0) for event in events)

    send()
    probe.until(lambda: counted('while inactive') == 1, 'a message for nobody')
    input_.start()
    for frame_id in ('', '', 'refuse', 'fail', '', *[''] * 10):
        send(frame_id)
        probe.until(
            lambda sent=sent: counted('in', 'while inactive') == sent, 'the message to arrive'
        )
        assert is_busy.wait(10)
    # One at hand, three wait; the ten and more before them had to go.
    assert counted('dropped') == sent - 1 - 1 - QUEUE
    may_go_on.set()
    probe.until(lambda: counted('out') == 1 + QUEUE, 'the queue to be worked off')
    for frame_id in ('refuse', 'fail'):
        send(frame_id)
    probe.until(lambda: counted('refused', 'failed') == 2, 'the wrong ones')
    may_go_on.clear()
    arrived = counted('in') + 3
    for _ in range(3):
        send()
    probe.until(lambda: counted('in') == arrived, 'three more')
    stopping = threading.Thread(target=input_.stop)
    stopping.start()
    time.sleep(0.05)  # until it waits for the message at hand
    may_go_on.set()
    stopping.join(timeout=10)
    assert counted('in') == counted('out', 'dropped', 'refused', 'failed')
    assert sent == counted('in', 'while inactive')


def test_a_loss_in_the_middleware_is_counted(make: Any, statistics: StageStatistics) -> None:
    input_ = make(lambda *_: None)
    input_._on_lost(3)
    input_._on_lost(2)
    assert statistics.counts() == {'lost in the middleware': 5}
