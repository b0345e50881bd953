# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images from a topic, matched to frames by their stamps."""

import threading
from collections import deque
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from elepose_core.errors import InputError, shown
from elepose_core.geometry.camera import Camera
from elepose_core.runtime.bounds import check_header
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_ros.endpoints import Topic
from elepose_ros.inputs import Input
from elepose_ros.lifecycle import Part, PartsNode

__all__ = ['DepthInput', 'depth_from_message']

# REP 118: millimetres, or metres. `mono16` is how some drivers call 16UC1.
_SAMPLES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
# A detector takes about as long as three images do; more would only fill the memory.
_KEPT = 8
_KEPT_BYTES = 64_000_000
# Depth that is missing for so long is gone; a camera of 5 Hz beside one of 30 Hz just has gaps.
_GONE_NS = 5_000_000_000


def depth_from_message(message: Any) -> DepthImage:
    """Read a depth image (sensor_msgs Image) without a copy of its pixels.

    Raises:
        InputError: The encoding is none of a depth image, or size, step and amount of data do not
            fit.
    """
    check_header(message.header)
    if message.encoding not in _SAMPLES:
        raise InputError(
            f'encoding of the depth image is {shown(message.encoding)}; '
            'expected 16UC1 (millimetres) or 32FC1 (metres)'
        )
    height, width, step = int(message.height), int(message.width), int(message.step)
    sample = np.dtype(('>' if message.is_bigendian else '<') + _SAMPLES[message.encoding])
    if width == 0 or height == 0:
        raise InputError(f'depth image is {width}x{height} pixels; expected both > 0')
    row_bytes = width * sample.itemsize
    if step < row_bytes:
        raise InputError(
            f'step of the depth image is {step} bytes; expected at least {row_bytes} for '
            f'{width} pixels of {message.encoding}'
        )
    data = np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
    needed = step * (height - 1) + row_bytes
    if len(data) < needed:
        raise InputError(
            f'data of the depth image has {len(data)} bytes; expected at least {needed} for '
            f'{width}x{height} {message.encoding} with step {step}'
        )
    view: Any = np.ndarray((height, width), sample, data, strides=(step, sample.itemsize))
    return DepthImage(view)


class DepthInput(Part):
    """Keeps the last depth images and finds the one that belongs to a frame.

    It is there and does nothing where `use_depth` is false.
    """

    def __init__(self, node: PartsNode) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._images: deque[tuple[int, DepthImage]] = deque(maxlen=_KEPT)
        # Stamps of the newest frame and of the newest one that had depth.
        self._frame_ns = 0
        self._matched_ns: int | None = None
        self._input: Input | None = None
        if node.parameters.use_depth:
            reliability = node.parameters.depth_reliability
            topic = Topic('depth', Image, reliability, 'depth_reliability', depth=2)
            reports = (node.reporter, node.statistics)
            self._input = Input(node, topic, self._on_image, 0, reports)

    def start(self) -> None:
        """Begin to read."""
        self.reset()
        self._matched_ns = None
        self._node.reporter.over('depth gone')
        self._node.reporter.over('depth gaps')
        if self._input is not None:
            self._input.start()

    def stop(self) -> None:
        """Read no more."""
        if self._input is not None:
            self._input.stop()
        self.reset()

    def close(self) -> None:
        """End the subscription."""
        if self._input is not None:
            self._input.close()

    def reset(self) -> None:
        """Forget all images."""
        with self._lock:
            self._images.clear()

    def watch(self) -> None:
        """Say what to do when no depth image comes."""
        if self._input is not None:
            self._input.set_reliability(self._node.parameters.depth_reliability)
            self._input.watch()

    def faults(self) -> dict[str, str]:
        """Return why no depth image comes."""
        return {} if self._input is None else self._input.faults()

    def facts(self) -> dict[str, str]:
        """Return the topic and whether depth is used."""
        if self._input is None:
            return {}
        state = 'used'
        if self._matched_ns is None:
            state = 'none so far'
        elif self._is_gone():
            state = f'none for {abs(self._frame_ns - self._matched_ns) * 1e-9:.0f} s'
        return {'depth': state, 'depth topic': self._input.topic_name}

    def depth_for(self, stamp_ns: int, camera: Camera) -> DepthImage | None:
        """Return the depth image nearest in time to a frame; None = lift it without.

        Args:
            stamp_ns: Time of the frame.
            camera: What it was taken with; the size of its image counts.
        """
        if self._input is None:
            return None
        max_age_s = self._node.parameters.depth_max_age_s
        self._frame_ns = stamp_ns
        with self._lock:
            images = list(self._images)
        apart_ns, image = min(
            ((abs(stamp_ns - when), image) for when, image in images),
            key=lambda pair: pair[0],
            default=(None, None),
        )
        if apart_ns is None or image is None or apart_ns * 1e-9 > max_age_s:
            nearest = 'there is none' if apart_ns is None else f'is {apart_ns * 1e-9:.2f} s away'
            self._node.reporter.warn(
                'depth gone' if self._is_gone() else 'depth gaps',
                f'no depth image within depth_max_age_s = {max_age_s:g} s of a frame (the nearest '
                f'{nearest}): lifting without; check {self._input.topic_name} and that both '
                'stamps come from one clock',
                once=True,
            )
            return None
        try:
            image.check_size(camera.width, camera.height)
        except InputError as error:
            self._node.reporter.warn(
                'depth size', f'{self._input.topic_name}: {error}; lifting without'
            )
            return None
        if self._is_gone():
            self._node.reporter.over('depth gone')
        self._matched_ns = stamp_ns
        return image

    def _is_gone(self) -> bool:
        """Tell whether the newest frames had no depth, not just one here and there."""
        # Either way: the time of a bag may jump back.
        matched_ns = self._matched_ns
        return matched_ns is None or abs(self._frame_ns - matched_ns) >= _GONE_NS

    def _on_image(self, message: Any, _arrived_s: float) -> None:
        image = depth_from_message(message)
        stamp_ns = stamp_ns_from_header(message.header)
        with self._lock:
            if self._images and stamp_ns < self._images[-1][0]:
                self._images.clear()  # time jumped back: a bag started anew
            self._images.append((stamp_ns, image))
            size = max(len(message.data), 1)
            while len(self._images) > max(_KEPT_BYTES // size, 1):
                self._images.popleft()
