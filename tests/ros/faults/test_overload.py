# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""More than twice the frames that the node can lift: it stays at what is now, and counts."""

import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from diagnostic_msgs.msg import DiagnosticArray

from elepose_ros import interfaces
from elepose_ros.replay import restamped

# No Python node lifts so many people so often.
HZ, PEOPLE = 400.0, 200
# The queue holds eight frames and one is at hand.
WAITING = 9
GROWTH_MIB = 20.0


def resident_mib(pid: int) -> float:
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * 4096 / 2**20


class Flood:
    """Sends stored frames with stamps of now, and notes when the skeletons of a stamp came."""

    def __init__(self, probe: Any, scene: Any) -> None:
        from rclpy.serialization import serialize_message

        places = [(-6.0 + 0.06 * number, 6.0) for number in range(PEOPLE)]
        self._frames = [serialize_message(scene.people(*places)) for _ in range(10)]
        self._info = scene.camera_info()
        self._probe = probe
        self._keypoints = probe.talk(interfaces.People2D, '/flooded/keypoints')
        self._infos = probe.talk(type(self._info), '/flooded/camera_info')
        node = probe.node
        node.create_subscription(
            interfaces.Skeletons3D, '/flooded/skeletons', self._on_skeletons, 200, raw=True
        )
        self.sent_ns: list[int] = []
        self.came: list[tuple[int, float]] = []

    def run(self, seconds: float, hz: float) -> None:
        due_s = time.monotonic()
        end_s = due_s + seconds
        while due_s < end_s:
            self.sent_ns.append(time.time_ns())
            frame = self._frames[len(self.sent_ns) % len(self._frames)]
            self._keypoints.publish(restamped(frame, self.sent_ns[-1]))
            # What could not be sent in time is not sent later in one burst.
            due_s = max(due_s + 1 / hz, time.monotonic())
            self._probe.spin(due_s - time.monotonic())

    def introduce(self) -> None:
        """Send a camera and people until skeletons come."""

        def send() -> None:
            self._infos.publish(self._info)
            self.run(0.001, HZ)

        self._probe.until(lambda: len(self.came) > 5, 'skeletons', again=send)

    def _on_skeletons(self, data: bytes) -> None:
        sec, nanosec = struct.unpack_from('<iI', data, 4)
        self.came.append((sec * 1_000_000_000 + nanosec, time.time_ns() * 1e-9))


def test_twice_too_many_frames_bound_the_latency_and_each_is_counted(
    start: Any, probe: Any, make_scene: Any, figure: Any, lengths: Any
) -> None:
    process = start('lifter_node', 'flooded', {'__ns': '/flooded'}, max_people=PEOPLE)
    flood = Flood(probe, make_scene())
    diagnostics = probe.listen(DiagnosticArray, '/diagnostics')

    def counted() -> dict[str, float]:
        diagnostics.clear()
        probe.until(lambda: len(diagnostics) >= 2, 'diagnostics')
        keys = ('in', 'out', 'dropped', 'refused', 'failed', 'lost in the middleware')
        return {key: figure(diagnostics[-1], f'{key} total') for key in keys}

    flood.introduce()
    before = counted()
    flood.sent_ns.clear()
    flood.came.clear()
    rss_mib = resident_mib(process.pid)
    flood.run(lengths.overload_s, HZ)
    last_ns = flood.sent_ns[-1]
    probe.until(lambda: flood.came and flood.came[-1][0] == last_ns, 'the newest frame')
    now = {key: value - before[key] for key, value in counted().items()}

    assert len(flood.sent_ns) > 2 * now['out'], f'this was no overload: {now}'
    assert now['out'] == len(flood.came)
    assert now['refused'] == now['failed'] == 0
    lost = len(flood.sent_ns) - now['out']
    assert lost == now['dropped'] + now['lost in the middleware'], now
    stamps = [stamp for stamp, _ in flood.came]
    assert stamps == sorted(set(stamps)), 'no frame twice, none after a newer one'
    latency_s = np.array([at_s - stamp * 1e-9 for stamp, at_s in flood.came])
    # Each waits for those before it in the queue and no longer, however long the flood lasts.
    period_s = lengths.overload_s / len(flood.came)
    assert np.median(latency_s) < 2 * WAITING * period_s
    third = len(latency_s) // 3
    assert np.median(latency_s[-third:]) < 2 * np.median(latency_s[:third]) + 0.05
    assert resident_mib(process.pid) - rss_mib < GROWTH_MIB
    assert process.is_running()
