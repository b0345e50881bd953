# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies of ROS4HRI come and go: subscriptions of a node that only writes them down."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from foreign_messages import make

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from rclpy.validate_full_topic_name import validate_full_topic_name
from std_msgs.msg import Header

from elepose_ros.body_input import BodyInput
from elepose_ros.frames import Frame
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter
from elepose_ros.stages import StageStatistics

TRACKED = '/humans/bodies/tracked'


class Node:
    """The part of a node that the input uses."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters(keypoints_type='hri', **parameters)
        self.statistics = StageStatistics()
        self.said: list[str] = []
        say = self.said.append
        self.reporter = Reporter(SimpleNamespace(info=say, warning=say, error=say))
        self.listeners: dict[str, Callable[[Any], None]] = {}
        self.made = 0
        self.timers: list[Callable[[], None]] = []

    def create_subscription(
        self, _kind: Any, topic: str, handle: Callable[[Any], None], *_: Any, **more: Any
    ) -> Any:
        validate_full_topic_name(topic)
        assert topic not in self.listeners
        self.listeners[topic] = handle
        self.made += 1
        return SimpleNamespace(topic_name=topic)

    def destroy_subscription(self, subscription: Any) -> None:
        del self.listeners[subscription.topic_name]

    def create_timer(self, _period_s: float, handle: Callable[[], None], **_: Any) -> Any:
        self.timers.append(handle)
        return handle

    def destroy_timer(self, timer: Callable[[], None]) -> None:
        self.timers.remove(timer)


class Bodies:
    """An input that is active, and the frames that it has handed on."""

    def __init__(self, size_px: tuple[int, int], **parameters: Any) -> None:
        self.node = Node(**parameters)
        self.frames: list[Frame] = []
        self._came = threading.Condition()
        node: Any = self.node
        cameras: Any = SimpleNamespace(image_size=lambda: size_px)
        self.input = BodyInput(node, cameras, self._take)
        self.input.start()

    def _take(self, frame: Frame) -> None:
        with self._came:
            self.frames.append(frame)
            self._came.notify_all()

    def wait_for(self, number: int) -> Frame:
        with self._came:
            assert self._came.wait_for(lambda: len(self.frames) >= number, 10.0)
        return self.frames[number - 1]

    def listed(self, stamp_s: int, *ids: str) -> None:
        header = Header(stamp=Time(sec=stamp_s), frame_id='camera')
        self.node.listeners[TRACKED](make('hri_msgs/IdsList', header=header, ids=list(ids)))

    def seen(self, stamp_s: int, identity: str) -> None:
        header = Header(stamp=Time(sec=stamp_s), frame_id='camera')
        body = make('hri_msgs/Skeleton2D', header=header)
        for point in body.skeleton:
            point.x, point.y, point.c = 0.5, 0.25, 0.9
        self.node.listeners[f'/humans/bodies/{identity}/skeleton2d'](body)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.node.timers[0]()

    def heard(self) -> set[str]:
        return {topic.split('/')[3] for topic in self.node.listeners if topic != TRACKED}


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bodies]]:
    """Return a maker of an active input; hri_msgs may be absent here."""
    kinds = SimpleNamespace(IdsList=object, Skeleton2D=object)
    monkeypatch.setitem(sys.modules, 'hri_msgs', SimpleNamespace(msg=kinds))
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', kinds)
    made: list[Bodies] = []

    def make_one(size_px: tuple[int, int] = (640, 480), **parameters: Any) -> Bodies:
        made.append(Bodies(size_px, **parameters))
        return made[-1]

    # The messages themselves are real or stand-ins, whatever is here.
    with monkeypatch.context() as context:
        context.setattr('foreign_messages.is_real', lambda _: False)
        yield make_one
    for one in made:
        one.input.stop()


def test_bodies_become_a_frame_with_their_ids_and_the_size_of_the_camera(bodies: Any) -> None:
    b = bodies()
    b.listed(1, 'anna')
    b.seen(1, 'anna')
    frame = b.wait_for(1)
    assert (frame.width, frame.height) == (640, 480)
    assert frame.header.stamp.sec == 1
    (person,) = frame.people.people
    assert person.id == 'anna'
    assert person.keypoints_px[0].tolist() == [319.5, 119.5]


def test_the_node_listens_to_who_is_listed_and_to_nobody_else(
    bodies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bodies()
    b.listed(1, 'anna', 'bert')
    b.tick()
    assert b.heard() == {'anna', 'bert'}
    b.listed(2, 'bert', 'bert')
    b.seen(2, 'anna')
    b.seen(2, 'bert')
    assert [person.id for person in b.wait_for(1).people.people] == ['bert']
    b.listed(3)
    assert b.wait_for(2).people.people == ()
    b.tick(3)
    assert b.heard() == {'anna', 'bert'}, 'who is away for a moment'
    monkeypatch.setattr('elepose_ros.body_input._GRACE_S', 0.0)
    b.tick(2)
    assert b.heard() == set()


def test_no_more_bodies_than_max_people(bodies: Any) -> None:
    b = bodies(max_people=3)
    b.listed(1, *(f'p{i}' for i in range(500)))
    b.tick(9)
    assert b.heard() == {'p0', 'p1', 'p2'}
    assert 'lists 500 bodies: only the first 3 are read; raise max_people' in b.node.said[0]


def test_a_list_of_new_people_makes_one_subscription_at_a_time(bodies: Any) -> None:
    b = bodies(max_people=6)
    before = b.node.made
    for number in range(
        10
    ):  # ids that change with every list, as from a tracker that lost its way
        b.listed(number + 1, *(f'p{number}_{i}' for i in range(6)))
        assert b.node.made == before + number + 1
        assert len(b.heard()) <= 6
    b.tick(6)
    assert b.heard() == {f'p9_{i}' for i in range(6)}


@pytest.mark.parametrize('identity', ['no topic', '{a}', '1a', '', '~', 'a/b', 'é', 'a' * 201])
def test_an_id_that_makes_no_topic_is_told_and_left_out(bodies: Any, identity: str) -> None:
    b = bodies()
    longest = '_' + 'a' * 199
    b.listed(1, identity, 'anna', longest)
    b.tick()
    assert b.heard() == {'anna', longest}
    (sentence,) = b.node.said
    assert sentence.startswith(f"id '{identity[:9]}")
    assert 'in /humans/bodies/tracked makes no topic name' in sentence


def test_a_camera_of_unknown_size_costs_frames_and_says_why(bodies: Any) -> None:
    b = bodies(size_px=(0, 0))
    b.listed(1, 'anna')
    b.seen(1, 'anna')
    end_s = time.monotonic() + 10
    while not b.node.said and time.monotonic() < end_s:
        time.sleep(0.01)
    assert b.frames == []
    assert b.node.statistics.counts()['refused'] == 1
    assert 'expected a camera_info with width and height' in b.node.said[0]


def test_the_end_leaves_nothing_behind(bodies: Any) -> None:
    b = bodies()
    b.listed(1, 'anna')
    b.input.stop()
    assert b.heard() == set()
    b.input.start()
    b.listed(2, 'anna')
    b.seen(2, 'anna')
    assert b.wait_for(1).people.people[0].id == 'anna'
    b.input.stop()
    b.input.close()
    assert b.node.listeners == {}
    assert b.node.timers == []
