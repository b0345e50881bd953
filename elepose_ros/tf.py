# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Frames for /tf: the level one (at the camera, z up, x along the optical axis) and people's."""

import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped
from numpy.typing import NDArray
from std_msgs.msg import Header

from elepose_core.geometry.elevation import level_from_camera
from elepose_ros import cdr

__all__ = [
    'level_transform',
    'message_from_transforms',
    'quaternion_from_rotation',
    'rotation_from_quaternion',
]

_POSE = struct.Struct('<7d')


def level_transform(up_cam: NDArray[np.float64], header: Header) -> TransformStamped:
    """Return the pose of the level frame in the camera frame.

    Args:
        up_cam: (3,) direction against gravity in the optical frame.
        header: The header of the input; its frame becomes the parent.
    """
    transform = TransformStamped(header=header, child_frame_id=f'{header.frame_id}_level')
    camera_from_level = level_from_camera(up_cam).T
    x, y, z, w = quaternion_from_rotation(camera_from_level)
    transform.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    return transform


def message_from_transforms(
    header: Header, transforms: Iterable[tuple[str, tuple[float, ...]]]
) -> bytes:
    """Return a tf2_msgs/TFMessage of frames that all hang on the header's.

    Args:
        header: Stamp and parent frame of all.
        transforms: The name of each frame and its pose: x, y, z (m), then the quaternion's x, y,
            z and w.
    """
    parts = list(transforms)
    count = cdr.COUNT.pack(len(parts))
    return cdr.message([count, *_written(parts, header, len(count))])


def _written(
    transforms: Iterable[tuple[str, tuple[float, ...]]], header: Header, length: int
) -> Iterator[bytes]:
    """Yield the parts of all transforms, which start `length` bytes behind the encapsulation."""
    head = cdr.stamp(header) + cdr.text(header.frame_id)
    for name, pose in transforms:
        child = cdr.text(name)
        length += len(head) + len(child)
        gap = cdr.padding(length, 8)
        length += len(gap) + _POSE.size
        yield from (head, child, gap, _POSE.pack(*pose))


def quaternion_from_rotation(rotation: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the unit quaternion (x, y, z, w) with w >= 0 of a rotation matrix (3, 3)."""
    m: Any = rotation.tolist()
    # The four squares; the largest one is safe to divide by.
    squares = [
        1 + m[0][0] - m[1][1] - m[2][2],
        1 - m[0][0] + m[1][1] - m[2][2],
        1 - m[0][0] - m[1][1] + m[2][2],
        1 + m[0][0] + m[1][1] + m[2][2],
    ]
    largest = squares.index(max(squares))
    four = 2 * math.sqrt(squares[largest])
    skew = (m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1])
    if largest == 3:
        values = [*(s / four for s in skew), four / 4]
    else:
        values = [(m[i][largest] + m[largest][i]) / four for i in range(3)] + [
            skew[largest] / four
        ]
        values[largest] = four / 4
    sign = -1.0 if values[3] < 0 else 1.0
    x, y, z, w = (sign * value for value in values)
    return x, y, z, w


def rotation_from_quaternion(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation matrix (3, 3) of a quaternion (x, y, z, w) of any length > 0."""
    x, y, z, w = (quaternion / np.linalg.norm(quaternion)).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
