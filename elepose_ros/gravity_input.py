# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Gravity and the height of the camera from TF and an IMU, beside what people show.

The node does not take these directions over: it says when they and people disagree, since then
somebody has moved the camera or the calibration of its mount is wrong.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from elepose_core.errors import InputError
from elepose_core.runtime.gravity_check import Agreement, check_gravity
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.runtime.people import LARGEST_HEIGHT_M, LEAST_HEIGHT_M, Elevation
from elepose_core.skeleton import H36M_17
from elepose_ros.compat import optional_message
from elepose_ros.imu import up_from_imu
from elepose_ros.lifecycle import Part, PartsNode
from elepose_ros.qos import input_qos, tf_qos
from elepose_ros.transform_input import TransformInput
from elepose_ros.transforms import TransformBuffer

__all__ = ['GravityInput']

Array = NDArray[np.float64]

# How well mounts are known; no message says so.
_MOUNT_SIGMA_RAD = math.radians(2.0)
# Where an orientation claims to be better than this it forgets its own mount.
_LEAST_VARIANCE = math.radians(0.5) ** 2
_IMU_MESSAGES = 50
# As `JointFrames` names them.
_JOINT_ENDINGS = tuple(f'_{name}' for name in H36M_17.joint_names)
# About one frame a second is compared; a slow detector has less.
_LASTS_S = 10.0


class _Given(NamedTuple):
    """Up in the camera frame from elsewhere and its variance, rad^2."""

    up_cam: Array
    variance: float


