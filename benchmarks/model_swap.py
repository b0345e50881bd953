# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What `~/load_model` costs a node that lifts: frames lost and latency while it changes models.

    python benchmarks/model_swap.py --people 20 --hz 30 --swaps 20 --json FILE

The real executable lifts people who move while its lifter is changed again and again; latency is
from the stamp to the arrival of the markers, of frames sent while a model was loaded and of those
sent between.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from support.keypoint_traffic import Traffic
from support.processes import percentiles, process

from elepose_core.bundle import open_bundle
from elepose_ros import interfaces

ROOT = Path(__file__).resolve().parents[1]
START_S, SETTLED_S, BETWEEN_S, ANSWER_S = 60.0, 3.0, 1.0, 30.0
QUANTILES = (50, 95, 99, 100)


class Swaps:
    """Calls the service again and again from a thread of its own.

    Attributes:
        spans_ns: From when to when each call lasted.
        refused: What the node said when it refused.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.spans_ns: list[tuple[int, int]] = []
        self.refused: list[str] = []
        self._names = [str(folder / f'model_{number % 2}.elepose') for number in range(count)]
        self._node = rclpy.create_node('model_swaps')
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def are_done(self) -> bool:
        """Tell whether the last call was answered."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        client = self._node.create_client(interfaces.LoadModel, '/lifter/load_model')
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        client.wait_for_service(ANSWER_S)
        for name in self._names:
            time.sleep(BETWEEN_S)
            begin_ns = time.time_ns()
            future = client.call_async(interfaces.LoadModel.Request(model=name))
            executor.spin_until_future_complete(future, ANSWER_S)
            answer = future.result()
            if answer is None or not answer.success:
                self.refused.append(answer.message if answer else 'no answer')
            self.spans_ns.append((begin_ns, time.time_ns()))
        executor.shutdown()
        self._node.destroy_node()


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start the node, send, change models, and return the figures."""
    for number in range(2):
        shutil.copytree(open_bundle().folder, folder / f'model_{number}.elepose')
    arguments = ['--ros-args', '-p', f'model_folders:={folder}']
    command = [sys.executable, str(ROOT / 'scripts' / 'lifter_node'), *arguments]
    log, traffic = folder / 'log', Traffic(options.people, options.hz)
    try:
        with process(command, log) as node:
            traffic.run(START_S, lambda: bool(traffic.first_s) or node.poll() is not None)
            if traffic.first_s is None:
                raise SystemExit(f'lifter_node sent no markers:\n{log.read_text()}')
            traffic.run(SETTLED_S)
            traffic.drain()
            traffic.forget()
            dropped, swaps = traffic.dropped, Swaps(folder, options.swaps)
            traffic.run(options.swaps * (BETWEEN_S + ANSWER_S), swaps.are_done)
            traffic.drain()
            loading = {
                stamp
                for stamp in traffic.sent_ns
                if any(begin <= stamp <= end for begin, end in swaps.spans_ns)
            }
            latency_ms = {
                stamp: traffic.arrived[stamp] - stamp / 1e6
                for stamp in traffic.sent_ns
                if stamp in traffic.arrived
            }
            return {
                'swaps': len(swaps.spans_ns) - len(swaps.refused),
                'refused': swaps.refused,
                'load_ms': percentiles([(e - b) / 1e6 for b, e in swaps.spans_ns], QUANTILES),
                'sent': len(traffic.sent_ns),
                'lost': len(traffic.sent_ns) - len(latency_ms),
                'dropped_and_counted': traffic.dropped - dropped,
                'latency_while_loading': percentiles(
                    [ms for stamp, ms in latency_ms.items() if stamp in loading], QUANTILES
                ),
                'latency_between': percentiles(
                    [ms for stamp, ms in latency_ms.items() if stamp not in loading], QUANTILES
                ),
            }
    finally:
        traffic.close()


def main() -> int:
    """Measure and print; 1 when a frame was lost or a model refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, default=20)
    parser.add_argument('--hz', type=float, default=30.0)
    parser.add_argument('--swaps', type=int, default=20)
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    # Of its own, so that other nodes on this machine do not mix in.
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    result = {'people': options.people, 'hz': options.hz, **figures}
    for name, value in result.items():
        print(f'{name:<22} {value}')
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    return int(bool(result['lost'] or result['refused']))


if __name__ == '__main__':
    sys.exit(main())
