# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From keypoints to markers over DDS: latency, drops, start and memory of `lifter_node`.

    python benchmarks/keypoint_latency.py --people 20 --hz 60 --seconds 60 --json FILE

Sends people who move, with stamps of now, to the real executable on one core, and measures from
the stamp to the arrival of the markers in this process, which runs on the other cores. Then the
same for a node with the published lifter, one marker per joint and arrays of numpy in its
messages (`support/baseline_node.py`).
"""

import argparse
import json
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from support.processes import cpu_s, percentiles, process, resident_mib
from visualization_msgs.msg import MarkerArray

from elepose_core.data.poseset import PoseSet
from elepose_core.runtime.people import People2D, Person2D
from elepose_ros import interfaces
from elepose_ros.conversions import message_from_people

ROOT = Path(__file__).resolve().parents[1]
POSES = ROOT / 'tests' / 'data' / 'poses_3d.npz'
COMMITTED = ROOT / 'docs' / 'results' / 'keypoint_latency.json'
NODES = {
    'lifter_node': ROOT / 'scripts' / 'lifter_node',
    'baseline': ROOT / 'benchmarks' / 'support' / 'baseline_node.py',
}
START_S, SETTLED_S, END_S = 60.0, 5.0, 1.0
QUANTILES = (50, 95, 99)
# Of a marker array: encapsulation and number of markers, then the first header's stamp.
STAMP_AT = 8


class Traffic:
    """Sends keypoints at a steady rate and notes when their markers arrive."""

    def __init__(self, people: int, hz: float) -> None:
        self._node = rclpy.create_node('keypoint_latency')
        self._keypoints = self._node.create_publisher(interfaces.People2D, 'keypoints', 10)
        self._camera_info = self._node.create_publisher(CameraInfo, 'camera_info', 5)
        # Raw: reading hundreds of markers would slow down the sender beside it.
        self._node.create_subscription(MarkerArray, 'markers', self._on_markers, 50, raw=True)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._messages, self._camera = _scene(people)
        self._period_s = 1 / hz
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._ends = threading.Event()
        self.sent_ns: list[int] = []
        self.arrived: dict[int, float] = {}
        self.first_s: float | None = None
        self.dropped = 0

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

    def drain(self) -> None:
        """Receive what is still on its way."""
        end_s = time.monotonic() + END_S
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)

    def forget(self) -> None:
        """Count from now on."""
        self.sent_ns.clear()
        self.arrived.clear()

    def close(self) -> None:
        """End the node."""
        self._executor.remove_node(self._node)
        self._node.destroy_node()

    def _send(self) -> None:
        due_s, number = time.monotonic(), 0
        while not self._ends.is_set():
            message = self._messages[number % len(self._messages)]
            stamp_ns = time.time_ns()
            message.header.stamp = Time(
                sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000
            )
            if number % 30 == 0:
                self._camera.header = message.header
                self._camera_info.publish(self._camera)
            self.sent_ns.append(stamp_ns)
            self._keypoints.publish(message)
            due_s, number = due_s + self._period_s, number + 1
            self._ends.wait(max(due_s - time.monotonic(), 0.0))

    def _on_markers(self, data: bytes) -> None:
        sec, nanosec = struct.unpack_from('<iI', data, STAMP_AT) if len(data) > 16 else (0, 0)
        if sec:
            self.first_s = self.first_s or time.monotonic()
            self.arrived[sec * 1_000_000_000 + nanosec] = time.time_ns() / 1e6

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            for pair in status.values:
                if pair.key == 'dropped total':
                    self.dropped = int(pair.value)


def _scene(people: int) -> tuple[list[Any], CameraInfo]:
    """Return two seconds of people side by side who sway, and the camera that sees them."""
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
        messages.append(message_from_people(frame, Header(frame_id='camera'), width, height))
    camera = CameraInfo(width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5)
    camera.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    camera.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    camera.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return messages, camera


def measure(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start a node, send, and return its figures."""
    log = folder / f'{name}.log'
    command = ['taskset', '-c', str(options.core), sys.executable, str(NODES[name])]
    traffic = Traffic(options.people, options.hz)
    try:
        with process(command, log) as node:
            start_s = time.monotonic()
            traffic.run(START_S, lambda: bool(traffic.first_s) or node.poll() is not None)
            if traffic.first_s is None:
                raise SystemExit(f'{name} sent no markers:\n{log.read_text()}')
            first_s = traffic.first_s - start_s
            traffic.run(SETTLED_S)
            traffic.drain()
            traffic.forget()
            dropped, used_s, begin_s = traffic.dropped, cpu_s(node.pid), time.monotonic()
            traffic.run(options.seconds)
            share = (cpu_s(node.pid) - used_s) / (time.monotonic() - begin_s)
            traffic.drain()
            if node.poll() is not None or not traffic.arrived:
                raise SystemExit(f'{name} does not answer any more:\n{log.read_text()}')
            latency_ms = [
                traffic.arrived[stamp] - stamp / 1e6
                for stamp in traffic.sent_ns
                if stamp in traffic.arrived
            ]
            return {
                'latency': percentiles(latency_ms, QUANTILES),
                'sent': len(traffic.sent_ns),
                'lost': len(traffic.sent_ns) - len(latency_ms),
                'dropped_and_counted': traffic.dropped - dropped,
                'start_to_first_skeleton_s': first_s,
                'resident_mb': resident_mib(node.pid) * 2**20 / 1e6,
                'cpu_share_of_one_core': share,
            }
    finally:
        traffic.close()


def line(name: str, result: dict[str, Any]) -> str:
    """Return the figures of a node as text."""
    latency = ', '.join(f'p{q} {result["latency"][f"p{q}_ms"]:.2f}' for q in QUANTILES)
    return (
        f'{name:<12} {latency} ms; {result["sent"]} sent, {result["lost"]} lost; first skeleton '
        f'after {result["start_to_first_skeleton_s"]:.2f} s; {result["resident_mb"]:.0f} MB; '
        f'{result["cpu_share_of_one_core"]:.0%} of a core'
    )


def main() -> int:
    """Measure the nodes one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, default=20)
    parser.add_argument('--hz', type=float, default=60.0)
    parser.add_argument('--seconds', type=float, default=60.0)
    parser.add_argument('--core', type=int, help='of the node; the last one if not given')
    parser.add_argument('--nodes', nargs='+', choices=tuple(NODES), default=tuple(NODES))
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    if options.core is None:
        options.core = max(cores)
    # The measuring must not take time from what is measured.
    os.sched_setaffinity(0, cores - {options.core} or cores)
    # Of its own, so that other nodes on this machine do not mix in.
    os.environ['ROS_DOMAIN_ID'] = str(20 + os.getpid() % 80)
    rclpy.init()
    before = json.loads(COMMITTED.read_text(encoding='utf-8')) if COMMITTED.exists() else {}
    result: dict[str, Any] = {'people': options.people, 'hz': options.hz, 'nodes': {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.nodes:
            result['nodes'][name] = measure(name, options, Path(folder))
            print(line(name, result['nodes'][name]), flush=True)
            if name in before.get('nodes', {}):
                print(line('  committed', before['nodes'][name]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
