# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""/tf is kept as bytes, few of each sender, and read around a moment."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from geometry_msgs.msg import TransformStamped
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.skeleton import H36M_17
from elepose_ros import transform_input
from elepose_ros.compat import optional_message
from elepose_ros.gravity_input import GravityInput
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter
from elepose_ros.tf import message_from_transforms
from elepose_ros.transform_input import TransformInput
from elepose_ros.transforms import TransformBuffer

SECOND = 1_000_000_000
TRANSFORMS: Any = optional_message('tf2_msgs', 'TFMessage')
pytestmark = [
    pytest.mark.usefixtures('ros'),
    pytest.mark.skipif(TRANSFORMS is None, reason='tf2_msgs is not installed'),
]


def message(parent: str, *children: str, stamp_ns: int = 0, x_m: float = 0.0) -> bytes:
    header = Header(frame_id=parent)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, SECOND)
    transforms = [TransformStamped(header=header, child_frame_id=child) for child in children]
    for transform in transforms:
        transform.transform.translation.x = x_m
    return bytes(serialize_message(TRANSFORMS(transforms=transforms)))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard(clock: Clock) -> TransformInput:
    return TransformInput(TRANSFORMS, lambda parent, child: False, clock)


def kept(heard: TransformInput) -> int:
    return sum(len(sender.messages) for sender in heard._senders.values())


def test_names_are_read_as_rclpy_writes_them() -> None:
    for length in range(1, 9):
        parent, child = 'p' * length, '/ä' + 'c' * (9 - length)
        data = message(parent, child, 'other', stamp_ns=5 * SECOND + 7)
        assert transform_input._first(data) == (5 * SECOND + 7, parent, child[1:])
        for end in range(len(data)):
            transform_input._first(data[:end])  # raises nothing
    assert transform_input._first(message('p')) is None
    swapped = b'\x00\x00\x00\x00' + b''.join(
        (*(n.to_bytes(4, 'big') for n in (1, 5, 7, 2)), b'p\0\0\0', b'\0\0\0\x02c\0')
    )
    assert transform_input._first(swapped) == (5 * SECOND + 7, 'p', 'c')


def test_few_messages_are_kept_and_a_moment_is_interpolated(heard: TransformInput) -> None:
    for tick in range(1000):
        stamp_ns = tick * SECOND // 100
        heard.take(message('odom', 'base', stamp_ns=stamp_ns, x_m=tick / 100), is_static=False)
    assert kept(heard) == 16
    buffer = TransformBuffer()
    heard.read_into(buffer, round(9.25 * SECOND))
    assert len(buffer._moving['base']) == 2, 'no more is read than what is asked for'
    assert buffer.matrix('odom', 'base', round(9.25 * SECOND))[0, 3] == pytest.approx(9.25)
    heard.read_into(buffer, round(9.26 * SECOND))
    assert len(buffer._moving['base']) == 2, 'what was read is not read again'
    heard.take(message('odom', 'base', stamp_ns=SECOND, x_m=1.0), is_static=False)
    assert kept(heard) == 1, 'time jumped back'


def test_what_is_static_is_read_at_any_moment(heard: TransformInput) -> None:
    heard.take(message('base', 'camera', x_m=1.0), is_static=True)
    heard.take(message('base', 'camera', x_m=2.0, stamp_ns=SECOND), is_static=True)
    buffer = TransformBuffer()
    heard.read_into(buffer, 0)
    assert buffer.matrix('base', 'camera', 0)[0, 3] == 2.0


def test_bytes_that_are_no_transforms_are_told(heard: TransformInput) -> None:
    heard.take(b'', is_static=False)
    heard.take(message('odom', 'base', 'other')[:60], is_static=False)
    heard.take(message('odom', 'arm'), is_static=False)
    buffer = TransformBuffer()
    heard.read_into(buffer, 0)
    assert 'cannot be read' in heard.trouble
    assert buffer.matrix('odom', 'arm', 0)[0, 3] == 0.0


