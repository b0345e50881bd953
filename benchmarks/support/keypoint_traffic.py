# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People who move, sent as keypoints at a steady rate, and what comes back for them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from support.stamps import HEADER_AT, MARKERS_AT, STAMP, stamp_ns
from visualization_msgs.msg import MarkerArray

from elepose_core.data.poseset import PoseSet
from elepose_core.runtime.people import People2D, Person2D
from elepose_ros import interfaces
from elepose_ros.compat import make_executor
from elepose_ros.conversions import message_from_people

__all__ = ['Traffic']

POSES = Path(__file__).resolve().parents[2] / 'tests' / 'data' / 'poses_3d.npz'
END_S = 1.0


class Traffic:
    """Sends keypoints at a steady rate and notes when what is made of them arrives.

    Args:
        people: In each frame.
        hz: Frames per second.
        with_skeletons: Listen to the skeletons as well, which costs time in both processes.

    Attributes:
        sent_ns: Stamps sent.
        arrived: When the markers of a stamp came, ms since the epoch.
        skeletons: The same of skeletons, when they are listened to.
        first_s: When the first markers came, monotonic.
        counts: What the node last counted on /diagnostics, such as 'dropped'.
    """

    def __init__(self, people: int, hz: float, *, with_skeletons: bool = False) -> None:
        self._node = rclpy.create_node('keypoint_traffic')
        self._keypoints = self._node.create_publisher(interfaces.People2D, 'keypoints', 10)
        self._camera_info = self._node.create_publisher(CameraInfo, 'camera_info', 5)
        # Raw: reading hundreds of markers would slow down the sender beside it.
        queue = QoSProfile(depth=50)
        listen = self._node.create_subscription
        listen(MarkerArray, 'markers', self._on_markers, queue, raw=True)
        if with_skeletons:
            listen(interfaces.Skeletons3D, 'skeletons', self._on_skeletons, queue, raw=True)
        listen(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._messages, self._camera = _scene(people)
        self._period_s = 1 / hz
        self._executor = make_executor('auto')
        self._executor.add_node(self._node)
        self._ends = threading.Event()
        self.sent_ns: list[int] = []
        self.arrived: dict[int, float] = {}
        self.skeletons: dict[int, float] = {}
        self.first_s: float | None = None
        self.counts: dict[str, int] = {}

    @property
    def dropped(self) -> int:
        """Frames that the node let go for newer ones, as it last counted."""
        return self.counts.get('dropped', 0)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Send and receive for a while, or until something is so."""
        self._ends.clear()
        sender = threading.Thread(target=self._send)
        sender.start()
        end_s = time.monotonic() + seconds
        try:
            while time.monotonic() < end_s and not until():
                self._executor.spin_once(timeout_sec=0.05)
        finally:
            self._ends.set()
            sender.join()

    def drain(self, seconds: float = END_S) -> None:
        """Receive what is still on its way."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    def forget(self) -> None:
        """Count from now on."""
        self.sent_ns.clear()
        self.arrived.clear()
        self.skeletons.clear()

    def close(self) -> None:
        """End the node."""
        self._executor.remove_node(self._node)
        self._node.destroy_node()

    def _send(self) -> None:
        due_s, number = time.monotonic(), 0
        while not self._ends.is_set():
            if number % 30 == 0:
                self._camera_info.publish(self._camera)
            # Bytes that are ready but for their stamp: the time of the sender is not the node's.
            message = self._messages[number % len(self._messages)]
            now_ns = time.time_ns()
            STAMP.pack_into(message, HEADER_AT, *divmod(now_ns, 1_000_000_000))
            self.sent_ns.append(now_ns)
            self._keypoints.publish(bytes(message))
            due_s, number = due_s + self._period_s, number + 1
            self._ends.wait(max(due_s - time.monotonic(), 0.0))

    def _on_markers(self, data: bytes) -> None:
        if _note(self.arrived, data, MARKERS_AT):
            self.first_s = self.first_s or time.monotonic()

    def _on_skeletons(self, data: bytes) -> None:
        _note(self.skeletons, data, HEADER_AT)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            for pair in status.values:
                event, _, kind = pair.key.rpartition(' ')
                if kind == 'total':
                    self.counts[event] = int(pair.value)


def _note(arrived: dict[int, float], data: bytes, stamp_at: int) -> bool:
    """Note when the stamp of a message came; False when it has none."""
    found_ns = stamp_ns(data, stamp_at)
    if found_ns:
        arrived[found_ns] = time.time_ns() / 1e6
    return bool(found_ns)


def _scene(people: int) -> tuple[list[bytearray], CameraInfo]:
    """Return two seconds of people side by side who sway, as People2D, and their camera."""
    poses = PoseSet.load(POSES)
    rays = poses.rays[:people].astype(np.float32)
    focal, width, height = 900.0, 1920, 1080
    columns = (np.arange(people) - (people - 1) / 2) * (width / people)
    messages = []
    for phase in np.linspace(0, 2 * np.pi, 120, endpoint=False):
        shift = columns + 20 * np.sin(phase + np.arange(people))
        points = focal * (rays - rays[:, :1]) + (width / 2, height / 2)
        points[..., 0] += shift[:, None]
        scores = np.full(17, 0.9, np.float32)
        seen = tuple(Person2D('', person.astype(np.float32), scores) for person in points)
        frame = People2D(0, 'h36m_17', seen)
        message = message_from_people(frame, Header(frame_id='camera'), width, height)
        messages.append(bytearray(serialize_message(message)))
    header = Header(frame_id='camera')
    camera = CameraInfo(
        header=header, width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5
    )
    camera.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    camera.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    camera.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return messages, camera
