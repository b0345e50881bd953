# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints of ROS4HRI, which come on one topic per person, and the choice among all sources."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType

from elepose_core.errors import shown
from elepose_ros.adapters.hri import BodyFrame, BodyFrames, people_from_bodies
from elepose_ros.adapters.sources import messages_of, source_of
from elepose_ros.camera_source import CameraSource
from elepose_ros.endpoints import Topic
from elepose_ros.frames import Frame
from elepose_ros.inputs import Input, guarded
from elepose_ros.keypoint_input import KeypointInput
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.slot import Worker

__all__ = ['BodyInput', 'keypoint_input']

_BODIES = '/humans/bodies'
_QUEUE = 8
# Bodies of one image are sent one after the other, at once.
_WAIT_S = 0.1
_OVERDUE_S = 0.05
# Making a subscription takes milliseconds: a crowd comes in one by one, and who is away for a
# moment keeps the one there is.
_GRACE_S = 1.0
# What makes a part of a topic name; a topic's whole name has at most 255 characters.
_ID = re.compile('[A-Za-z_][A-Za-z0-9_]{,199}')


def keypoint_input(node: PartsNode, cameras: CameraSource, then: Callable[[Frame], None]) -> Part:
    """Return the part that reads what the parameter `keypoints_type` says.

    Raises:
        MissingDependency: The package of its messages is not there.
    """
    kind = node.parameters.keypoints_type
    if kind == 'hri':
        return BodyInput(node, cameras, then)
    return KeypointInput(node, source_of(kind), cameras, then)


class BodyInput(Part):
    """Listens to the bodies that are tracked now and hands whole frames on.

    There are never more than `max_people` subscriptions, and no more than one is made and one
    ended at a time.
    """

    def __init__(
        self, node: PartsNode, cameras: CameraSource, then: Callable[[Frame], None]
    ) -> None:
        self._node = node
        self._cameras = cameras
        self._then = then
        self._messages = messages_of('hri_msgs', 'keypoints_type is hri')
        self._reports = (node.reporter, node.statistics)
        self._frames = BodyFrames(self._queue, _WAIT_S)
        self._worker: Worker[BodyFrame] | None = None
        self._bodies: dict[str, Input] = {}
        self._wanted: tuple[str, ...] = ()
        # When those who have a subscription were last listed.
        self._listed_s: dict[str, float] = {}
        self._tracked = self._input(f'{_BODIES}/tracked', self._messages.IdsList, self._on_ids)
        # Not on the node's clock: a paused bag must not hold a frame back.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_OVERDUE_S, self._on_time, clock=steady)

    def start(self) -> None:
        """Begin to read."""
        self._frames.clear()
        self._worker = Worker(self._on_frame, _QUEUE, name='bodies')
        self._tracked.start()

    def stop(self) -> None:
        """Finish the frame at hand and listen to nobody."""
        self._tracked.stop()
        self._end_all()
        self._frames.clear()
        if self._worker is not None:
            self._node.statistics.drop(self._worker.close())
            self._worker = None

    def close(self) -> None:
        """End the subscriptions."""
        self._end_all()
        self._node.destroy_timer(self._timer)
        self._tracked.close()

    def watch(self) -> None:
        """Say what to do when nobody says who is tracked; follow a change of the reliability."""
        for topic in (self._tracked, *self._bodies.values()):
            topic.set_reliability(self._node.parameters.keypoints_reliability)
        self._tracked.watch()

    def faults(self) -> dict[str, str]:
        """Return why nobody says who is tracked."""
        return self._tracked.faults()

    def facts(self) -> dict[str, str]:
        """Return the topics, how long ago a list of ids came and how many bodies there are."""
        return {
            'input age [s]': f'{self._tracked.age_s():.1f}',
            'keypoints topic': f'{_BODIES}/<id>/skeleton2d',
            'bodies': str(len(self._bodies.keys() & set(self._wanted))),
            'late bodies': str(self._frames.late),
        }

    def _on_ids(self, message: Any, _arrived_s: float) -> None:
        most = self._node.parameters.max_people
        ids = tuple(identity for identity in dict.fromkeys(message.ids) if self._is_name(identity))
        if len(ids) > most:
            self._node.reporter.warn(
                'bodies',
                f'{self._tracked.topic_name} lists {len(ids)} bodies: only the first {most} are '
                'read; raise max_people',
            )
            ids = ids[:most]
        self._wanted = ids
        self._listed_s |= dict.fromkeys(self._bodies.keys() & set(ids), time.perf_counter())
        self._follow()
        self._frames.set_tracked(message.header, ids)

    def _is_name(self, identity: str) -> bool:
        if _ID.fullmatch(identity):
            return True
        self._node.reporter.warn(
            'body id',
            f'id {shown(identity)} in {self._tracked.topic_name} makes no topic name: this '
            'body is not read; expected at most 200 letters, digits and _, no digit first',
        )
        return False

    def _on_time(self) -> None:
        self._follow()
        self._frames.send_due()

    def _follow(self) -> None:
        """Make a subscription that is missing, and end one that is not wanted any more."""
        missing = [identity for identity in self._wanted if identity not in self._bodies]
        away = self._bodies.keys() - set(self._wanted)
        if away:
            longest = min(away, key=self._listed_s.__getitem__)
            is_full = len(self._bodies) >= self._node.parameters.max_people
            away_s = time.perf_counter() - self._listed_s[longest]
            if away_s > _GRACE_S or (missing and is_full):
                self._end(longest)
        if missing and len(self._bodies) < self._node.parameters.max_people:
            self._add(missing[0])

    def _add(self, identity: str) -> None:
        topic = f'{_BODIES}/{identity}/skeleton2d'
        body = self._input(topic, self._messages.Skeleton2D, partial(self._on_body, identity))
        body.start()
        self._bodies[identity] = body
        self._listed_s[identity] = time.perf_counter()

    def _end(self, identity: str) -> None:
        self._bodies.pop(identity).close()
        del self._listed_s[identity]

    def _end_all(self) -> None:
        self._wanted = ()
        for identity in tuple(self._bodies):
            self._end(identity)

    def _input(self, topic: str, kind: Any, handle: Callable[[Any, float], None]) -> Input:
        reliability = self._node.parameters.keypoints_reliability
        described = Topic(topic, kind, reliability, 'keypoints_reliability', depth=_QUEUE)
        return Input(self._node, described, handle, 0, self._reports)

    def _on_body(self, identity: str, message: Any, _arrived_s: float) -> None:
        # Who has left the list is heard for a while, but not counted on.
        if identity in self._wanted:
            self._frames.add(identity, message)

    def _queue(self, frame: BodyFrame) -> None:
        if self._worker is None:
            return
        self._node.statistics.count('in')
        if self._worker.put(frame):
            self._node.statistics.drop()

    def _on_frame(self, frame: BodyFrame) -> None:
        statistics = self._node.statistics
        statistics.record('wait', time.perf_counter() - frame.arrived_s)
        with guarded('bodies', f'{_BODIES}/<id>/skeleton2d', self._reports):
            width, height = self._cameras.image_size()
            with statistics.measure('read'):
                people = people_from_bodies(frame, width, height)
            self._then(Frame(frame.header, people, width, height, frame.arrived_s))
