# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to the core's types and back: pure functions, no node, no clock.

A function that reads a message raises InputError with one sentence when the message is wrong.
"""

import math
from array import array
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3
from numpy.typing import NDArray
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.images import rgb_from_compressed, rgb_from_raw
from elepose_core.runtime.bounds import (
    check_header,
)
from elepose_core.runtime.people import Elevation, People2D
from elepose_ros import interfaces

__all__ = [
    'message_from_elevation',
    'message_from_people',
    'rgb_from_message',
]


def rgb_from_message(message: Any) -> NDArray[np.uint8]:
    """Decode sensor_msgs Image or CompressedImage.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: The image is empty, cut off or of an encoding that is not known.
    """
    check_header(message.header)
    if hasattr(message, 'format'):
        return rgb_from_compressed(message.data)
    if message.width == 0 or message.height == 0:
        raise InputError(f'image is {message.width}x{message.height} pixels; expected both > 0')
    return rgb_from_raw(
        message.data,
        message.height,
        message.width,
        message.step,
        message.encoding,
        bool(message.is_bigendian),
    )


def message_from_people(
    people: People2D, header: Header, width: int, height: int
) -> interfaces.People2D:
    """Write our own People2D message.

    Args:
        people: Keypoints of one frame.
        header: The header of the image, which is kept as it is.
        width: Image width, px.
        height: Image height, px.
    """
    message = interfaces.People2D(
        header=header, layout=people.layout, image_width=width, image_height=height
    )
    message.people = [
        interfaces.Person2D(
            id=person.id,
            x=_floats(person.keypoints_px[:, 0]),
            y=_floats(person.keypoints_px[:, 1]),
            score=_floats(person.scores),
        )
        for person in people.people
    ]
    return message


def message_from_elevation(
    elevation: Elevation | None, header: Header
) -> interfaces.CameraElevation:
    """Write our own CameraElevation message with the header of the input.

    Args:
        elevation: What people have shown so far; None = nothing, which becomes NaN.
        header: The header of the input.
    """
    kind = interfaces.CameraElevation
    if elevation is None:
        nan = math.nan
        unknown = kind(header=header, elevation=nan, roll=nan, status=kind.COLLECTING)
        unknown.elevation_variance = unknown.roll_variance = nan
        unknown.up = Vector3(x=nan, y=nan, z=nan)
        return unknown
    up = [float(value) for value in elevation.up_cam]
    return kind(
        header=header,
        elevation=float(elevation.elevation_rad),
        roll=float(elevation.roll_rad),
        elevation_variance=float(elevation.elevation_variance),
        roll_variance=float(elevation.roll_variance),
        up=Vector3(x=up[0], y=up[1], z=up[2]),
        samples=int(elevation.samples),
        status=int(elevation.status),
    )


def _floats(values: NDArray[np.floating[Any]]) -> 'array[float]':
    # rclpy takes an array('f') as it is; it would copy an ndarray or a list number by number.
    return array('f', np.ascontiguousarray(values, np.float32).tobytes())
