# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who has topics and when, with publishers that write down what they are given."""

import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from foreign_messages import read

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from std_msgs.msg import Header

from elepose_core.runtime.people import People2D, Person2D, ScaleSource, Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17
from elepose_ros.frames import Frame
from elepose_ros.hri_output import HriOutput, JointFrames
from elepose_ros.parameters import Parameters
from elepose_ros.stages import StageStatistics

# Faces the camera, 4 m away; metres.
JOINTS = np.array([0, 0, 4], np.float32) + np.array(
    [
        *[(0.0, 0.0, 0), (-0.1, 0, 0), (-0.1, 0.4, 0), (-0.1, 0.8, 0)],
        *[(0.1, 0, 0), (0.1, 0.4, 0), (0.1, 0.8, 0)],
        *[(0, -0.3, 0), (0, -0.5, 0), (0, -0.6, 0), (0, -0.8, 0)],
        *[(0.2, -0.5, 0), (0.2, -0.2, 0), (0.2, 0.0, 0)],
        *[(-0.2, -0.5, 0), (-0.2, -0.2, 0), (-0.2, 0.0, 0)],
    ],
    np.float32,
)


class Publisher:
    def __init__(self, topic: str, destroyed: list[str]) -> None:
        self.topic_name = topic
        self.sent: list[bytes] = []
        self.listeners = 1
        self.destroyed = destroyed

    def publish(self, data: bytes) -> None:
        self.sent.append(data)

    def get_subscription_count(self) -> int:
        return self.listeners


