# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies as ROS4HRI publishes them (REP 155), all from one node."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from elepose_core.runtime.joint_angles import body_angles
from elepose_core.runtime.people import Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17
from elepose_ros.adapters.sources import PUBLISH_HRI, PUBLISH_JOINT_TF, messages_of
from elepose_ros.body_messages import (
    body_name,
    free_name,
    ids_message,
    joint_state_message,
    region_message,
    regions_2d,
    skeleton2d_message,
    skeletons_2d,
)
from elepose_ros.compat import no_publisher_events
from elepose_ros.endpoints import make_publisher
from elepose_ros.frames import Frame
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.qos import result_qos, tf_qos
from elepose_ros.tf import (
    message_from_transforms,
    quaternion_from_rotation,
)

__all__ = ['HriOutput', 'JointFrames', 'further_outputs']

_BODIES = '/humans/bodies'
# What is told of a body in the image: its topic, the values of all people, the message of one.
_FLAT: tuple[tuple[str, Callable[..., Any], Callable[..., bytes]], ...] = (
    ('skeleton2d', skeletons_2d, skeleton2d_message),
    ('roi', regions_2d, region_message),
)
# Making publishers takes milliseconds: a crowd comes in one by one.
_NEW_PER_FRAME = 1
_UNTURNED = (0.0, 0.0, 0.0, 1.0)


@dataclass
class _Body:
    """A person with publishers.

    Attributes:
        name: The id that is published.
        publishers: By the last part of the topic.
        seen_ns: Stamp of the last frame with this person.
    """

    name: str
    publishers: dict[str, Any]
    seen_ns: int


class _Known(NamedTuple):
    """Somebody in a frame who has topics.

    Attributes:
        number: Index among the frame's skeletons.
        skeleton: The person in 3D.
        body: The topics.
    """

    number: int
    skeleton: Skeleton3D
    body: _Body


def further_outputs(node: PartsNode) -> list['HriOutput | JointFrames']:
    """Return the parts that the parameters ask for beside the skeletons.

    Raises:
        MissingDependency: A package of messages is not there.
    """
    parts: list[HriOutput | JointFrames] = []
    if node.parameters.publish_hri:
        parts.append(HriOutput(node))
    if node.parameters.publish_joint_tf:
        parts.append(JointFrames(node))
    return parts


