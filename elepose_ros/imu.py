# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which way is up by an IMU: by its orientation where that can be believed, else at rest."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_ros.tf import rotation_from_quaternion

__all__ = ['UpFromImu', 'up_from_imu']

Array = NDArray[np.float64]

# How well a cheap accelerometer knows up; the message does not say so.
_ACCELEROMETER_SIGMA_RAD = math.radians(1.0)
_STANDARD_GRAVITY, _GRAVITY_TOLERANCE = 9.81, 0.4
_AT_REST_RAD_S = 0.05
# A robot that speeds up by 1.4 m/s^2 seems to be tilted so far.
_MOST_APART_DEG = 8.0


class UpFromImu(NamedTuple):
    """Up as an IMU says it.

    Attributes:
        up_imu: (3,) unit vector against gravity in the frame of the IMU.
        variance: rad^2, of its direction.
        doubt: What of the IMU cannot be believed, one sentence; '' = nothing.
    """

    up_imu: Array
    variance: float
    doubt: str = ''


def up_from_imu(messages: list[Any]) -> UpFromImu:
    """Return up in the frame of an IMU.

    The orientation says it where the IMU gives one (REP 145: z of the world is up); else what an
    accelerometer measures at rest points up. Where it gives both and they contradict each other,
    the acceleration counts, which no driver has computed.

    Differs: REP 145 has -1 in the covariance of what is not given. Many drivers leave the fields
    of a new message as they are, so that not turned with variance 0 is no orientation either.

    Args:
        messages: sensor_msgs/Imu, the newest last.

    Raises:
        InputError: It gives neither, or no orientation and does not rest.
    """
    oriented = _by_orientation(messages[-1])
    try:
        resting = _at_rest(messages)
    except InputError:
        if oriented is None:
            raise
        return oriented
    if oriented is None:
        return resting
    apart = np.clip(oriented.up_imu @ resting.up_imu, -1.0, 1.0)
    apart_deg = math.degrees(math.acos(float(apart)))
    if apart_deg <= _MOST_APART_DEG:
        return oriented
    return resting._replace(
        doubt=f'the orientation of the IMU says up {apart_deg:.0f} degrees away from where its '
        'acceleration at rest points; the acceleration counts: check its driver, or have it send '
        '-1 as first covariance of the orientation'
    )


def _by_orientation(message: Any) -> UpFromImu | None:
    q, covariance = message.orientation, message.orientation_covariance
    quaternion = np.array([q.x, q.y, q.z, q.w])
    if not (covariance[0] >= 0 and 0.9 < np.linalg.norm(quaternion) < 1.1):
        return None
    if not np.any(covariance) and not np.any(quaternion[:3]):
        return None
    variance = max(covariance[0], covariance[4])
    known = variance if variance > 0 else _ACCELEROMETER_SIGMA_RAD**2
    return UpFromImu(rotation_from_quaternion(quaternion)[2], float(known))


def _at_rest(messages: list[Any]) -> UpFromImu:
    if messages[-1].linear_acceleration_covariance[0] < 0:
        raise InputError('the IMU gives neither orientation nor acceleration; expected one')
    acceleration, turning = (
        np.array([[v.x, v.y, v.z] for v in vectors])
        for vectors in (
            [m.linear_acceleration for m in messages],
            [m.angular_velocity for m in messages if m.angular_velocity_covariance[0] >= 0],
        )
    )
    mean = acceleration.mean(0)
    length = float(np.linalg.norm(mean))
    if not abs(length - _STANDARD_GRAVITY) < _GRAVITY_TOLERANCE:
        raise InputError(
            f'the IMU measures {length:.2f} m/s^2; expected about {_STANDARD_GRAVITY} at rest'
        )
    if len(turning) and np.linalg.norm(turning, axis=1).max() > _AT_REST_RAD_S:
        raise InputError('the IMU turns; expected it to rest, as it gives no orientation')
    return UpFromImu(mean / length, _ACCELEROMETER_SIGMA_RAD**2)
