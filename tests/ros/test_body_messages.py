# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of ROS4HRI and frames, read back by rosbags, which knows nothing of our bytes."""

from typing import Any

import numpy as np
import pytest
from foreign_messages import read

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from elepose_core.runtime.joint_angles import ANGLE_NAMES
from elepose_core.runtime.people import Person2D
from elepose_core.skeleton import COCO_17, H36M_17, LAYOUTS
from elepose_ros import cdr
from elepose_ros.adapters.hri import HRI_18, BodyFrame, people_from_bodies
from elepose_ros.body_messages import (
    body_name,
    ids_message,
    joint_state_message,
    region_message,
    regions_2d,
    skeleton2d_message,
    skeletons_2d,
)
from elepose_ros.tf import message_from_transforms

SIZE_PX = (640, 480)


@pytest.fixture(params=['', 'c', 'camera', 'camera_1'])
def header(request: Any) -> Header:
    """Frames of several lengths: what follows is padded differently."""
    return Header(stamp=Time(sec=3, nanosec=250), frame_id=request.param)


def check_header(message: Any, header: Header) -> None:
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 250)
    assert message.header.frame_id == header.frame_id


def person(layout: str = 'coco_17') -> Person2D:
    joints = len(LAYOUTS[layout])
    points = np.stack([np.linspace(100, 500, joints), np.linspace(50, 400, joints)], -1)
    return Person2D('a', points.astype(np.float32), np.linspace(0.2, 0.9, joints, dtype='f4'))


def test_names_of_a_crowd_are_written_once(header: Header) -> None:
    pose = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    poses = [(f'person_{p}_joint_{j}', pose) for p in range(200) for j in range(17)]
    cdr.text.cache_clear()
    for _ in range(2):
        message_from_transforms(header, poses)
    assert cdr.text.cache_info().misses == len(poses) + 1


@pytest.mark.parametrize('ids', [(), ('a',), ('anna', 'b7', 'x_12')])
def test_ids(header: Header, ids: tuple[str, ...]) -> None:
    message = read('hri_msgs/IdsList', ids_message(header, ids))
    check_header(message, header)
    assert tuple(message.ids) == ids


@pytest.mark.parametrize('unknown', [0, 1, 7, 20])
def test_joint_states_leave_out_what_is_not_known(header: Header, unknown: int) -> None:
    angles = np.linspace(-1, 2, 20)
    angles[:unknown] = np.nan
    message = read('sensor_msgs/JointState', joint_state_message(header, 'anna', angles))
    check_header(message, header)
    assert list(message.name) == [f'{name}_anna' for name in ANGLE_NAMES[unknown:]]
    assert message.position.tolist() == angles[unknown:].tolist()
    assert len(message.velocity) == len(message.effort) == 0


@pytest.mark.filterwarnings('ignore:module .sre:DeprecationWarning')
def test_joint_states_are_what_ros_reads(header: Header) -> None:
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import JointState

    data = joint_state_message(header, 'b', np.arange(20.0))
    message = deserialize_message(data, JointState)
    assert (message.header, list(message.position)) == (header, list(range(20)))
    assert message.name[0] == 'waist_b'


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_skeleton_comes_back_through_the_adapter(header: Header, layout: str) -> None:
    given = person(layout)
    message = skeleton2d(header, given, layout)
    check_header(message, header)
    (back,) = people_from_bodies(BodyFrame(header, {'a': message}, 0.0), *SIZE_PX).people
    for column, name in enumerate(COCO_17.joint_names):
        if name not in LAYOUTS[layout].joint_names:
            assert back.scores[column] == 0
            continue
        source = LAYOUTS[layout].index(name)
        assert back.keypoints_px[column] == pytest.approx(given.keypoints_px[source], abs=1e-3)
        assert back.scores[column] == pytest.approx(given.scores[source])