class HriOutput(Part):
    """Publishes who is tracked, and of each body region, 2D skeleton, joint angles and frame.

    Topics of a body come with it and go when it has not been seen for `track_max_gap_s`, in the
    time of the stamps, or on the clock where frames come no more; there are never more than
    `max_people`. Joint names are those of human_description, each with the body's
    id at its end.
    """

    def __init__(self, node: PartsNode) -> None:
        self._node = node
        messages = messages_of('hri_msgs', PUBLISH_HRI)
        self._kinds = {
            'joint_states': JointState,
            'skeleton2d': messages.Skeleton2D,
            'roi': messages.NormalizedRegionOfInterest2D,
        }
        self._transforms = _transform_publisher(node, PUBLISH_HRI)
        self._ids = make_publisher(node, messages.IdsList, f'{_BODIES}/tracked', result_qos())
        # By the person's id: track numbers start anew when parameters change, ids need not.
        self._bodies: dict[str, _Body] = {}
        self._last_ns = 0
        self._header = Header()
        self._published_s = 0.0
        # Frames come in a thread of their own; a publisher must not go while it is used.
        self._lock = threading.Lock()

    def publish(self, result: Skeletons3D, frame: Frame) -> None:
        """Publish the people of a frame."""
        with self._lock, self._node.statistics.measure('publish hri'):
            self._published_s = time.perf_counter()
            self._header = frame.header
            self._forget(result)
            known = self._known(result)
            if self._ids.get_subscription_count():
                names = [body.name for body in self._bodies.values()]
                self._ids.publish(ids_message(frame.header, names))
            if known:
                self._publish_2d(known, result, frame)
                self._publish_3d(known, frame.header)

    def watch(self) -> None:
        """Let nobody be tracked when frames come no more."""
        # Whoever has the lock publishes a frame just now. No wait: this is the executor.
        if not self._bodies or not self._lock.acquire(blocking=False):
            return
        try:
            silent_s = time.perf_counter() - self._published_s
            if silent_s > self._node.parameters.track_max_gap_s:
                self._end_all()
        finally:
            self._lock.release()

    def stop(self) -> None:
        """Leave with nobody tracked."""
        with self._lock:
            self._end_all()

    def close(self) -> None:
        """End the publishers."""
        self._drop(tuple(self._bodies))
        for publisher in (self._ids, self._transforms):
            self._node.destroy_lifecycle_publisher(publisher)

    def facts(self) -> dict[str, str]:
        """Return how many bodies have topics."""
        return {'published bodies': str(len(self._bodies))}

    def _end_all(self) -> None:
        self._ids.publish(ids_message(self._header, ()))
        self._drop(tuple(self._bodies))

    def _publish_2d(self, known: list[_Known], result: Skeletons3D, frame: Frame) -> None:
        size_px = frame.width, frame.height
        people = frame.people.people
        for topic, measure, write in _FLAT:
            rows = _listened(known, topic)
            if not rows:
                continue
            seen = [people[result.sources[known[row].number]] for row in rows]
            values = measure(seen, frame.people.layout, size_px)
            # Nobody needs a region with nothing in it.
            finite = np.isfinite(values).reshape(len(rows), -1).all(1)
            for row, value, is_finite in zip(rows, values, finite, strict=True):
                if is_finite:
                    known[row].body.publishers[topic].publish(write(frame.header, value))

    def _publish_3d(self, known: list[_Known], header: Header) -> None:
        rows = _listened(known, 'joint_states')
        with_frames = bool(header.frame_id) and self._transforms.get_subscription_count() > 0
        if not with_frames and not rows:
            return
        found = body_angles(np.stack([someone.skeleton.joints_cam_m for someone in known]))
        for row in rows:
            body = known[row].body
            states = joint_state_message(header, body.name, found.angles_rad[row])
            body.publishers['joint_states'].publish(states)
        # Without hips nobody knows where the chest points.
        poses = [
            (f'body_{someone.body.name}', _pose(someone.skeleton.root_cam_m, rotation))
            for someone, rotation in zip(known, found.camera_from_body, strict=True)
            if with_frames and np.isfinite(rotation).all()
        ]
        if poses:
            self._transforms.publish(message_from_transforms(header, poses))

    def _forget(self, result: Skeletons3D) -> None:
        """Drop the bodies that are away for too long, or all when time jumped back."""
        gap_ns = round(self._node.parameters.track_max_gap_s * 1e9)
        is_back = result.was_reset or result.stamp_ns < self._last_ns
        self._last_ns = result.stamp_ns
        gone = [
            identity
            for identity, body in self._bodies.items()
            if is_back or result.stamp_ns - body.seen_ns > gap_ns
        ]
        self._drop(gone)

    def _known(self, result: Skeletons3D) -> list[_Known]:
        """Return the people of a frame who have topics; some that are new get theirs."""
        identities = _identities(result.skeletons)
        new = 0
        known = []
        for number, (identity, skeleton) in enumerate(identities.items()):
            body = self._bodies.get(identity)
            if body is None and new < _NEW_PER_FRAME and self._make_room(identities.keys()):
                new += 1
                body = self._bodies[identity] = self._new_body(skeleton)
            if body is not None:
                body.seen_ns = result.stamp_ns
                known.append(_Known(number, skeleton, body))
        return known

    def _make_room(self, present: Collection[str]) -> bool:
        """Drop who is away longest when there are as many bodies as there may be."""
        if len(self._bodies) < self._node.parameters.max_people:
            return True
        away = [identity for identity in self._bodies if identity not in present]
        self._drop(sorted(away, key=lambda identity: self._bodies[identity].seen_ns)[:1])
        return bool(away)

    def _new_body(self, skeleton: Skeleton3D) -> _Body:
        taken = {body.name for body in self._bodies.values()}
        name = body_name(skeleton.id, skeleton.track, taken)
        publishers = {
            topic: self._node.create_publisher(
                kind,
                f'{_BODIES}/{name}/{topic}',
                result_qos(),
                event_callbacks=no_publisher_events(),
            )
            for topic, kind in self._kinds.items()
        }
        return _Body(name, publishers, 0)

    def _drop(self, identities: Iterable[str]) -> None:
        for identity in identities:
            for publisher in self._bodies.pop(identity).publishers.values():
                self._node.destroy_publisher(publisher)


class JointFrames(Part):
    """Sends each joint that is seen as a frame <id>_<joint>, parallel to the camera's."""

    def __init__(self, node: PartsNode) -> None:
        self._node = node
        self._transforms = _transform_publisher(node, PUBLISH_JOINT_TF)

    def publish(self, result: Skeletons3D, frame: Frame) -> None:
        """Send the joints of a frame."""
        if not frame.header.frame_id or not self._transforms.get_subscription_count():
            return
        with self._node.statistics.measure('publish joint frames'):
            poses = [
                (f'{identity}_{name}', (*place, *_UNTURNED))
                for identity, skeleton in _identities(result.skeletons).items()
                for name, place in zip(
                    H36M_17.joint_names, skeleton.joints_cam_m.tolist(), strict=True
                )
                if place[0] == place[0]  # not NaN
            ]
            if poses:
                self._transforms.publish(message_from_transforms(frame.header, poses))

    def close(self) -> None:
        """End the publisher."""
        self._node.destroy_lifecycle_publisher(self._transforms)


def _identities(skeletons: Sequence[Skeleton3D]) -> dict[str, Skeleton3D]:
    """Return people by id, in their order; a sender may give two people one id."""
    found: dict[str, Skeleton3D] = {}
    for skeleton in skeletons:
        found[free_name(skeleton.id, skeleton.track, found)] = skeleton
    return found


def _listened(known: list[_Known], topic: str) -> list[int]:
    """Return the rows of those of whom somebody listens to a topic."""
    return [
        row
        for row, someone in enumerate(known)
        if someone.body.publishers[topic].get_subscription_count()
    ]


def _pose(place_m: NDArray[np.float64], rotation: NDArray[np.float64]) -> tuple[float, ...]:
    return (*place_m.tolist(), *quaternion_from_rotation(rotation))


def _transform_publisher(node: PartsNode, wanted: str) -> Any:
    return make_publisher(node, messages_of('tf2_msgs', wanted).TFMessage, '/tf', tf_qos())
