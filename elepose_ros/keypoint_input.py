# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints from one topic, and the camera that they were seen with."""

import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from elepose_core.errors import InputError, shown
from elepose_ros.adapters.sources import Source
from elepose_ros.camera_source import CameraSource
from elepose_ros.endpoints import Topic
from elepose_ros.frames import Frame
from elepose_ros.inputs import Input
from elepose_ros.lifecycle import Part, PartsNode

__all__ = ['CameraInput', 'KeypointInput', 'in_optical_frame']

# Keypoints are small and quickly lifted: a short burst is worked off, not dropped.
_QUEUE = 8
# The middleware lets messages go without a word when it keeps no more. Ours is the queue that
# counts, so the one before it is so long that only a node that stands still loses any there.
_KEPT = 64


class KeypointInput(Part):
    """Reads messages that hold the keypoints of a whole frame and hands them on."""

    def __init__(
        self,
        node: PartsNode,
        source: Source,
        cameras: CameraSource,
        then: Callable[[Frame], None],
    ) -> None:
        self._node = node
        self._cameras = cameras
        self._statistics = node.statistics
        self._source = source
        self._then = then
        reliability = node.parameters.keypoints_reliability
        topic = Topic(
            *('keypoints', source.kind, reliability, 'keypoints_reliability'),
            depth=_KEPT,
            overridable=True,
        )
        reports = (node.reporter, node.statistics)
        self._input = Input(node, topic, self._on_keypoints, _QUEUE, reports)

    def start(self) -> None:
        """Begin to read."""
        self._input.start()

    def stop(self) -> None:
        """Finish the message at hand and stop."""
        self._input.stop()

    def close(self) -> None:
        """End the subscription."""
        self._input.close()

    def watch(self) -> None:
        """Say what to do when no keypoints come."""
        self._input.set_reliability(self._node.parameters.keypoints_reliability)
        self._input.watch()

    def faults(self) -> dict[str, str]:
        """Return why no keypoints come."""
        return self._input.faults()

    def facts(self) -> dict[str, str]:
        """Return the topic and how long ago a message came."""
        return {
            'keypoints topic': self._input.topic_name,
            'input age [s]': f'{self._input.age_s():.1f}',
        }

    def _on_keypoints(self, message: Any, arrived_s: float) -> None:
        self._statistics.record('wait', time.perf_counter() - arrived_s)
        with self._statistics.measure('read'):
            people = self._source.read(message)
        # Others do not say how large their image is: the calibration does then.
        width, height = (
            (message.image_width, message.image_height) if self._source.has_size else (0, 0)
        )
        header = message.header
        if not self._source.is_optical:
            header = in_optical_frame(header, self._cameras)
        self._then(Frame(header, people, width, height, arrived_s))


def in_optical_frame(header: Header, cameras: CameraSource) -> Header:
    """Return a header with the frame of camera_info; waits for the first one.

    Raises:
        InputError: None has come, or its frame has no name.
    """
    cameras.image_size()
    if not cameras.frame_id:
        raise InputError(
            f'frame_id {shown(header.frame_id)} of the keypoints is not the optical one of the '
            'camera; expected a camera_info, whose frame_id takes its place'
        )
    return Header(stamp=header.stamp, frame_id=cameras.frame_id)


class CameraInput(Part):
    """Keeps the source of cameras supplied with the newest camera_info.

    Attributes:
        source: Tells the camera of a frame.
    """

    def __init__(self, node: PartsNode) -> None:
        self._node = node
        self.source = CameraSource(lambda: node.parameters, (node.reporter, node.statistics))
        reliability = node.parameters.keypoints_reliability
        topic = Topic('camera_info', CameraInfo, reliability, 'keypoints_reliability', 5, True)
        reports = (node.reporter, node.statistics)
        self._input = Input(node, topic, lambda m, _: self.source.update(m), 0, reports)

    def start(self) -> None:
        """Begin to read."""
        self.source.open()
        self._input.start()

    def stop(self) -> None:
        """Let no frame wait for a camera any longer."""
        self._input.stop()
        self.source.close()

    def close(self) -> None:
        """End the subscription."""
        self._input.close()

    def watch(self) -> None:
        """Follow a change of the reliability; that nothing comes is told where it is missed."""
        self._input.set_reliability(self._node.parameters.keypoints_reliability)

    def faults(self) -> dict[str, str]:
        """Return why no camera_info has come yet; an old one serves as well as a new one."""
        return {} if self._input.received else self._input.faults()

    def facts(self) -> dict[str, str]:
        """Return how the camera is known and how old the newest camera_info is."""
        return {
            'camera': self.source.state,
            'camera_info age [s]': f'{self.source.age_s():.1f}',
            'camera_info topic': self._input.topic_name,
        }
