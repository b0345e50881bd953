# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of the demo and a node that watches what they publish."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from visualization_msgs.msg import MarkerArray

from elepose_core.errors import InputError
from elepose_ros.interfaces import Skeletons3D

__all__ = ['DemoError', 'Process', 'Watcher', 'executable', 'running']

END_S = 10.0


class DemoError(RuntimeError):
    """The demo failed; one sentence says how."""


def executable(name: str) -> Path:
    """Return an executable of the built package."""
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix) / 'lib' / 'elepose_ros' / name
        if path.is_file():
            return path
    raise InputError(
        f'the executable {name} is not built or not sourced; run: make setup, then: '
        'source .venv/elepose.bash'
    )


class Process:
    """A process with its output in a file; it ends with the demo, whatever happens."""

    def __init__(self, name: str, log: Path, *arguments: object) -> None:
        self.name = name
        self.log = log
        with log.open('wb') as file:
            # A session of its own: Ctrl-C at the terminal reaches the demo alone, which then
            # ends the others in order.
            self._popen = subprocess.Popen(
                [str(executable(name)), *map(str, arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(errors='replace')

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def check(self) -> None:
        """Raise DemoError when the process has ended by itself with an error."""
        if self._popen.poll() not in (None, 0):
            last = (self.text().strip().splitlines() or ['no output'])[-1]
            raise DemoError(f'{self.name} ended with code {self._popen.returncode}: {last}')

    def end(self) -> int:
        """Ask to end, insist after a while, and return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self.is_running():
                self._popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(END_S)
        return self._popen.wait()


@contextlib.contextmanager
def running(processes: list[Process]) -> Iterator[list[Process]]:
    """End the processes of the list, the latest first, when the block ends."""
    try:
        yield processes
    finally:
        for process in reversed(processes):
            process.end()


def start(processes: list[Process], name: str, log: Path, *arguments: object) -> Process:
    """Start a process and enter it in the list, or a Ctrl-C in between would forget it."""
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, _: asked.append(number)) for n in numbers}
    try:
        processes.append(Process(name, log, *arguments))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt
    return processes[-1]


class Watcher:
    """A node in this process that notes when images, markers and skeletons come in."""

    def __init__(self, image_topic: str) -> None:
        self.image_s: dict[int, float] = {}
        self.markers_s: dict[int, float] = {}
        self.skeletons_s: dict[int, float] = {}
        self._clients: dict[str, Any] = {}
        self._node = rclpy.create_node('demo_watcher')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        # An array of markers begins with its length; the stamp of the first one follows.
        for kind, topic, seen, offset in (
            (CompressedImage, image_topic, self.image_s, 4),
            (Skeletons3D, '/skeletons', self.skeletons_s, 4),
            (MarkerArray, '/markers', self.markers_s, 8),
        ):
            take = partial(_note, seen, offset)
            self._node.create_subscription(kind, topic, take, QoSProfile(depth=200), raw=True)

    def until(
        self, condition: Callable[[], bool], what: str, processes: list[Process], timeout_s: float
    ) -> None:
        """Spin until the condition holds; DemoError when it does not or a process has died."""
        end = time.monotonic() + timeout_s
        while not condition():
            for process in processes:
                process.check()
            if time.monotonic() > end:
                logs = ', '.join(str(process.log) for process in processes)
                raise DemoError(f'waited {timeout_s:g} s in vain for {what}; see {logs}')
            self.spin(0.05)

    def spin(self, seconds: float) -> None:
        """Take what comes in for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def is_active(self, node: str) -> bool:
        """Ask a lifecycle node for its state."""
        if node not in self._clients:
            self._clients[node] = self._node.create_client(GetState, f'/{node}/get_state')
        client = self._clients[node]
        if not client.wait_for_service(timeout_sec=0.5):
            return False
        future = client.call_async(GetState.Request())
        self._executor.spin_until_future_complete(future, timeout_sec=5.0)
        answer: Any = future.result() if future.done() else None
        return answer is not None and answer.current_state.label == 'active'

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()


def _note(seen: dict[int, float], offset: int, data: bytes) -> None:
    now = time.monotonic()
    order = 'little' if data[1] & 1 else 'big'
    if len(data) < offset + 8:
        return
    seconds = int.from_bytes(data[offset : offset + 4], order)  # type: ignore[arg-type]
    rest = int.from_bytes(data[offset + 4 : offset + 8], order)  # type: ignore[arg-type]
    # The first message with a stamp counts: markers that clear the display come once more.
    seen.setdefault(seconds * 1_000_000_000 + rest, now)
