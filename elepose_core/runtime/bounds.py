# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How large the parts of a message may be, for live nodes and recordings alike.

Whoever can reach a topic can send anything. These checks come before memory or time is spent; a
message that fails one costs its frame, and one sentence says why.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError, shown
from elepose_core.geometry.camera import MAX_KEYPOINT_PX, MAX_SIDE_PX

__all__ = [
    'MAX_BINNING',
    'MAX_COEFFICIENTS',
    'MAX_NAME_CHARACTERS',
    'MAX_PEOPLE_PER_MESSAGE',
    'MAX_SCORE',
    'check_calibration',
    'check_count',
    'check_header',
    'check_ids',
    'check_keypoints',
]

# More is a broken publisher, and would hold the node up for seconds.
MAX_PEOPLE_PER_MESSAGE = 300
# Of an id or a frame_id, which go out again with each message.
MAX_NAME_CHARACTERS = 256
# OpenCV's longest lens model.
MAX_COEFFICIENTS = 14
MAX_BINNING = 64
# Some detectors overshoot: OpenPose gives a little more than 1. It counts as 1.
MAX_SCORE = 1.1
_SECOND_NS = 1_000_000_000


def check_header(header: Any) -> None:
    """Refuse a std_msgs/Header that no clock or frame of ROS could have.

    Raises:
        InputError: The stamp is negative or has too many nanoseconds, or frame_id is too long.
    """
    stamp = header.stamp
    if stamp.sec < 0 or stamp.nanosec >= _SECOND_NS:
        raise InputError(
            f'stamp of the header is {stamp.sec} s and {stamp.nanosec} ns; '
            f'expected 0 s or later and less than {_SECOND_NS} ns'
        )
    if len(header.frame_id) > MAX_NAME_CHARACTERS:
        raise InputError(
            f'frame_id of the header is {shown(header.frame_id)}; '
            f'expected at most {MAX_NAME_CHARACTERS} characters'
        )


def check_count(people: int) -> None:
    """Refuse a frame with too many people.

    Raises:
        InputError: There are more than `MAX_PEOPLE_PER_MESSAGE`.
    """
    if people > MAX_PEOPLE_PER_MESSAGE:
        raise InputError(f'people has {people} entries; expected at most {MAX_PEOPLE_PER_MESSAGE}')


def check_ids(ids: Sequence[str]) -> None:
    """Refuse ids that are too long to be names.

    Raises:
        InputError: One has more than `MAX_NAME_CHARACTERS`.
    """
    if max(map(len, ids), default=0) > MAX_NAME_CHARACTERS:
        number, name = max(enumerate(ids), key=lambda item: len(item[1]))
        raise InputError(
            f'id of people[{number}] is {shown(name)}; '
            f'expected at most {MAX_NAME_CHARACTERS} characters'
        )


def check_keypoints(points_px: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """Refuse coordinates and scores that no detector could mean; NaN counts as missing.

    Args:
        points_px: (N, 2, J) x and y of all people.
        scores: (N, J).

    Raises:
        InputError: A coordinate is beyond `MAX_KEYPOINT_PX` or a score not in
            0..1.
    """
    too_far = np.abs(points_px) > MAX_KEYPOINT_PX
    if too_far.any():
        number = int(too_far.any((1, 2)).argmax())
        raise InputError(
            f'x and y of people[{number}] reach {np.nanmax(np.abs(points_px[number])):g} px; '
            f'expected at most {MAX_KEYPOINT_PX:g}, or NaN for a missing keypoint'
        )
    wrong = (scores < 0) | (scores > MAX_SCORE)
    if wrong.any():
        number = int(wrong.any(1).argmax())
        value = scores[number][wrong[number]][0]
        raise InputError(f'score of people[{number}] has {value:g}; expected values in 0..1')


def check_calibration(message: Any) -> None:
    """Refuse a sensor_msgs/CameraInfo whose sizes make no sense.

    Raises:
        InputError: D is too long, or size, binning or region are too large.
    """
    if len(message.d) > MAX_COEFFICIENTS:
        raise InputError(
            f'D of camera_info has {len(message.d)} entries; expected at most {MAX_COEFFICIENTS}'
        )
    region = message.roi
    sides = {
        'width': message.width,
        'height': message.height,
        'roi.x_offset': region.x_offset,
        'roi.y_offset': region.y_offset,
        'roi.width': region.width,
        'roi.height': region.height,
    }
    for name, value in sides.items():
        if value > MAX_SIDE_PX:
            raise InputError(f'{name} of camera_info is {value}; expected at most {MAX_SIDE_PX}')
    for name in ('binning_x', 'binning_y'):
        value = getattr(message, name)
        if value > MAX_BINNING:
            raise InputError(f'{name} of camera_info is {value}; expected at most {MAX_BINNING}')
