# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Latency, memory and CPU share of the nodes while a bag is replayed to them.

    python benchmarks/replay_latency.py --nodes pipeline --seconds 60 --json latency.json

Starts the real executables, replays the bag in a loop with stamps of now, and measures from the
stamp of an image to the arrival of its markers in this process.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from support.processes import cpu_s, percentiles, process, resident_mib
from support.stamps import MARKERS_AT, stamp_ns
from visualization_msgs.msg import MarkerArray

from elepose_core.bags import BagReader
from elepose_ros.compat import make_executor

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / 'docs' / 'results' / 'replay_latency.json'
SETTLED_S = 10.0
START_S = 60.0
NODES = {'pipeline': ('pipeline',), 'two': ('detector_node', 'lifter_node')}


class Watcher:
    """Listens to small topics only, so that watching costs the nodes nothing."""

    def __init__(self, camera_info: str) -> None:
        self.sent = 0
        self.latencies_ms: list[float] = []
        self.diagnostics: dict[str, dict[str, str]] = {}
        self._node = rclpy.create_node('replay_latency')
        self._executor = make_executor('auto')
        self._executor.add_node(self._node)
        subscribe = self._node.create_subscription
        subscribe(CameraInfo, camera_info, self._on_camera_info, qos_profile_sensor_data)
        subscribe(MarkerArray, 'markers', self._on_markers, 50, raw=True)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)

    def spin_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        end_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end_s:
                return False
            self._executor.spin_once(timeout_sec=0.1)
        return True

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counters that each node reports."""
        return {
            name: {
                k.removesuffix(' total'): int(v) for k, v in values.items() if k.endswith(' total')
            }
            for name, values in self.diagnostics.items()
        }

    def stages(self) -> dict[str, dict[str, float]]:
        """Return the latency figures that each node reports, in milliseconds."""
        return {
            name: {k: float(v) for k, v in values.items() if k.endswith('[ms]')}
            for name, values in self.diagnostics.items()
        }

    def _on_camera_info(self, _message: Any) -> None:
        self.sent += 1

    def _on_markers(self, data: bytes) -> None:
        sent_ns = stamp_ns(data, MARKERS_AT)
        if sent_ns:
            self.latencies_ms.append((time.time_ns() - sent_ns) / 1e6)

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self.diagnostics[status.name] = {v.key: v.value for v in status.values}


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start the nodes and the replay, and return all figures."""
    arguments = ['--ros-args', '-r', f'image:={options.camera}/image']
    arguments += ['-r', f'camera_info:={options.camera}/camera_info']
    for setting in (f'image_transport:={options.transport}', *options.set):
        arguments += ['-p', setting]
    watcher = Watcher(f'{options.camera}/camera_info')
    with contextlib.ExitStack() as stack:
        logs = []

        def start(name: str, *more: str) -> int:
            logs.append(folder / f'{name}.log')
            command = [sys.executable, str(ROOT / 'scripts' / name), *more]
            return stack.enter_context(process(command, logs[-1])).pid

        pids = {name: start(name, *arguments) for name in NODES[options.nodes]}

        def are_active() -> bool:
            states = [values.get('state') for values in watcher.diagnostics.values()]
            return states.count('active') == len(pids)

        if not watcher.spin_until(are_active, START_S):
            raise SystemExit('the nodes did not start:\n' + ''.join(x.read_text() for x in logs))
        start(
            'replay',
            str(options.bag),
            '--loop',
            '--stamp-now',
            '--rate',
            str(replay_rate(options)),
        )
        return watch(watcher, pids, options.seconds)


def replay_rate(options: argparse.Namespace) -> float:
    """Return how much faster than recorded the bag must play for the wanted image rate."""
    topic = f'{options.camera}/camera_info'
    with BagReader(options.bag) as bag:
        times_ns = [message.log_time_ns for message in bag.messages([topic])]
    recorded_hz = (len(times_ns) - 1) / ((times_ns[-1] - times_ns[0]) * 1e-9)
    return float(options.hz / recorded_hz)