class Node:
    """The part of a node that the outputs use."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters(**parameters)
        self.statistics = StageStatistics()
        self.reporter = SimpleNamespace(warn=lambda *_: None)
        self.publishers: dict[str, Publisher] = {}
        self.made: list[str] = []
        self.destroyed: list[str] = []

    def create_publisher(self, kind: Any, topic: str, *_: Any, **more: Any) -> Publisher:
        self.made.append(topic)
        self.publishers[topic] = Publisher(topic, self.destroyed)
        return self.publishers[topic]

    create_lifecycle_publisher = create_publisher

    def destroy_publisher(self, publisher: Publisher) -> None:
        self.destroyed.append(publisher.topic_name)
        del self.publishers[publisher.topic_name]

    destroy_lifecycle_publisher = destroy_publisher


def skeleton(track: int, identity: str = '', **changes: Any) -> Skeleton3D:
    joints = changes.pop('joints', JOINTS).astype(np.float32)
    fields: dict[str, Any] = {
        'id': identity or str(track),
        'track': track,
        'joints_cam_m': joints,
        'sigma_m': np.zeros(17, np.float32),
        'scores': np.ones(17, np.float32),
        'root_cam_m': np.array([0.5, 0.2, 4.0]),
        'root_covariance_m2': np.eye(3),
        'scale_source': ScaleSource.STATURE,
        'plausibility': 0.5,
    }
    return Skeleton3D(**{**fields, **changes})


def result(stamp_s: float, *skeletons: Skeleton3D, was_reset: bool = False) -> Skeletons3D:
    return Skeletons3D(
        stamp_ns=round(stamp_s * 1e9),
        skeletons=skeletons,
        ended_tracks=(),
        elevation=None,
        was_reset=was_reset,
        sources=tuple(range(len(skeletons))),
    )


def frame(people: int, frame_id: str = 'camera') -> Frame:
    points = np.stack([np.linspace(100, 300, 17), np.linspace(50, 400, 17)], -1)
    one = Person2D('', points.astype(np.float32), np.ones(17, np.float32))
    return Frame(Header(frame_id=frame_id), People2D(0, 'h36m_17', (one,) * people), 640, 480, 0.0)


@pytest.fixture
def hri(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Node, HriOutput]]:
    """Return a maker of an output; hri_msgs may be absent here, its bytes are ours anyway."""
    names = ('IdsList', 'Skeleton2D', 'NormalizedRegionOfInterest2D')
    kinds = SimpleNamespace(**dict.fromkeys(names, object))
    monkeypatch.setitem(sys.modules, 'hri_msgs', SimpleNamespace(msg=kinds))
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', kinds)

    def make(**parameters: Any) -> tuple[Node, HriOutput]:
        node = Node(**parameters)
        node_of_parts: Any = node
        return node, HriOutput(node_of_parts)

    return make


def tracked(node: Node) -> list[str]:
    data = node.publishers['/humans/bodies/tracked'].sent[-1]
    return list(read('hri_msgs/IdsList', data).ids)


def topics(node: Node) -> set[str]:
    return {t for t in node.publishers if t not in ('/tf', '/humans/bodies/tracked')}


def test_a_body_has_region_skeleton_joints_and_frame(hri: Any) -> None:
    node, output = hri()
    output.publish(result(1.0, skeleton(7, 'anna')), frame(1))
    assert tracked(node) == ['anna']
    names = {f'/humans/bodies/anna/{topic}' for topic in ('roi', 'skeleton2d', 'joint_states')}
    assert topics(node) == names
    assert all(len(node.publishers[name].sent) == 1 for name in names)
    states = node.publishers['/humans/bodies/anna/joint_states'].sent[0]
    message = read('sensor_msgs/JointState', states)
    assert len(message.name) == 20
    assert all(name.endswith('_anna') for name in message.name)
    np.testing.assert_allclose(message.position, 0, atol=1e-6)
    (pose,) = read('tf2_msgs/TFMessage', node.publishers['/tf'].sent[0]).transforms
    assert (pose.header.frame_id, pose.child_frame_id) == ('camera', 'body_anna')
    place, turn = pose.transform.translation, pose.transform.rotation
    assert (place.x, place.y, place.z) == (0.5, 0.2, 4.0)
    # Who faces a camera has the chest against its z and the head against its y.
    assert (turn.x, turn.y, turn.z, turn.w) == pytest.approx((0.5, 0.5, -0.5, 0.5), abs=1e-6)


def test_topics_come_and_go_with_people(hri: Any) -> None:
    node, output = hri(track_max_gap_s=0.5)
    for stamp_s in (0.9, 1.0):
        output.publish(result(stamp_s, skeleton(0), skeleton(1)), frame(2))
    assert tracked(node) == ['b0', 'b1']
    output.publish(result(1.3, skeleton(1)), frame(1))
    assert tracked(node) == ['b0', 'b1']  # who is away for a moment is still tracked
    output.publish(result(1.6, skeleton(1)), frame(1))
    assert tracked(node) == ['b1']
    assert {topic.split('/')[3] for topic in topics(node)} == {'b1'}
    output.publish(result(2.2), frame(0))
    assert tracked(node) == []
    assert topics(node) == set()
    assert sorted(node.destroyed) == sorted(t for t in node.made if '/bodies/b' in t)


def test_nobody_is_tracked_when_the_input_falls_silent(hri: Any) -> None:
    node, output = hri(track_max_gap_s=0.2)
    output.publish(result(1.0, skeleton(0, 'anna')), frame(1))
    output.watch()
    assert tracked(node) == ['anna']
    time.sleep(0.25)
    lists = node.publishers['/humans/bodies/tracked'].sent
    with output._lock:  # a frame is published just now
        output.watch()
    assert (len(lists), len(topics(node))) == (1, 3)
    output.watch()
    assert tracked(node) == []
    assert topics(node) == set()
    output.watch()
    assert len(lists) == 2, 'told once'
    output.publish(result(1.1, skeleton(0, 'anna')), frame(1))
    assert tracked(node) == ['anna']


def test_time_that_jumps_back_ends_all_bodies(hri: Any) -> None:
    node, output = hri()
    output.publish(result(5.0, skeleton(0, 'anna')), frame(1))
    output.publish(result(1.0, skeleton(1, 'bert')), frame(1))
    assert tracked(node) == ['bert']
    output.publish(result(1.1, skeleton(2, 'carl'), was_reset=True), frame(1))
    assert tracked(node) == ['carl']


def test_a_crowd_comes_in_one_by_one_and_is_bounded(hri: Any) -> None:
    node, output = hri(max_people=6, track_max_gap_s=1.0)
    crowd = [skeleton(track) for track in range(6)]
    for number in range(8):
        output.publish(result(1.0 + number / 100, *crowd), frame(6))
        assert len(tracked(node)) == min(number + 1, 6)
    # Ids that change with every frame, as from a tracker that lost its way.
    for number in range(10):
        new = [skeleton(10 * (number + 1) + track) for track in range(6)]
        output.publish(result(1.2 + number / 100, *new), frame(6))
        assert len(tracked(node)) <= 6
        assert len(topics(node)) <= 18


def test_two_with_names_that_look_alike_are_kept_apart(hri: Any) -> None:
    node, output = hri()
    for stamp_s in (1.0, 1.1):
        output.publish(result(stamp_s, skeleton(0, 'p 1'), skeleton(1, 'p/1')), frame(2))
    assert tracked(node) == ['p_1', 'p_1_1']
    assert len(topics(node)) == 6
    alike = (skeleton(0, 'x'), skeleton(1, 'x_5'), skeleton(5, 'x?'), skeleton(5, 'x!'))
    for number in range(4):
        output.publish(result(9.0 + number / 100, *alike), frame(4))
    assert tracked(node) == ['x', 'x_5', 'x_5_1', 'x_5_2']


def test_a_body_is_known_by_its_id_whatever_its_track(hri: Any) -> None:
    """Tracks are counted anew when a parameter of the lifter changes."""
    node, output = hri()
    for stamp_s in (1.0, 1.1):
        output.publish(result(stamp_s, skeleton(0, 'anna'), skeleton(1, 'bert')), frame(2))
    made = len(node.made)
    output.publish(result(1.2, skeleton(0, 'bert'), skeleton(1, 'anna')), frame(2))
    assert tracked(node) == ['anna', 'bert']
    assert len(node.made) == made


def test_an_id_that_is_also_the_number_of_a_track_is_another_person(hri: Any) -> None:
    node, output = hri()
    for stamp_s in (1.0, 1.1):
        output.publish(result(stamp_s, skeleton(7, '3'), skeleton(3)), frame(2))
    assert tracked(node) == ['b3', 'b3_3']


def test_without_hips_there_is_no_frame_but_the_rest(hri: Any) -> None:
    node, output = hri()
    joints = JOINTS.copy()
    joints[H36M_17.index('left_hip')] = np.nan
    output.publish(result(1.0, skeleton(0, joints=joints)), frame(1))
    assert node.publishers['/tf'].sent == []
    states = node.publishers['/humans/bodies/b0/joint_states'].sent[0]
    assert read('sensor_msgs/JointState', states).name == []
    assert node.publishers['/humans/bodies/b0/skeleton2d'].sent


def test_nothing_is_written_for_nobody(hri: Any) -> None:
    node, output = hri()
    output.publish(result(1.0, skeleton(0)), frame(1))
    for publisher in node.publishers.values():
        publisher.listeners = 0
        publisher.sent.clear()
    output.publish(result(1.1, skeleton(0)), frame(1))
    assert not any(publisher.sent for publisher in node.publishers.values())


def test_at_the_end_nobody_is_tracked_and_nothing_is_left(hri: Any) -> None:
    node, output = hri()
    output.publish(result(1.0, skeleton(0)), frame(1))
    output.stop()
    assert tracked(node) == []
    assert topics(node) == set()
    output.close()
    assert node.publishers == {}


def test_two_people_of_one_id_have_joint_frames_of_their_own() -> None:
    node = Node()
    node_of_parts: Any = node
    people = (skeleton(0, 'a'), skeleton(1, 'a_5'), skeleton(5, 'a'), skeleton(5, 'a'))
    JointFrames(node_of_parts).publish(result(1.0, *people), frame(4))
    found = read('tf2_msgs/TFMessage', node.publishers['/tf'].sent[0]).transforms
    assert len({transform.child_frame_id for transform in found}) == 4 * 17


def test_joint_frames_are_those_that_are_seen() -> None:
    node = Node()
    node_of_parts: Any = node
    frames = JointFrames(node_of_parts)
    joints = JOINTS.copy()
    joints[H36M_17.index('left_wrist')] = np.nan
    frames.publish(result(1.0, skeleton(0, 'anna', joints=joints), skeleton(3)), frame(2))
    found = read('tf2_msgs/TFMessage', node.publishers['/tf'].sent[0]).transforms
    assert len(found) == 33
    names = {transform.child_frame_id for transform in found}
    assert 'anna_left_wrist' not in names
    assert {'anna_pelvis', '3_left_wrist'} <= names
    head = next(t for t in found if t.child_frame_id == '3_head_top').transform
    place = JOINTS[H36M_17.index('head_top')].astype(np.float32)
    assert (head.translation.x, head.translation.y, head.translation.z) == pytest.approx(place)
    assert (head.rotation.x, head.rotation.w) == (0, 1)
    frames.publish(result(1.1), frame(0))
    frames.publish(result(1.2, skeleton(0)), frame(1, frame_id=''))
    assert len(node.publishers['/tf'].sent) == 1
    frames.close()
    assert node.publishers == {}
