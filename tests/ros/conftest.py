# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Real nodes as processes, and a probe in the test process that talks to them over DDS."""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Each test process has its own domain, so that runs side by side do not hear each other.
os.environ['ROS_DOMAIN_ID'] = str(10 + os.getpid() % 90)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault(
    'FASTDDS_DEFAULT_PROFILES_FILE', str(Path(__file__).parents[2] / 'config' / 'fastdds.xml')
)

# Older distributions check the type of each field; the newer ones do so when they are asked.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'

SCRIPTS = Path(__file__).parents[2] / 'scripts'
TIMEOUT_S = 30.0

# A person of 1.70 m who faces the camera: metres, x to the right of the picture, y down from the
# ground they stand on, z away from the camera; joints in the order of layout h36m_17.
STANDING_M = np.array(
    [
        *[(0.00, -0.95, 0.00), (-0.12, -0.93, 0.00), (-0.13, -0.50, -0.02), (-0.13, -0.08, 0.02)],
        *[(0.12, -0.93, 0.00), (0.13, -0.50, -0.02), (0.13, -0.08, 0.02)],
        *[(0.00, -1.18, 0.02), (0.00, -1.42, 0.02), (0.00, -1.52, -0.06), (0.00, -1.70, 0.00)],
        *[(0.18, -1.40, 0.00), (0.24, -1.12, 0.00), (0.26, -0.88, -0.05)],
        *[(-0.18, -1.40, 0.00), (-0.24, -1.12, 0.00), (-0.26, -0.88, -0.05)],
    ]
)
FOCAL_PX, WIDTH, HEIGHT = 600.0, 640, 480


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {'start', 'probe'} & set(getattr(item, 'fixturenames', ())):
            item.add_marker(pytest.mark.ros)


class NodeProcess:
    """One of our executables, in a session of its own."""

    def __init__(self, name: str, log: Path, arguments: list[str], **more: Any) -> None:
        self.name = name
        self._log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPTS / name), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **more,
            )
        self.pid = self._process.pid

    def log(self) -> str:
        return self._log.read_text(errors='replace')

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(timeout=TIMEOUT_S)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def has_failed(self) -> bool:
        return self._process.poll() not in (None, 0)

    def end(self) -> int:
        if self.is_running():
            self.send(signal.SIGINT)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


class Probe:
    """A node in the test process; waits on conditions and never for a fixed time."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.node = rclpy.create_node('probe')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._processes: list[NodeProcess] = []
        self._clients: dict[tuple[Any, str], Any] = {}

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()

    def add(self, node: Any) -> None:
        """Spin a node of this process as well."""
        self._executor.add_node(node)

    def remove(self, node: Any) -> None:
        self._executor.remove_node(node)

    def spin(self, seconds: float) -> None:
        """Handle what comes in for a while."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def blame(self, process: NodeProcess) -> None:
        """Show the log of this process when a wait fails."""
        self._processes.append(process)

    def listen(self, kind: Any, topic: str) -> list[Any]:
        """Return a list that grows with the messages of a topic."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, 50)
        return messages

    def talk(self, kind: Any, topic: str, reliability: str = 'reliable') -> Any:
        from rclpy.publisher import PublisherEventCallbacks

        from elepose_ros.qos import input_qos

        # rclpy's own callback uses a deprecated way to tell of a subscription that does not fit.
        silent = PublisherEventCallbacks(use_default_callbacks=False)
        qos = input_qos(reliability, depth=5)
        return self.node.create_publisher(kind, topic, qos, event_callbacks=silent)

    def until(
        self,
        condition: Callable[[], Any],
        what: str,
        again: Callable[[], None] | None = None,
        period_s: float = 0.05,
    ) -> None:
        """Spin until the condition holds; call `again` about every `period_s` meanwhile."""
        end_s, next_s = time.monotonic() + TIMEOUT_S, 0.0
        while not condition():
            now_s = time.monotonic()
            if now_s > end_s or any(p.has_failed() for p in self._processes):
                logs = '\n'.join(f'--- {p.name}\n{p.log()}' for p in self._processes)
                pytest.fail(f'waited in vain for: {what}\n{logs}')
            if again is not None and now_s >= next_s:
                again()
                next_s = now_s + period_s
            self._executor.spin_once(timeout_sec=0.02)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call a service; what only asks is asked again when no answer comes.

        A server that has just appeared may answer before it knows whom, and the answer is lost.
        """
        if (kind, service) not in self._clients:
            self._clients[kind, service] = self.node.create_client(kind, service)
        client, futures = self._clients[kind, service], []
        self.until(client.service_is_ready, f'service {service}')
        self.until(
            lambda: any(future.done() for future in futures),
            f'answer of {service}',
            again=lambda: futures.append(client.call_async(request)),
            period_s=5.0 if kind.__name__.startswith(('Get', 'Describe')) else TIMEOUT_S,
        )
        return next(future for future in futures if future.done()).result()

    def state_of(self, node: str) -> str:
        from lifecycle_msgs.srv import GetState

        answer = self.call(GetState, f'/{node}/get_state', GetState.Request())
        return str(answer.current_state.label)