def watch(watcher: Watcher, pids: dict[str, int], seconds: float) -> dict[str, Any]:
    """Watch a running replay for a while; figures count from the time it has settled."""
    if not watcher.spin_until(lambda: watcher.sent > 0, START_S):
        raise SystemExit('the replay did not start')
    begin_s = time.monotonic()
    watcher.spin_until(lambda: False, SETTLED_S)
    settled = {name: (resident_mib(pid), cpu_s(pid)) for name, pid in pids.items()}
    settled_s, settled_sent = time.monotonic(), watcher.sent
    settled_counts = watcher.counts()
    watcher.latencies_ms.clear()
    watcher.spin_until(lambda: False, seconds - SETTLED_S)
    elapsed_s = time.monotonic() - settled_s
    nodes = {
        name: {
            'resident_mib_at_10_s': resident,
            'resident_mib_at_end': resident_mib(pids[name]),
            'cpu_share_of_one_core': (cpu_s(pids[name]) - used_s) / elapsed_s,
        }
        for name, (resident, used_s) in settled.items()
    }
    counts = {
        name: {key: n - settled_counts.get(name, {}).get(key, 0) for key, n in now.items()}
        for name, now in watcher.counts().items()
    }
    return {
        'seconds': time.monotonic() - begin_s,
        'frames_sent_per_s': (watcher.sent - settled_sent) / elapsed_s,
        'frames_sent': watcher.sent - settled_sent,
        'counts': counts,
        'image_to_marker': percentiles(watcher.latencies_ms, (50, 95, 99)),
        'stages': watcher.stages(),
        'nodes': nodes,
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    total = result['image_to_marker']
    latency = f'p50 {total["p50_ms"]:.1f} ms, p95 {total["p95_ms"]:.1f} ms'
    lines = [
        f'frames sent: {result["frames_sent"]} at {result["frames_sent_per_s"]:.1f} Hz',
        f'image sent to markers received: {latency} ({total["count"]} after the first 10 s)',
    ]
    detect = [stages.get('detect p50 [ms]') for stages in result['stages'].values()]
    for detect_ms in filter(None, detect):
        lines.append(
            f'beyond the detector (p50 less its p50): {total["p50_ms"] - detect_ms:.1f} ms'
        )
    for name, counts in result['counts'].items():
        lines.append(f'{name}: ' + ', '.join(f'{key} {n}' for key, n in counts.items()))
    lines += ['', f'{"node":<16}{"RSS 10 s":>12}{"RSS end":>12}{"CPU of a core":>16}']
    for name, node in result['nodes'].items():
        early, late = node['resident_mib_at_10_s'], node['resident_mib_at_end']
        share = node['cpu_share_of_one_core']
        lines.append(f'{name:<16}{early:>8.1f} MiB{late:>8.1f} MiB{share:>15.0%}')
    lines += ['', f'{"node":<16}{"stage":<20}{"p50 [ms]":>10}{"p95 [ms]":>10}']
    for name, stages in result['stages'].items():
        for key in stages:
            stage, found, _ = key.partition(' p50 [ms]')
            if found:
                p95 = stages[f'{stage} p95 [ms]']
                lines.append(f'{name:<16}{stage:<20}{stages[key]:>10.2f}{p95:>10.2f}')
    return '\n'.join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--bag', type=Path, default=ROOT / 'demo' / 'recording' / 'walk')
    parser.add_argument('--camera', default='/camera', help='namespace of image and camera_info')
    parser.add_argument('--transport', choices=('raw', 'compressed'), default='compressed')
    parser.add_argument('--hz', type=float, default=30.0, help='images per second')
    parser.add_argument('--seconds', type=float, default=60.0, help='more than 10')
    parser.add_argument('--nodes', choices=tuple(NODES), default='pipeline')
    parser.add_argument('--set', action='append', default=[], metavar='NAME:=VALUE')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    if options.seconds <= SETTLED_S:
        parser.error(f'--seconds is {options.seconds:g}; expected more than {SETTLED_S:g}')
    # Of its own, so that other nodes on this machine do not mix in.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    print(table(result))
    if COMMITTED.exists():
        print(f'\nwhen last committed:\n{table(json.loads(COMMITTED.read_text()))}')
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
