# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from elepose_ros.tf import level_transform, quaternion_from_rotation


def test_a_level_camera_gives_the_usual_optical_rotation() -> None:
    transform = level_transform(np.array([0.0, -1.0, 0.0]), Header(frame_id='cam'))
    assert (transform.header.frame_id, transform.child_frame_id) == ('cam', 'cam_level')
    q = transform.transform.rotation
    # Level x (forward) is optical z, level y (left) is optical -x, level z (up) is optical -y.
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0.5, -0.5, 0.5, 0.5))
    assert transform.transform.translation.x == 0


def test_up_in_the_level_frame_is_up_in_the_camera() -> None:
    down = math.radians(25)
    up_cam = np.array([0, -math.cos(down), -math.sin(down)])
    q = level_transform(up_cam, Header(frame_id='cam')).transform.rotation
    camera_from_level = Rotation.from_quat([q.x, q.y, q.z, q.w])
    np.testing.assert_allclose(camera_from_level.apply([0, 0, 1]), up_cam, atol=1e-12)
    # A point 1 m ahead on the level lies in the upper half of a picture that looks down.
    assert camera_from_level.apply([1, 0, 0])[1] == pytest.approx(-math.sin(down))


def test_quaternions_agree_with_scipy_in_every_corner() -> None:
    turns = Rotation.random(200, random_state=1)
    half_turns = Rotation.from_rotvec(np.pi * np.eye(3))
    for rotation in [*turns, *half_turns]:
        ours = np.array(quaternion_from_rotation(rotation.as_matrix()))
        assert ours[3] >= 0
        assert abs(ours @ rotation.as_quat()) == pytest.approx(1, abs=1e-12)