def test_a_neck_is_the_middle_of_the_shoulders(header: Header) -> None:
    given = person()
    message = skeleton2d(header, given)
    left, right = (COCO_17.index(f'{side}_shoulder') for side in ('left', 'right'))
    neck = message.skeleton[HRI_18.index('neck')]
    x, y = (given.keypoints_px[left] + given.keypoints_px[right]) / 2
    assert (neck.x, neck.y) == pytest.approx(((x + 0.5) / 640, (y + 0.5) / 480))
    assert neck.c == pytest.approx(min(given.scores[left], given.scores[right]))


def test_what_is_missing_or_outside_has_no_confidence(header: Header) -> None:
    given = person()
    given.keypoints_px[0] = np.nan
    given.scores[1] = 0.0
    given.keypoints_px[2] = (-3, 5)
    message = skeleton2d(header, given)
    for name in ('nose', 'left_eye', 'right_eye'):
        point = message.skeleton[HRI_18.index(name)]
        assert (point.x, point.y, point.c) == (0, 0, 0)
    assert all(0 <= p.x <= 1 and 0 <= p.y <= 1 for p in message.skeleton)


def test_the_region_is_round_what_is_in_the_image(header: Header) -> None:
    given = person()
    (box,) = regions_2d([given], 'coco_17', SIZE_PX)
    region = read('hri_msgs/NormalizedRegionOfInterest2D', region_message(header, box))
    check_header(region, header)
    wanted = (100.5 / 640, 50.5 / 480, 500.5 / 640, 400.5 / 480)
    assert (region.xmin, region.ymin, region.xmax, region.ymax) == pytest.approx(wanted)
    assert region.c == pytest.approx(given.scores.mean())
    half_seen = person()
    half_seen.scores[1:] = 0.0  # one point alone is no box
    right = Person2D('', given.keypoints_px + np.float32([350, 0]), given.scores)
    away = Person2D('', given.keypoints_px + np.float32([900, 0]), given.scores)
    boxes = regions_2d([right, away, half_seen, Person2D('', *empty())], 'coco_17', SIZE_PX)
    assert boxes[0, :4] == pytest.approx((450.5 / 640, wanted[1], 1, wanted[3]))
    assert np.isnan(boxes[1:]).all()


def skeleton2d(header: Header, given: Person2D, layout: str = 'coco_17') -> Any:
    """Return the message of somebody who stands among others."""
    others = person(layout)
    points = skeletons_2d([others, given, others], layout, SIZE_PX)
    return read('hri_msgs/Skeleton2D', skeleton2d_message(header, points[1]))


def empty() -> tuple[Any, Any]:
    return np.full((17, 2), np.nan, np.float32), np.zeros(17, np.float32)


@pytest.mark.parametrize('names', [(), ('a',), ('body_anna', 'b', 'x_pelvis')])
def test_transforms(header: Header, names: tuple[str, ...]) -> None:
    poses = [(n, tuple(np.arange(7.0) + 10 * i)) for i, n in enumerate(names)]
    message = read('tf2_msgs/TFMessage', message_from_transforms(header, poses))
    assert [t.child_frame_id for t in message.transforms] == list(names)
    for transform, (_, pose) in zip(message.transforms, poses, strict=True):
        check_header(transform, header)
        place, turn = transform.transform.translation, transform.transform.rotation
        assert (place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w) == pose


@pytest.mark.parametrize(
    ('identity', 'name'),
    [
        ('anna', 'anna'),
        ('12', 'b12'),
        ('person 0', 'person_0'),
        ('a//b__c', 'a_b_c'),
        ('Zoë', 'Zo'),
        ('', 'b'),
        ('__', 'b'),
        ('x' * 200, 'x' * 64),
    ],
)
def test_ids_make_topic_names(identity: str, name: str) -> None:
    assert body_name(identity, 3, ()) == name
    assert body_name(identity, 3, {name}) == f'{name}_3'


def test_no_layout_is_without_shoulders() -> None:
    for layout in LAYOUTS.values():
        assert {'left_shoulder', 'right_shoulder'} <= set(layout.joint_names)
    assert 'neck' not in H36M_17.joint_names
