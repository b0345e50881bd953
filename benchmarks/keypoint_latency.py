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
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rclpy
from support.keypoint_traffic import Traffic
from support.processes import cpu_s, percentiles, process, resident_mib

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / 'docs' / 'results' / 'keypoint_latency.json'
NODES = {
    'lifter_node': ROOT / 'scripts' / 'lifter_node',
    'baseline': ROOT / 'benchmarks' / 'support' / 'baseline_node.py',
}
START_S = 60.0
QUANTILES = (50, 95, 99)


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
            traffic.run(options.settle_s)
            traffic.drain()
            traffic.forget()
            dropped, used_s, begin_s = (
                traffic.dropped,
                cpu_s(node.pid),
                time.monotonic(),
            )
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
    parser.add_argument('--settle-s', type=float, default=5.0, help='before the measuring')
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
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
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