def test_senders_that_fell_silent_make_room_for_the_robot(
    heard: TransformInput, clock: Clock
) -> None:
    for number in range(600):
        heard.take(message('other_camera', f'{number}_head'), is_static=False)
    heard.take(message('odom', 'base'), is_static=False)
    assert "'base' is left out" in heard.trouble
    clock.now_s = 31.0
    heard.trouble = ''
    heard.take(message('odom', 'base'), is_static=False)
    assert not heard.trouble
    assert len(heard._senders) == 1


def test_memory_is_bounded(heard: TransformInput, monkeypatch: pytest.MonkeyPatch) -> None:
    data = message('odom', 'base', *(f'f{number}' for number in range(50)))
    monkeypatch.setattr(transform_input, '_MOST_BYTES', 20 * len(data))
    for tick in range(20):
        for child in 'abc':
            many = message(
                'odom', child, *(f'f{n}' for n in range(50)), stamp_ns=tick * SECOND // 5
            )
            heard.take(many, is_static=False)
        held = [d for s in heard._senders.values() for _, d in s.messages if d is not None]
        assert heard._bytes == sum(map(len, held)) <= 20 * len(data)
    assert not heard.trouble, 'the newest of each are worth more than a long past'
    heard.read_into(TransformBuffer(), 4 * SECOND)
    assert kept(heard) > 0


def test_frames_that_fell_silent_make_room_in_the_buffer(clock: Clock) -> None:
    buffer = TransformBuffer(clock)

    def add(child: str) -> str:
        transform = TransformStamped(child_frame_id=child)
        transform.header.frame_id = 'odom'
        return buffer.add(SimpleNamespace(transforms=[transform]), is_static=False)

    assert not any(add(f'f{number}') for number in range(500))
    assert add('base') == 'base'
    clock.now_s = 20.0
    add('f1')
    clock.now_s = 31.0
    assert not add('base')
    assert [*buffer._moving] == ['f1', 'base']


class TestOwnFrames:
    """A node that hears what it sends itself."""

    @pytest.fixture
    def weighed(self) -> GravityInput:
        logger = SimpleNamespace(info=print, warning=print, error=print)
        return GravityInput(
            SimpleNamespace(  # type: ignore[arg-type]
                parameters=Parameters(
                    ground_frame='map', publish_joint_tf=True, publish_hri=True, publish_tf=True
                ),
                reporter=Reporter(logger),
                create_subscription=lambda *_, **__: None,
            )
        )

    def own(self, first_id: int, frame: str = 'cam') -> list[bytes]:
        header, pose = Header(frame_id=frame), (0.0,) * 6 + (1.0,)
        joints = [
            (f'{first_id + person}_{joint}', pose)
            for person in range(20)
            for joint in H36M_17.joint_names
        ]
        bodies = [(f'body_{first_id}', pose)]
        level = [(f'{frame}_level', pose)]
        return [message_from_transforms(header, frames) for frames in (joints, bodies, level)]

    def test_a_crowd_leaves_room_for_a_robot_that_comes_later(self, weighed: Any) -> None:
        transforms: Any = weighed._transforms
        for data in self.own(0):  # before the first frame has told the name of the camera
            transforms.take(data, is_static=False)
        with_camera = Header(frame_id='cam')
        weighed.compare(None, with_camera)
        assert not transforms._senders
        for first_id in range(0, 2000, 20):
            for data in self.own(first_id):
                transforms.take(data, is_static=False)
        assert not transforms._senders
        transforms.take(message('map', 'cam', x_m=1.0), is_static=True)
        transforms.take(message('cam', 'turret'), is_static=False)
        weighed.compare(None, with_camera)
        assert [*weighed._buffer._moving] == ['turret']
        with pytest.raises(InputError, match='connect'):
            weighed._buffer.matrix('map', 'cam_level', 0)

    def test_another_camera_is_heard(self, weighed: Any) -> None:
        weighed.compare(None, Header(frame_id='cam'))
        transforms: Any = weighed._transforms
        for data in self.own(0, frame='other'):
            transforms.take(data, is_static=False)
        assert len(transforms._senders) == 3

    def test_what_is_missing_is_told(self, weighed: Any) -> None:
        weighed._transforms.trouble = 'too much'
        weighed.compare(None, Header(frame_id='cam'))
        assert weighed.faults()['gravity transforms'] == 'too much'
        weighed.compare(None, Header(frame_id='cam'))
        assert 'gravity transforms' not in weighed.faults()
