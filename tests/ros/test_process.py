# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Start, end and lifecycle of the executables."""

import signal
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from visualization_msgs.msg import Marker

EXECUTABLES = ('detector_node', 'lifter_node', 'pipeline')


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'model': '/no/where'}, '/no/where'),
        ({'detector_model_path': '/no/file.onnx'}, '/no/file.onnx'),
        ({'device': 'cuda'}, "parameter device is 'cuda'; expected auto or cpu"),
        ({'stature_m': 9.0}, 'parameter stature_m'),
        ({'detector': 'yolo'}, "parameter detector is 'yolo'; expected one of"),
    ],
)
def test_a_start_up_error_is_one_sentence_and_exit_code_2(
    start: Any, parameters: dict[str, Any], sentence: str
) -> None:
    process = start('pipeline', name='wrong', wait=False, **parameters)
    assert process.wait() == 2
    assert sentence in process.log()
    assert 'Traceback' not in process.log()
    assert len(process.log().splitlines()) == 1


def test_detector_node_without_a_detector_says_what_to_start_instead(start: Any) -> None:
    process = start('detector_node', name='wrong', wait=False, detector='none')
    assert process.wait() == 2
    assert 'lifter_node' in process.log()


@pytest.mark.parametrize(
    ('executable', 'number'), zip(EXECUTABLES, ('SIGINT', 'SIGTERM', 'SIGINT'), strict=True)
)
def test_a_signal_ends_the_process_with_0_and_it_can_start_again(
    start: Any, executable: str, number: str
) -> None:
    process = start(executable, name=executable)
    process.send(signal.Signals[number])
    assert process.wait() == 0
    assert 'Traceback' not in process.log()
    again = start(executable, name=executable)
    again.send(signal.SIGTERM)
    again.send(signal.SIGTERM)  # one who is impatient changes nothing
    assert again.wait() == 0
    assert 'Traceback' not in again.log()


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


class TestLifecycle:
    @pytest.fixture(scope='class')
    @classmethod
    def node(cls, start: Any, probe: Any) -> Any:
        """Start a lifter that waits for its manager."""
        process = start('lifter_node', name='managed', wait=False, autostart=False)
        assert probe.state_of('managed') == 'unconfigured'
        return process

    def change(self, probe: Any, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(probe.call(ChangeState, '/managed/change_state', request).success)

    def test_a_request_that_is_not_possible_is_refused_and_survived(
        self, node: Any, probe: Any
    ) -> None:
        assert not self.change(probe, Transition.TRANSITION_ACTIVATE)
        assert not self.change(probe, 99)
        assert probe.state_of('managed') == 'unconfigured'
        assert node.is_running()

    def test_a_manager_takes_it_through_all_states_twice(self, node: Any, probe: Any) -> None:
        for _ in range(2):
            for transition, state in (
                (Transition.TRANSITION_CONFIGURE, 'inactive'),
                (Transition.TRANSITION_ACTIVATE, 'active'),
                (Transition.TRANSITION_DEACTIVATE, 'inactive'),
                (Transition.TRANSITION_CLEANUP, 'unconfigured'),
            ):
                assert self.change(probe, transition)
                assert probe.state_of('managed') == state

    def test_an_inactive_node_publishes_nothing(
        self, node: Any, probe: Any, connect: Any, scene: Any
    ) -> None:
        live = connect(node)
        assert self.change(probe, Transition.TRANSITION_CONFIGURE)
        sent = 0

        def send() -> None:
            nonlocal sent
            sent += 1
            live.keypoints.publish(scene.people((0.0, 4.0)))

        probe.until(lambda: sent >= 10, 'frames to be sent', again=send)
        assert live.skeletons == []
        live.camera_info.publish(scene.camera_info())
        assert self.change(probe, Transition.TRANSITION_ACTIVATE)
        live.camera_info.publish(scene.camera_info())
        probe.until(lambda: live.skeletons, 'skeletons', again=send)
        assert self.change(probe, Transition.TRANSITION_DEACTIVATE)
        assert self.change(probe, Transition.TRANSITION_CLEANUP)


def test_parameters_describe_themselves_and_refuse_what_is_wrong(start: Any, probe: Any) -> None:
    start('lifter_node', name='tuned')
    answer = probe.call(
        DescribeParameters,
        '/tuned/describe_parameters',
        DescribeParameters.Request(names=['stature_m', 'model']),
    )
    stature, model = answer.descriptors
    assert stature.floating_point_range[0].to_value == 2.5
    assert model.read_only

    def set_stature(value: float) -> Any:
        number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[Parameter(name='stature_m', value=number)])
        return probe.call(SetParameters, '/tuned/set_parameters', request).results[0]

    assert set_stature(1.5).successful
    refusal = set_stature(9.0)
    assert not refusal.successful
    assert 'stature_m' in refusal.reason


def test_a_smaller_stature_at_run_time_brings_people_nearer(
    start: Any, connect: Any, probe: Any, scene: Any
) -> None:
    process = start('lifter_node', name='scaled', remaps={'__ns': '/scaled'})
    live = connect(process, '/scaled')

    def send() -> Any:
        live.camera_info.publish(scene.camera_info())
        return scene.people((0.0, 4.0))

    live.send_until(send, lambda: live.skeletons_with(1), 'a skeleton')
    tall_m = live.skeletons_with(1)[-1].skeletons[0].root.z
    number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=0.85)
    request = SetParameters.Request(parameters=[Parameter(name='stature_m', value=number)])
    assert (
        probe.call(SetParameters, '/scaled/scaled/set_parameters', request).results[0].successful
    )
    live.forget()
    live.send_until(send, lambda: live.skeletons_with(1), 'a skeleton')
    assert live.skeletons_with(1)[-1].skeletons[0].root.z == pytest.approx(tall_m / 2, rel=0.02)
