# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from elepose_core.runtime.people import ScaleSource, Skeleton3D, Skeletons3D
from elepose_ros import interfaces
from elepose_ros.skeleton_message import message_from_skeletons

# What rclpy reads bytes with loads modules of Python that are to go.
pytestmark = pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')

HEADER = Header(stamp=Time(sec=-3, nanosec=250), frame_id='camera_optical')


def skeleton(name: str) -> Skeleton3D:
    joints = np.arange(51, dtype=np.float32).reshape(17, 3)
    joints[4] = np.nan
    return Skeleton3D(
        id=name,
        track=2,
        joints_cam_m=joints,
        sigma_m=np.linspace(0, 0.16, 17, dtype=np.float32),
        scores=np.full(17, 0.9, np.float32),
        root_cam_m=np.array([0.5, 0.25, 4.0]),
        root_covariance_m2=np.arange(9.0).reshape(3, 3),
        scale_source=ScaleSource.STATURE,
        plausibility=0.25,
    )


def read(*people: Skeleton3D, header: Header = HEADER) -> interfaces.Skeletons3D:
    result = Skeletons3D(0, people, (), None, False, tuple(range(len(people))))
    data = message_from_skeletons(result, header)
    message = deserialize_message(data, interfaces.Skeletons3D)
    # What rclpy pads with is not defined, so the bytes may differ there.
    assert len(serialize_message(message)) == len(data)
    return message


def test_skeletons_become_a_message_with_the_input_header() -> None:
    message = read(skeleton('anna'))
    assert message.header == HEADER
    assert message.layout == 'h36m_17'
    only = message.skeletons[0]
    assert only.id == 'anna'
    assert (only.x[2], only.y[2], only.z[2]) == (6, 7, 8)
    assert math.isnan(only.x[4])
    assert (only.root.x, only.root.y, only.root.z) == (0.5, 0.25, 4.0)
    assert list(only.root_covariance) == list(range(9))
    assert only.scale_source == interfaces.Skeleton3D.STATURE == ScaleSource.STATURE
    np.testing.assert_allclose(only.sigma, np.arange(17) / 100, rtol=1e-6)
    np.testing.assert_array_equal(only.score, np.full(17, 0.9, np.float32))
    assert only.plausibility == 0.25


@pytest.mark.parametrize('frame', ['', 'a', 'ab', 'abc', 'Kamera vorn für größte Übersicht'])
def test_names_of_any_length_keep_what_follows_in_its_place(frame: str) -> None:
    names = ['', '1', '12', '123', '1234', 'Zoë', 'a long name from upstream']
    message = read(*map(skeleton, names), header=Header(frame_id=frame))
    assert message.header.frame_id == frame
    assert [person.id for person in message.skeletons] == names
    for person in message.skeletons:
        assert person.root.z == 4.0
        assert person.plausibility == 0.25
        assert len(person.score) == 17


def test_nobody_is_an_empty_list() -> None:
    assert read().skeletons == []
