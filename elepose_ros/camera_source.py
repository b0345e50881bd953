# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which camera a frame was taken with: the newest camera_info, or an assumed field of view."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera
from elepose_core.runtime.messages import (
    camera_from_message,
    camera_of_image,
    image_size_from_message,
)
from elepose_ros.inputs import StoppedError
from elepose_ros.parameters import Parameters
from elepose_ros.reports import Reporter
from elepose_ros.stages import WAITED, StageStatistics

__all__ = ['CameraSource']


class CameraSource:
    """Keeps the newest calibration; K rarely changes, so it needs no match in time.

    Attributes:
        state: For the diagnostics: waiting, calibrated, uncalibrated or assumed.
    """

    def __init__(
        self, parameters: Callable[[], Parameters], reports: tuple[Reporter, StageStatistics]
    ) -> None:
        self.state = 'waiting'
        self._parameters = parameters
        self._reporter, self._statistics = reports
        self._message: Any = None
        self._read: tuple[Any, bool, Camera] | None = None
        self._received_s = -math.inf
        self._closed = False
        self._was_calibrated = False
        self._changed = threading.Condition()

    def update(self, message: Any) -> None:
        """Take a CameraInfo message."""
        with self._changed:
            self._message = message
            self._received_s = time.monotonic()
            self._changed.notify_all()

    def age_s(self) -> float:
        """Return the time since the newest camera_info; infinite before the first one."""
        return time.monotonic() - self._received_s

    @property
    def frame_id(self) -> str:
        """The frame of the newest camera_info; '' before the first one."""
        return '' if self._message is None else str(self._message.header.frame_id)

    def open(self) -> None:
        """Let frames wait for the first camera_info again."""
        self._closed = False
        self._was_calibrated = False
        self.state = 'waiting'
        # From here on and not from the first frame: a burst comes before that is at its turn.
        self._statistics.hold(WAITED if self._message is None else '')
        for state in ('assumed', 'uncalibrated'):
            self._reporter.over(f'camera {state}')

    def close(self) -> None:
        """Let no frame wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def camera_for(self, width: int, height: int) -> Camera:
        """Return the camera of an image of this size; waits for the first camera_info.

        Args:
            width: Image width, px; 0 = as the calibration says.
            height: Image height, px; 0 = as the calibration says.

        Raises:
            InputError: The calibration belongs to an image of another shape, or makes no sense.
            StoppedError: `close` was called before there was one.
        """
        self._wait_for_first()
        if self._message is None:
            return self._assumed('assumed', width, height)
        if self._message.k[0] == 0:
            return self._assumed('uncalibrated', width, height)
        camera = self._calibrated()
        if self.state != 'calibrated':
            self._tell_calibrated()
            self.state, self._was_calibrated = 'calibrated', True
        return camera_of_image(camera, width, height)

    def image_size(self) -> tuple[int, int]:
        """Return width and height as camera_info says, px; 0 while there is none.

        Waits for the first camera_info. A camera that is not calibrated may still know its size.

        Raises:
            StoppedError: `close` was called before there was one.
        """
        self._wait_for_first()
        if self._message is None:
            return 0, 0
        return image_size_from_message(self._message)

    def _wait_for_first(self) -> None:
        if self.state != 'waiting':
            return
        timeout_s = self._parameters().camera_info_timeout_s
        with self._changed:
            self._changed.wait_for(lambda: self._message is not None or self._closed, timeout_s)
            if self._message is None and self._closed:
                # The hold lasts: what is still in the queue waited as well.
                raise StoppedError
        self._statistics.hold('')

    def _tell_calibrated(self) -> None:
        if self._was_calibrated:
            self._reporter.warn(
                'camera alternates',
                'two calibrations alternate on camera_info, and K of one is 0: the scale of '
                'people jumps; let only one node publish camera_info, or remap it to the '
                'calibrated one',
            )
        elif self.state in ('assumed', 'uncalibrated'):
            self._reporter.info('calibrated camera_info arrived: metric positions from now on')

    def _calibrated(self) -> Camera:
        message, rectified = self._message, self._parameters().image_rectified
        # Drivers send the same numbers with each image: read them when they change.
        if self._read and rectified == self._read[1] and _same(message, self._read[0]):
            return self._read[2]
        camera = camera_from_message(message, rectified)
        self._read = (message, rectified, camera)
        return camera

    def _assumed(self, state: str, width: int, height: int) -> Camera:
        fov_deg = self._parameters().horizontal_fov_deg
        self.state = state
        cause = (
            'K of camera_info is 0 (the camera is not calibrated)'
            if state == 'uncalibrated'
            else f'no camera_info within {self._parameters().camera_info_timeout_s:g} s'
        )
        self._reporter.warn(
            f'camera {state}',
            f'{cause}: assuming a horizontal field of view of {fov_deg:g} degrees, so that '
            'distances are a guess (scale_source is UNKNOWN); calibrate the camera, remap '
            'camera_info or set horizontal_fov_deg',
            once=True,
        )
        if width == 0 or height == 0:
            raise InputError(
                f'image size of the keypoints is {width}x{height} and there is no calibrated '
                'camera_info; expected one of the two'
            )
        return Camera.from_field_of_view(width, height, math.radians(fov_deg))


def _same(message: Any, other: Any) -> bool:
    """Tell whether two calibrations are equal in all but their stamp."""
    names = ('width', 'height', 'binning_x', 'binning_y', 'roi', 'distortion_model', 'd')
    return all(getattr(message, name) == getattr(other, name) for name in names) and bool(
        (message.k == other.k).all() and (message.p == other.p).all()
    )