class GravityInput(Part):
    """Compares up and supplies the height; there and idle where no parameter asks for it.

    Attributes:
        camera_height_m: Above z = 0 of `ground_frame`; None = not known.
    """

    def __init__(self, node: PartsNode) -> None:
        """Listen.

        Raises:
            InputError: TF is asked for and tf2_msgs is not there.
        """
        parameters = node.parameters
        self._node = node
        self._buffer = TransformBuffer()
        self._transforms: TransformInput | None = None
        self._camera_frame = ''
        self._imu: deque[bytes] = deque(maxlen=_IMU_MESSAGES)
        self._facts: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self._compared_s = 0.0
        self._subscriptions: list[Any] = []
        self.camera_height_m: float | None = None
        if parameters.gravity_frame or parameters.ground_frame or parameters.use_imu:
            self._listen_to_transforms()
        if parameters.use_imu:
            # As bytes: an IMU is fast, and one message a second is read.
            qos = input_qos('best_effort', 5)
            self._subscriptions.append(
                node.create_subscription(Imu, 'imu', lambda m: self._imu.append(m), qos, raw=True)
            )

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def start(self) -> None:
        """Begin without what was found before the node was inactive."""
        self._imu.clear()
        self.reset()

    def reset(self) -> None:
        """Forget the height and what the last comparison found."""
        self.camera_height_m = None
        self._forget()

    def watch(self) -> None:
        """Forget what was found when no frames come: it is no longer known to hold."""
        if time.monotonic() - self._compared_s > _LASTS_S:
            self._forget()

    def facts(self) -> dict[str, str]:
        """Return what the last comparison found."""
        return self._facts

    def faults(self) -> dict[str, str]:
        """Return what keeps from comparing, and what contradicts."""
        return self._faults

    def compare(self, elevation: Elevation | None, header: Header) -> None:
        """Compare with what people have shown; to be called about once a second.

        Args:
            elevation: Of the newest frame; None before the first person.
            header: Of that frame.
        """
        parameters = self._node.parameters
        self._facts, self._faults = {}, {}
        self._compared_s = time.monotonic()
        self._camera_frame = header.frame_id
        if self._transforms is not None:
            self._transforms.read_into(self._buffer, stamp_ns_from_header(header))
            if self._transforms.trouble:
                self._faults['gravity transforms'] = self._transforms.trouble
                self._transforms.trouble = ''
        if parameters.ground_frame and not self._try('height', lambda: self._find_height(header)):
            self.camera_height_m = None
        if parameters.gravity_frame:
            self._try('TF', lambda: self._judge('TF', elevation, self._from_tf(header)))
        if parameters.use_imu:
            self._try('IMU', lambda: self._judge('IMU', elevation, self._from_imu(header)))
        for key, sentence in self._faults.items():
            self._node.reporter.warn(key, sentence)

    def _forget(self) -> None:
        for key in self._faults:
            self._node.reporter.over(key)
        self._facts, self._faults = {}, {}

    def _try(self, source: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except InputError as error:
            self._faults[f'gravity {source}'] = f'{source} cannot be used: {error}'
            return False
        return True

    def _judge(self, source: str, elevation: Elevation | None, given: _Given) -> None:
        check = check_gravity(elevation, given.up_cam, given.variance)
        self._facts[f'gravity by {source}'] = check.sentence
        if check.agreement is Agreement.CONTRADICTS:
            self._faults[f'gravity {source}'] = (
                f'{source}: {check.sentence}; was the camera moved? Calibrate its mount anew '
                '(~/save_static_transform writes what people show)'
            )

    def _find_height(self, header: Header) -> None:
        frame = self._node.parameters.ground_frame
        ground_from_camera = self._matrix(frame, header.frame_id, header)
        height_m = float(ground_from_camera[2, 3])
        if height_m < LEAST_HEIGHT_M:
            raise InputError(
                f'the camera lies {-height_m:.2f} m below z = 0 of ground_frame {frame!r}; '
                'expected a frame on the ground with z up'
            )
        if not height_m <= LARGEST_HEIGHT_M:
            raise InputError(
                f'the camera lies {height_m:.2f} m above z = 0 of ground_frame {frame!r}; '
                f'expected at most {LARGEST_HEIGHT_M:g} m: z = 0 must be on the ground, not at '
                'sea level'
            )
        self.camera_height_m = height_m
        self._facts['camera height by TF [m]'] = f'{height_m:.3f}'

    def _from_tf(self, header: Header) -> _Given:
        frame = self._node.parameters.gravity_frame
        if frame == f'{header.frame_id}_level' and self._node.parameters.publish_tf:
            raise InputError(
                f'gravity_frame is {frame!r}, which this node sends itself; expected publish_tf '
                'to be false, or another frame'
            )
        camera_from_gravity = self._matrix(header.frame_id, frame, header)
        return _Given(camera_from_gravity[:3, 2], _MOUNT_SIGMA_RAD**2)

    def _from_imu(self, header: Header) -> _Given:
        waiting = [*self._imu]
        self._imu.clear()  # what is old must not count for ever
        try:
            messages = [deserialize_message(data, Imu) for data in waiting]
        except Exception as error:  # whatever rclpy raises for bytes that are no such message
            raise InputError(f'imu sends what cannot be read ({error})') from None
        if not messages:
            topic = self._node.resolve_topic_name('imu')
            raise InputError(f'nothing came on {topic}; expected sensor_msgs/Imu: remap imu')
        up_imu, variance, doubt = up_from_imu(messages)
        if doubt:
            self._faults['gravity IMU orientation'] = doubt
        frame = messages[-1].header.frame_id
        if frame != header.frame_id:
            up_imu = self._matrix(header.frame_id, frame, header)[:3, :3] @ up_imu
        return _Given(up_imu, variance + _LEAST_VARIANCE)

    def _matrix(self, target: str, source: str, header: Header) -> Array:
        return self._buffer.matrix(target, source, stamp_ns_from_header(header))

    def _listen_to_transforms(self) -> None:
        message = optional_message('tf2_msgs', 'TFMessage')
        if message is None:
            raise InputError(
                'gravity_frame, ground_frame and use_imu need the package tf2_msgs, which is not '
                'there; install it (apt: ros-<distro>-tf2-msgs)'
            )
        latched = tf_qos()
        latched.durability = DurabilityPolicy.TRANSIENT_LOCAL
        transforms = self._transforms = TransformInput(message, self._is_own)
        for topic, qos, is_static in (('/tf', tf_qos(), False), ('/tf_static', latched, True)):
            self._subscriptions.append(
                self._node.create_subscription(
                    message,
                    topic,
                    lambda data, is_static=is_static: transforms.take(data, is_static=is_static),
                    qos,
                    raw=True,
                )
            )

    def _is_own(self, parent: str, child: str) -> bool:
        """Tell whether this node sends a frame on /tf itself: a crowd's are many."""
        if parent != self._camera_frame.lstrip('/'):
            return False
        parameters = self._node.parameters
        return (
            (parameters.publish_tf and child == f'{parent}_level')
            or (parameters.publish_joint_tf and child.endswith(_JOINT_ENDINGS))
            or (parameters.publish_hri and child.startswith('body_'))
        )