@pytest.fixture(scope='session')
def ros() -> None:
    """ROS 2 is there."""
    if importlib.util.find_spec('rclpy') is None:
        pytest.skip('rclpy is not importable: source ROS 2 (or .venv/elepose.bash)')
    with warnings.catch_warnings():
        # What rclpy imports on first use brings a parser with warnings of its own.
        warnings.simplefilter('ignore', DeprecationWarning)
        importlib.import_module('rosidl_generator_py')


@pytest.fixture(scope='module')
def probe(ros: None) -> Iterator[Probe]:
    import rclpy

    rclpy.init()
    probe = Probe()
    yield probe
    probe.close()
    rclpy.shutdown()


Start = Callable[..., NodeProcess]


@pytest.fixture(scope='module')
def execute(probe: Probe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Return a function that runs an executable with arguments; it ends with the module.

    Further options are those of `subprocess.Popen`.
    """
    folder = tmp_path_factory.mktemp('processes')
    processes: list[NodeProcess] = []

    def execute(executable: str, *arguments: object, **more: Any) -> NodeProcess:
        log = folder / f'{len(processes)}-{executable}.log'
        processes.append(NodeProcess(executable, log, list(map(str, arguments)), **more))
        return processes[-1]

    yield execute
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.callback(process.end)


@pytest.fixture(scope='module')
def start(probe: Probe, execute: Start) -> Start:
    """Return a function that starts an executable with parameters and waits until it is active.

    `start('lifter_node', name='a', remaps={...}, stature_m=1.8)`; `wait=False` does not wait.
    """

    def start(
        executable: str,
        name: str,
        remaps: dict[str, str] | None = None,
        wait: bool = True,
        **parameters: Any,
    ) -> NodeProcess:
        arguments = ['--ros-args', '-r', f'__node:={name}']
        for old, new in (remaps or {}).items():
            arguments += ['-r', f'{old}:={new}']
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ['-p', f'{key}:={text}']
        process = execute(executable, *arguments)
        process.name = name
        if wait:
            probe.blame(process)
            probe.until(lambda: ': active' in process.log(), f'{name} to be active')
        return process

    return start


@pytest.fixture
def inside(probe: Probe) -> Iterator[Callable[..., Any]]:
    """Return a function that runs a lifter in the test process, beside the probe.

    `inside('name', active=True, stature_m=1.8)`; parameters as on the command line.
    """
    from elepose_ros import lifter_node
    from elepose_ros.lifecycle import PartsNode
    from elepose_ros.parameters import LIFTER

    nodes: list[Any] = []

    def inside(name: str, active: bool = True, namespace: str = '/', **parameters: Any) -> Any:
        arguments = ['--ros-args', '-r', f'__node:={name}', '-r', f'__ns:={namespace}']
        for key, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ['-p', f'{key}:={text}']
        node = PartsNode('lifter', (LIFTER,), lifter_node.parts, arguments)
        nodes.append(node)
        probe.add(node)
        assert not active or node.autostart()
        return node

    yield inside
    for node in nodes:
        probe.remove(node)
        node.shut_down()


class Live:
    """The node, what it hears and all that it said."""

    def __init__(self, probe: Any, process: Any, namespace: str = '') -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from sensor_msgs.msg import CameraInfo
        from visualization_msgs.msg import MarkerArray

        from elepose_ros import interfaces

        self.probe, self.process = probe, process
        self.keypoints = probe.talk(interfaces.People2D, f'{namespace}/keypoints')
        self.camera_info = probe.talk(CameraInfo, f'{namespace}/camera_info')
        self.skeletons = probe.listen(interfaces.Skeletons3D, f'{namespace}/skeletons')
        self.markers = probe.listen(MarkerArray, f'{namespace}/markers')
        self.elevations = probe.listen(interfaces.CameraElevation, f'{namespace}/camera_elevation')
        self.diagnostics = probe.listen(DiagnosticArray, '/diagnostics')

    def send_until(self, make: Callable[[], Any], condition: Callable[[], Any], what: str) -> None:
        self.probe.until(condition, what, again=lambda: self.keypoints.publish(make()))

    def skeletons_with(self, number: int) -> list[Any]:
        return [m for m in self.skeletons if len(m.skeletons) == number]

    def marker_actions(self) -> list[tuple[int, str, int]]:
        return [(m.action, m.ns, m.id) for array in self.markers for m in array.markers]

    def forget(self) -> None:
        for messages in (self.skeletons, self.markers, self.elevations, self.diagnostics):
            messages.clear()


@pytest.fixture(scope='module')
def connect(probe: Probe) -> Callable[..., Live]:
    """Return a function that connects the probe to a started node."""
    return lambda process, namespace='': Live(probe, process, namespace)


class Scene:
    """People before a camera, as messages; the stamp moves on with each of them."""

    def __init__(self, camera_height_m: float = 2.6, elevation_deg: float = 20.0) -> None:
        self.stamp_ns = 1_000_000_000
        self._height_m = camera_height_m
        self._elevation_rad = np.radians(elevation_deg)

    def keypoints_px(self, right_m: float, away_m: float) -> Any:
        """Return (17, 2) pixels of the standing person at a place on the ground."""
        level = STANDING_M + np.array([right_m, self._height_m, away_m])
        c, s = np.cos(self._elevation_rad), np.sin(self._elevation_rad)
        x, y, z = level.T
        depth, down = z * c + y * s, y * c - z * s
        return FOCAL_PX * np.stack([x, down], -1) / depth[:, None] + (WIDTH / 2, HEIGHT / 2)

    def header(self) -> Any:
        from builtin_interfaces.msg import Time
        from std_msgs.msg import Header

        seconds, rest = divmod(self.stamp_ns, 1_000_000_000)
        return Header(stamp=Time(sec=seconds, nanosec=rest), frame_id='camera_optical')

    def people(self, *places: tuple[float, float], layout: str = 'h36m_17') -> Any:
        """Return a People2D message with a person at each (right_m, away_m), 33 ms later."""
        from elepose_ros import interfaces

        self.stamp_ns += 33_000_000
        message = interfaces.People2D(
            header=self.header(), layout=layout, image_width=WIDTH, image_height=HEIGHT
        )
        for number, place in enumerate(places):
            points = self.keypoints_px(*place).astype(float)
            person = interfaces.Person2D(id=f'person {number}', score=[0.9] * 17)
            person.x, person.y = points[:, 0].tolist(), points[:, 1].tolist()
            message.people.append(person)
        return message

    def camera_info(self) -> Any:
        from sensor_msgs.msg import CameraInfo

        k = [FOCAL_PX, 0.0, WIDTH / 2, 0.0, FOCAL_PX, HEIGHT / 2, 0.0, 0.0, 1.0]
        return CameraInfo(header=self.header(), width=WIDTH, height=HEIGHT, k=k)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope='session')
def make_scene() -> type[Scene]:
    return Scene


@pytest.fixture(scope='session')
def figure() -> Callable[[Any, str], float]:
    """Return a reader of one number from a DiagnosticArray; 0 when it is not there."""

    def figure(message: Any, key: str) -> float:
        texts = [v.value for status in message.status for v in status.values if v.key == key]
        return float(re.sub('[^0-9.eE+-]', '', texts[0])) if texts else 0.0

    return figure
