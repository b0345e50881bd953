# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""End each node in mid-replay by INT, TERM and KILL, start it again, and read the recorded bags.

    python benchmarks/kill_in_replay.py

Prints exit code and time to the end for each, whether skeletons came again after the restart, and
what the recorder's bag holds after its own SIGINT and SIGKILL. Exit code 1 when one was not right.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 9)
os.environ.setdefault('FASTDDS_DEFAULT_PROFILES_FILE', str(ROOT / 'config' / 'fastdds.xml'))

import rclpy  # noqa: E402

from elepose_core.bags import BagReader  # noqa: E402
from elepose_ros.interfaces import Skeletons3D  # noqa: E402

SIGNALS = {'SIGINT': 0, 'SIGTERM': 0, 'SIGKILL': -signal.SIGKILL}
LAYOUTS = (('pipeline',), ('detector_node', 'lifter_node'))
PATIENCE_S = 90.0


@contextlib.contextmanager
def running(name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start an executable in a session of its own; it does not outlive the block."""
    command = [sys.executable, str(ROOT / 'scripts' / name), *arguments]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def arguments_of(node: str) -> list[str]:
    remaps = ['-r', 'image:=/camera/image', '-r', 'camera_info:=/camera/camera_info']
    values = [] if node == 'lifter_node' else ['-p', 'image_transport:=compressed']
    return ['--ros-args', '--log-level', 'error', *remaps, *values]


class Listener:
    """Counts skeletons."""

    def __init__(self) -> None:
        rclpy.init()
        self.count = 0
        self.node = rclpy.create_node('kill_in_replay')
        self.node.create_subscription(Skeletons3D, 'skeletons', self._on_skeletons, 10)

    def _on_skeletons(self, message: Skeletons3D) -> None:
        self.count += len(message.skeletons)

    def hears_more(self) -> bool:
        """Wait for five more skeletons."""
        wanted, end_s = self.count + 5, time.monotonic() + PATIENCE_S
        while self.count < wanted and time.monotonic() < end_s:
            rclpy.spin_once(self.node, timeout_sec=0.2)
        return self.count >= wanted


def kill_and_restart(nodes: tuple[str, ...], listener: Listener) -> bool:
    """End each of the nodes by each signal while the others go on."""
    right = True
    with contextlib.ExitStack() as stack:
        processes = {n: stack.enter_context(running(n, *arguments_of(n))) for n in nodes}
        right &= listener.hears_more()
        for name in nodes:
            for number, wanted in SIGNALS.items():
                begin_s = time.monotonic()
                processes[name].send_signal(signal.Signals[number])
                code = processes[name].wait(30)
                took_s = time.monotonic() - begin_s
                processes[name] = stack.enter_context(running(name, *arguments_of(name)))
                again = listener.hears_more()
                right &= again and code == wanted
                print(f'{name:14} {number:8} code {code:3}  {took_s:4.1f} s  again: {again}')
    return right


def readable(folder: Path) -> int:
    with BagReader(folder) as bag:
        count = sum(1 for _ in bag.messages(['/skeletons']))
        print(f'recorder: {folder.name}: {count} messages, cut off: {bag.is_cut_off}')
    return count


def main() -> int:
    listener = Listener()
    right = True
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        bag = str(ROOT / 'demo' / 'recording' / 'walk')
        stack.enter_context(running('replay', bag, '--loop', '--rate', '0.1', '--stamp-now'))
        ended_by = {'SIGINT': folder / 'ended_by_int', 'SIGKILL': folder / 'ended_by_kill'}
        recorders = {
            number: stack.enter_context(running('record', '/skeletons', '--out', str(out)))
            for number, out in ended_by.items()
        }
        for nodes in LAYOUTS:
            right &= kill_and_restart(nodes, listener)
        for number, recorder in recorders.items():
            recorder.send_signal(signal.Signals[number])
            right &= recorder.wait(30) == SIGNALS[number]
            right &= readable(ended_by[number]) > 0
    rclpy.shutdown()
    print('all right' if right else 'NOT all right')
    return 0 if right else 1


if __name__ == '__main__':
    sys.exit(main())
