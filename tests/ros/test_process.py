# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Start, end and lifecycle of the executables."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from foreign_messages import is_real

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from visualization_msgs.msg import Marker

from elepose_core.runtime.messages import stamp_ns_from_header

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ('pipeline', {'model': '/no/where'}, '/no/where'),
    ('pipeline', {'detector_model_path': '/no/file.onnx'}, '/no/file.onnx'),
    ('lifter_node', {'device': 'gpu'}, "parameter device is 'gpu'; expected one of auto, cpu"),
    ('lifter_node', {'stature_m': 9.0}, 'parameter stature_m'),
    ('lifter_node', {'max_people': 'many'}, 'parameter max_people is not an integer in 1 to 200'),
    ('detector_node', {'detector': 'yolo'}, "parameter detector is 'yolo'; expected one of"),
    ('detector_node', {'detector': 'none'}, 'lifter_node'),
]
if not is_real('yolo_msgs'):
    WRONG.append(('lifter_node', {'keypoints_type': 'yolo'}, 'which needs the package yolo_msgs'))


def test_a_start_up_error_is_one_sentence_and_exit_code_2(start: Any) -> None:
    processes = [
        start(executable, name='wrong', wait=False, **parameters)
        for executable, parameters, _ in WRONG
    ]
    for process, (_, _, sentence) in zip(processes, WRONG, strict=True):
        assert process.wait() == 2
        assert sentence in process.log()
        assert 'Traceback' not in process.log()
        assert len(process.log().splitlines()) == 1


def _shared_memory(pid: int) -> set[Path]:
    """Return what a process shares through Fast DDS, but for the ports, which others use too."""
    maps = Path(f'/proc/{pid}/maps').read_text(encoding='utf-8')
    return {Path(name) for name in re.findall(r'/dev/shm/fastdds_[0-9a-f]+$', maps, re.MULTILINE)}


def test_a_signal_ends_each_executable_with_0_and_it_can_start_again(
    start: Any, probe: Any
) -> None:
    # All end by the same lines; faults/test_states_and_models.py has lifter_node and SIGTERM.
    rounds = {('SIGINT', 'SIGINT'): ('detector_node', 'lifter_node', 'pipeline')}
    rounds[('SIGTERM', 'SIGINT')] = ('pipeline',)
    for (first, second), executables in rounds.items():
        there_before = set(Path('/dev/shm').glob('fastdds_*'))
        processes = [start(name, name=name, wait=False) for name in executables]
        probe.until(lambda ps=processes: all(': active' in p.log() for p in ps), 'all active')
        shared = set.union(*(_shared_memory(process.pid) for process in processes))
        for process in processes:
            process.send(signal.Signals[first])
            process.send(signal.Signals[second])  # impatience changes nothing
        for process in processes:
            assert process.wait() == 0
            assert 'Traceback' not in process.log()
        # Each is 70 MB of the robot's memory, for nobody any more.
        assert [path for path in shared - there_before if path.exists()] == []


def test_the_display_is_cleared_at_the_end(start: Any, connect: Any, scene: Any) -> None:
    process = start('lifter_node', name='leaving', camera_info_timeout_s=0.1)
    live = connect(process)
    live.send_until(lambda: scene.people((0.0, 4.0)), lambda: live.marker_actions(), 'markers')
    live.forget()
    process.send(signal.SIGINT)
    live.probe.until(
        lambda: Marker.DELETEALL in {action for action, _, _ in live.marker_actions()},
        'the markers to be cleared',
    )
    assert process.wait() == 0


@pytest.fixture(scope='module')
def managed(start: Any) -> Any:
    """Start a lifter that waits for its manager."""
    return start(
        'lifter_node', name='managed', remaps={'__ns': '/managed'}, wait=False, autostart=False
    )


def change(probe: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(probe.call(ChangeState, '/managed/managed/change_state', request).success)


def test_a_request_that_is_not_possible_is_refused_and_survived(managed: Any, probe: Any) -> None:
    assert probe.state_of('managed/managed') == 'unconfigured'
    assert not change(probe, Transition.TRANSITION_ACTIVATE)
    assert not change(probe, 99)
    assert probe.state_of('managed/managed') == 'unconfigured'
    assert managed.is_running()


def test_a_manager_takes_it_through_all_states_and_an_inactive_node_is_silent(
    managed: Any, probe: Any, connect: Any, scene: Any
) -> None:
    live = connect(managed, '/managed')
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        live.camera_info.publish(scene.camera_info())
        live.keypoints.publish(scene.people((0.0, 4.0)))

    for _ in range(2):
        assert change(probe, Transition.TRANSITION_CONFIGURE)
        assert probe.state_of('managed/managed') == 'inactive'
        enough = sent + 5
        probe.until(lambda enough=enough: sent >= enough, 'frames to be sent', again=send)
        assert live.skeletons == []
        assert change(probe, Transition.TRANSITION_ACTIVATE)
        probe.until(lambda: live.skeletons, 'skeletons', again=send)
        assert change(probe, Transition.TRANSITION_DEACTIVATE)
        probe.until(
            lambda: live.marker_actions() and live.marker_actions()[-1][0] == Marker.DELETEALL,
            'the display to be cleared',
        )
        assert change(probe, Transition.TRANSITION_CLEANUP)
        assert probe.state_of('managed/managed') == 'unconfigured'
        live.forget()
    assert change(probe, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert probe.state_of('managed/managed') == 'finalized'
    managed.send(signal.SIGINT)
    assert managed.wait() == 0
    assert 'Traceback' not in managed.log()


def test_parameters_describe_themselves_and_change_while_the_node_runs(
    start: Any, connect: Any, probe: Any, scene: Any
) -> None:
    live = connect(start('lifter_node', name='tuned', remaps={'__ns': '/tuned'}), '/tuned')
    request = DescribeParameters.Request(names=['stature_m', 'model'])
    answer = probe.call(DescribeParameters, '/tuned/tuned/describe_parameters', request)
    stature, model = answer.descriptors
    assert stature.floating_point_range[0].to_value == 2.5
    assert model.read_only

    def set_stature(value: float) -> Any:
        number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[Parameter(name='stature_m', value=number)])
        return probe.call(SetParameters, '/tuned/tuned/set_parameters', request).results[0]

    def distance_m() -> float:
        """Return how far away a person is that stands on one spot."""

        def send() -> Any:
            live.camera_info.publish(scene.camera_info())
            return scene.people((0.0, 4.0))

        live.forget()
        sent_ns = scene.stamp_ns

        def fresh() -> list[Any]:
            return [m for m in live.skeletons_with(1) if stamp_ns_from_header(m.header) > sent_ns]

        live.send_until(send, fresh, 'a skeleton')
        return float(fresh()[0].skeletons[0].root.z)

    before_m = distance_m()
    assert set_stature(0.85).successful
    assert distance_m() == pytest.approx(before_m / 2, rel=0.02)
    refusal = set_stature(9.0)
    assert not refusal.successful
    assert 'stature_m' in refusal.reason
    assert distance_m() == pytest.approx(before_m / 2, rel=0.02)
