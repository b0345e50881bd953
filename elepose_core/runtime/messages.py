# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What messages of ROS say, whoever read them: rclpy for a node, rosbags for a recording.

Fields are taken by their names, so that live and offline follow the same rules. A function raises
InputError with one sentence when the message is wrong.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from elepose_core.errors import InputError, shown
from elepose_core.geometry.camera import Camera
from elepose_core.runtime.bounds import (
    check_calibration,
    check_count,
    check_header,
    check_ids,
    check_keypoints,
)
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.skeleton import LAYOUTS, Skeleton

__all__ = [
    'camera_from_message',
    'camera_of_image',
    'image_size_from_message',
    'people_from_message',
    'stamp_ns_from_header',
]

_RATIONAL_COEFFICIENTS = 8


def stamp_ns_from_header(header: Any) -> int:
    """Return the stamp of a header in integer nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def camera_from_message(message: Any, rectified: bool) -> Camera:
    """Read sensor_msgs CameraInfo.

    Args:
        message: The calibration of the camera at full resolution.
        rectified: True when the image is already free of distortion: P counts, not K and D.

    Returns:
        The camera of the image that the message belongs to, after its binning and region.

    Raises:
        InputError: The camera is not calibrated or the calibration makes no sense.
    """
    check_calibration(message)
    matrix = np.array(message.p if rectified else message.k, dtype=np.float64).reshape(3, -1)
    matrix = matrix[:, :3].copy()
    if matrix[0, 0] == 0:
        raise InputError(
            f'{"P" if rectified else "K"}[0] of camera_info is 0; expected a focal length > 0 '
            '(the camera is not calibrated)'
        )
    binning_x, binning_y = _binning(message)
    region = message.roi
    with np.errstate(invalid='ignore'):  # Camera refuses a NaN; a signalling one would warn here
        matrix[:2, 2] -= (region.x_offset, region.y_offset)
    matrix[0] /= binning_x
    matrix[1] /= binning_y
    model, distortion = ('none', ()) if rectified else _distortion(message)
    width, height = image_size_from_message(message)
    return Camera(
        matrix=matrix,
        width=width,
        height=height,
        distortion_model=model,
        distortion=distortion,
    )


def image_size_from_message(message: Any) -> tuple[int, int]:
    """Return width and height, px, of the image of a CameraInfo; 0 where it does not say."""
    binning_x, binning_y = _binning(message)
    region = message.roi
    return (
        int(region.width or message.width) // binning_x,
        int(region.height or message.height) // binning_y,
    )


def camera_of_image(camera: Camera, width: int, height: int) -> Camera:
    """Return the calibrated camera of an image of this size, px; 0 = as the calibration says.

    Raises:
        InputError: The calibration belongs to an image of another shape.
    """
    if camera.width == 0 or camera.height == 0:
        # Some drivers leave the size out: then the numbers are those of the image at hand.
        return dataclasses.replace(camera, width=width, height=height)
    return camera.scaled_to(width, height) if width and height else camera


def people_from_message(message: Any) -> People2D:
    """Read our own People2D message.

    Raises:
        InputError: The layout is unknown, an array has the wrong length, or something is beyond
            the bounds of `elepose_core.runtime.bounds`.
    """
    check_header(message.header)
    layout = LAYOUTS.get(message.layout)
    if layout is None:
        raise InputError(
            f'layout of the keypoints is {shown(message.layout)}; '
            f'expected one of {", ".join(LAYOUTS)}'
        )
    check_count(len(message.people))
    ids = [str(person.id) for person in message.people]
    check_ids(ids)
    columns = [_columns(person, n, layout) for n, person in enumerate(message.people)]
    # (N, 3, J): of all people at once, since each call on an array costs as much as its work.
    values = np.array(columns, np.float32).reshape(-1, 3, len(layout))
    check_keypoints(values[:, :2], values[:, 2])
    keypoints_px = np.ascontiguousarray(values[:, :2].transpose(0, 2, 1))
    people = tuple(
        Person2D(name, keypoints_px[number], values[number, 2]) for number, name in enumerate(ids)
    )
    return People2D(stamp_ns_from_header(message.header), layout.name, people)


def _binning(message: Any) -> tuple[int, int]:
    return max(message.binning_x, 1), max(message.binning_y, 1)


def _columns(person: Any, number: int, layout: Skeleton) -> Sequence[Sequence[float]]:
    columns = (person.x, person.y, person.score)
    lengths = [len(column) for column in columns]
    if lengths != [len(layout)] * 3:
        raise InputError(
            f'x, y and score of people[{number}] have {lengths[0]}, {lengths[1]} and '
            f'{lengths[2]} entries; expected {len(layout)} each for layout {layout.name}'
        )
    return columns


def _distortion(message: Any) -> tuple[str, tuple[float, ...]]:
    model = str(message.distortion_model)
    coefficients = tuple(float(value) for value in message.d)
    if not any(coefficients) and model in ('', 'plumb_bob', 'rational_polynomial'):
        return 'none', ()
    extra = coefficients[_RATIONAL_COEFFICIENTS:]
    if model == 'rational_polynomial' and extra and not any(extra):
        # Drivers fill the list up with the zeros of terms that the lens does not need.
        coefficients = coefficients[:_RATIONAL_COEFFICIENTS]
    return model, coefficients
