# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What comes from outside goes wrong while the node runs: it lives, says so once, and goes on.

One lifter_node, on the time of /clock, goes through it all.
"""

import dataclasses
import os
import signal
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from builtin_interfaces.msg import Time
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rosgraph_msgs.msg import Clock
from visualization_msgs.msg import Marker

from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_ros.parameter_table import LIFTER, Parameters

HOUR_S = 3600
BROKEN = ('Traceback', '[FATAL]')


@pytest.fixture(scope='module')
def steady(start: Any, connect: Any) -> Any:
    process = start('lifter_node', name='steady', use_sim_time=True, camera_info_timeout_s=0.1)
    return connect(process)


@pytest.fixture(scope='module')
def scene(make_scene: Any) -> Any:
    """Shadow the fixture of one test: time must run on from test to test.

    It begins late enough to jump back by hours.
    """
    scene = make_scene()
    scene.stamp_ns += 10 * HOUR_S * 1_000_000_000
    return scene


@pytest.fixture(autouse=True)
def unbroken(steady: Any) -> Any:
    """Whatever a test does to the node, afterwards it runs and has met no bug."""
    yield
    assert not steady.process.has_failed()
    assert not [word for word in BROKEN if word in steady.process.log()]


def lift(steady: Any, scene: Any, count: int = 1, **more: Any) -> list[Any]:
    """Send people until so many new skeletons came; returns these messages."""
    sent_ns = scene.stamp_ns

    def send() -> None:
        steady.camera_info.publish(scene.camera_info())
        steady.keypoints.publish(scene.people((0.0, 4.0), (1.0, 5.0), **more))

    def fresh() -> list[Any]:
        messages = steady.skeletons_with(2)
        return [m for m in messages if sent_ns < stamp_ns_from_header(m.header)]

    steady.forget()
    steady.probe.until(lambda: len(fresh()) >= count, 'skeletons', again=send)
    return fresh()


def clears(steady: Any) -> int:
    return [action for action, _, _ in steady.marker_actions()].count(Marker.DELETEALL)


def test_a_publisher_that_is_killed_is_named_and_one_that_returns_is_heard(
    steady: Any, execute: Any, recording: Any
) -> None:
    first = execute('replay', recording, '--loop', '--wait-for-subscribers')
    steady.probe.until(lambda: len(steady.skeletons_with(2)) > 5, 'skeletons of the recording')
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    said = 'nothing came on /keypoints for '
    steady.probe.until(lambda: said in steady.process.log(), 'the silence to be told')
    assert steady.process.log().count(said) == 1
    steady.forget()
    again = execute('replay', recording, '--loop', 2, '--rate', 2, '--wait-for-subscribers')
    steady.probe.until(lambda: not again.is_running(), 'the end of the second replay')
    assert again.wait() == 0, again.log()
    steady.probe.until(lambda: len(steady.skeletons_with(2)) > 60, 'skeletons of both rounds')
    # Time went back twice, for the new publisher and for its second round: each time everything
    # starts anew, once.
    steady.probe.until(lambda: clears(steady) == 2, 'the display to be cleared twice')
    stamps_ns = [stamp_ns_from_header(e.header) for e in steady.elevations]
    begins = [0, *(i for i in range(1, len(stamps_ns)) if stamps_ns[i] < stamps_ns[i - 1])]
    assert len(begins) == 2
    firsts = [steady.elevations[i].samples for i in begins]
    assert firsts == [2, 2], 'the elevation starts from the two people of one frame'


def test_a_subscriber_that_is_killed_holds_nobody_up(
    steady: Any, scene: Any, execute: Any, tmp_path: Any
) -> None:
    record = execute('record', '/skeletons', '/markers', '--out', tmp_path / 'bag')
    steady.probe.until(
        lambda: 'recording 2 topics' in record.log(),
        'the recorder',
        again=lambda: steady.keypoints.publish(scene.people((0.0, 4.0))),
    )
    lift(steady, scene, 5)
    record.send(signal.SIGKILL)
    assert record.wait() == -signal.SIGKILL
    # More frames than any queue holds: a writer that waits for the dead would stop here.
    lift(steady, scene, 40)


def test_a_camera_that_changes_its_resolution_changes_no_distance(steady: Any, scene: Any) -> None:
    near_m = [s.root.z for s in lift(steady, scene, 20)[-1].skeletons]
    info = scene.camera_info()
    info.width, info.height, info.k = 2 * info.width, 2 * info.height, [2 * v for v in info.k]
    info.k[8] = 1.0

    def doubled() -> Any:
        message = scene.people((0.0, 4.0), (1.0, 5.0))
        message.image_width, message.image_height = info.width, info.height
        for person in message.people:
            person.x, person.y = ([2 * v for v in values] for values in (person.x, person.y))
        return message

    def send() -> None:
        steady.camera_info.publish(info)
        steady.keypoints.publish(doubled())

    steady.forget()
    steady.probe.until(lambda: len(steady.skeletons_with(2)) > 20, 'skeletons', again=send)
    assert [s.root.z for s in steady.skeletons[-1].skeletons] == pytest.approx(near_m, rel=0.02)
    assert {s.id for m in steady.skeletons for s in m.skeletons} == {'person 0', 'person 1'}
    # Calibration and keypoints of different shape: refused, with both sizes, until they agree.
    info.width = 1000
    wrong = scene.people((0.0, 4.0))
    steady.probe.until(
        lambda: '1000x960' in steady.process.log(),
        'the refusal',
        again=lambda: (steady.camera_info.publish(info), steady.keypoints.publish(wrong)),
    )
    lift(steady, scene, 3)


@pytest.mark.parametrize('by_s', [HOUR_S, -HOUR_S])
def test_a_clock_that_jumps_costs_no_frame_and_the_diagnostics_go_on(
    steady: Any, scene: Any, by_s: int
) -> None:
    clock = steady.probe.talk(Clock, '/clock')
    lift(steady, scene, 3)
    steady.forget()
    now_s = 10 * HOUR_S
    for seconds in (now_s, now_s + by_s):
        told = len(steady.diagnostics)
        steady.probe.until(
            lambda seconds=seconds, told=told: (
                len(steady.diagnostics) > told
                and abs(steady.diagnostics[-1].header.stamp.sec - seconds) < 10
            ),
            'diagnostics on the new time',
            again=lambda seconds=seconds: clock.publish(Clock(clock=Time(sec=seconds))),
        )
    steady.forget()
    scene.stamp_ns += by_s * 1_000_000_000 if by_s > 0 else 0
    lift(steady, scene, 5)
    assert clears(steady) == 0


def test_stamps_that_jump_forward_and_back_start_anew_only_when_they_go_back(
    steady: Any, scene: Any
) -> None:
    samples = lift(steady, scene, 3) and steady.elevations[-1].samples
    scene.stamp_ns += HOUR_S * 1_000_000_000
    ids = {s.id for s in lift(steady, scene, 3)[-1].skeletons}
    assert ids == {'person 0', 'person 1'}
    assert steady.elevations[-1].samples > samples, 'what was learned of the camera stays'
    assert clears(steady) == 0
    scene.stamp_ns -= 2 * HOUR_S * 1_000_000_000
    steady.forget()
    steady.send_until(
        lambda: scene.people((0.0, 4.0), (1.0, 5.0)), lambda: clears(steady), 'a clean display'
    )
    steady.probe.until(lambda: any(e.samples == 2 for e in steady.elevations), 'a new elevation')
    assert clears(steady) == 1
    lift(steady, scene, 3)


def wrong_values() -> list[tuple[str, ParameterValue]]:
    """Return for each parameter of the lifter values of the wrong type and out of its range."""
    text = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value='nonsense')
    flags = ParameterValue(type=ParameterType.PARAMETER_BOOL_ARRAY, bool_array_value=[True])
    values = []
    for field in dataclasses.fields(Parameters):
        row = field.metadata['row']
        if LIFTER not in row.used_by:
            continue
        values.append((field.name, flags))
        if field.type is not str or row.choices:
            values.append((field.name, text))
        if row.low is None:
            continue
        for value in (row.low - 1, row.high + 1):
            number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float(value))
            if field.type is int:
                number = ParameterValue(
                    type=ParameterType.PARAMETER_INTEGER, integer_value=int(value)
                )
            values.append((field.name, number))
    return values


def test_wrong_parameters_are_refused_by_name_and_change_nothing(steady: Any, scene: Any) -> None:
    names = [f.name for f in dataclasses.fields(Parameters) if LIFTER in f.metadata['row'].used_by]

    def values() -> Any:
        request = GetParameters.Request(names=names)
        return steady.probe.call(GetParameters, '/steady/get_parameters', request).values

    before = values()
    wrong = wrong_values()
    assert {name for name, _ in wrong} == set(names)
    request = SetParameters.Request(parameters=[Parameter(name=n, value=v) for n, v in wrong])
    answers = steady.probe.call(SetParameters, '/steady/set_parameters', request).results
    for (name, value), answer in zip(wrong, answers, strict=True):
        assert not answer.successful, (name, value)
        # rclpy itself refuses another type, in a sentence without the name.
        assert name in answer.reason or 'Wrong parameter type, expected' in answer.reason
    assert values() == before
    lift(steady, scene, 3)


def test_it_ends_with_0_after_all_of_that(steady: Any) -> None:
    steady.process.send(signal.SIGINT)
    assert steady.process.wait() == os.EX_OK
