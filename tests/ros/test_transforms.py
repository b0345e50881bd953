# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from geometry_msgs.msg import TransformStamped
from scipy.spatial.transform import Rotation

from elepose_core.errors import InputError
from elepose_ros.compat import optional_message
from elepose_ros.tf import rotation_from_quaternion
from elepose_ros.transforms import TransformBuffer

SECOND = 1_000_000_000


def transform(
    parent: str,
    child: str,
    at_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
    turn: Rotation | None = None,
    stamp_s: float = 0.0,
) -> Any:
    """Return the pose of `child` in `parent`."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(round(stamp_s * 1e9), SECOND)
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = at_m
    q.x, q.y, q.z, q.w = (turn or Rotation.identity()).as_quat().tolist()
    return message


def buffer_of(*moving: Any, static: tuple[Any, ...] = ()) -> TransformBuffer:
    kind, buffer = optional_message('tf2_msgs', 'TFMessage'), TransformBuffer()
    assert kind is not None
    buffer.add(kind(transforms=list(static)), is_static=True)
    for message in moving:
        buffer.add(kind(transforms=[message]), is_static=False)
    return buffer


def test_a_chain_up_and_down_the_tree_agrees_with_scipy() -> None:
    turns = Rotation.random(3, random_state=2)
    buffer = buffer_of(
        transform('odom', 'base', (1.0, 2.0, 0.0), turns[0]),
        static=(
            transform('base', 'mast', (0.0, 0.1, 1.2), turns[1]),
            transform('mast', 'camera', (0.2, 0.0, 0.1), turns[2]),
            transform('/base', '/imu', (0.0, 0.0, 0.3)),
        ),
    )
    point = np.array([0.3, -0.2, 2.0])
    in_mast = turns[2].apply(point) + np.array([0.2, 0.0, 0.1])
    in_base = turns[1].apply(in_mast) + np.array([0.0, 0.1, 1.2])
    in_odom = turns[0].apply(in_base) + np.array([1.0, 2.0, 0.0])
    for target, expected in (('base', in_base), ('odom', in_odom), ('imu', in_base - [0, 0, 0.3])):
        matrix = buffer.matrix(target, 'camera', 0)
        np.testing.assert_allclose((matrix @ [*point, 1])[:3], expected, atol=1e-12)
        back = buffer.matrix('camera', target, 0)
        np.testing.assert_allclose(back @ matrix, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(buffer.matrix('camera', 'camera', 0), np.eye(4))


def test_a_moving_frame_is_interpolated_at_the_stamp() -> None:
    turn = Rotation.from_euler('z', 20, degrees=True)
    for second in (turn, Rotation.from_quat(-turn.as_quat())):
        buffer = buffer_of(
            transform('odom', 'base', (0.0, 0.0, 0.0), None, 10.0),
            transform('odom', 'base', (2.0, 0.0, 0.0), second, 10.2),
        )
        matrix = buffer.matrix('odom', 'base', round(10.05 * SECOND))
        assert matrix[0, 3] == pytest.approx(0.5)
        angle = Rotation.from_matrix(matrix[:3, :3]).magnitude()
        assert math.degrees(angle) == pytest.approx(5.0, abs=0.1)
    # A little before and after what is known the nearest counts.
    assert buffer.matrix('odom', 'base', round(9.6 * SECOND))[0, 3] == 0.0
    assert buffer.matrix('odom', 'base', round(10.6 * SECOND))[0, 3] == pytest.approx(2.0)


def test_what_is_not_known_is_said_with_the_cure() -> None:
    buffer = buffer_of(transform('odom', 'base', stamp_s=10.0))
    with pytest.raises(InputError, match=r"connect 'camera' with 'odom'; start robot_state"):
        buffer.matrix('odom', 'camera', 10 * SECOND)
    with pytest.raises(InputError, match=r"'base' is 5\.0 s away from the stamp"):
        buffer.matrix('odom', 'base', 15 * SECOND)


def test_a_stale_transform_above_the_common_frame_does_not_matter() -> None:
    buffer = buffer_of(
        transform('odom', 'base', stamp_s=10.0),
        static=(transform('base', 'camera', (0.0, 0.0, 1.5)), transform('base', 'imu')),
    )
    for target, height_m in (('base', 1.5), ('imu', 1.5)):
        assert buffer.matrix(target, 'camera', 100 * SECOND)[2, 3] == height_m
        assert buffer.matrix('camera', target, 100 * SECOND)[2, 3] == -height_m
    for target in ('odom', 'map'):
        with pytest.raises(InputError, match=r"'base' is 90\.0 s away from the stamp"):
            buffer.matrix(target, 'camera', 100 * SECOND)


def test_nonsense_neither_enters_nor_hangs() -> None:
    flat = transform('a', 'flat')
    flat.transform.rotation.w = 0.0
    lost = transform('a', 'lost', (math.nan, 0.0, 0.0))
    loop = (transform('x', 'y'), transform('y', 'x'))
    buffer = buffer_of(static=(flat, lost, *loop, transform('', 'orphan')))
    for frame in ('flat', 'lost', 'y', 'orphan'):
        with pytest.raises(InputError, match='connect'):
            buffer.matrix('a', frame, 0)
    for number in range(600):
        buffer.add(
            optional_message('tf2_msgs', 'TFMessage')(transforms=[transform('a', f'f{number}')]),  # type: ignore[misc]
            is_static=False,
        )
    assert len(buffer._moving) == 500
    for tick in range(600):
        buffer.add(
            optional_message('tf2_msgs', 'TFMessage')(  # type: ignore[misc]
                transforms=[transform('a', 'f0', stamp_s=1 + tick / 100)]
            ),
            is_static=False,
        )
    assert len(buffer._moving['f0']) <= 500


def test_time_that_jumps_back_starts_anew() -> None:
    buffer = buffer_of(
        transform('odom', 'base', (1.0, 0.0, 0.0), None, 100.0),
        transform('odom', 'base', (2.0, 0.0, 0.0), None, 10.0),
    )
    assert buffer.matrix('odom', 'base', 10 * SECOND)[0, 3] == 2.0


def test_quaternions_give_the_rotation_that_scipy_gives() -> None:
    for rotation in Rotation.random(50, random_state=3):
        ours = rotation_from_quaternion(1.5 * rotation.as_quat())
        np.testing.assert_allclose(ours, rotation.as_matrix(), atol=1e-12)
