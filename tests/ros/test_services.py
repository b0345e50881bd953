# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`~/reset` and `~/explain`, as sentences and of a real node."""

from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from std_srvs.srv import Trigger

from elepose_ros.services import explanation


def test_nothing_wrong_is_nothing_said() -> None:
    counts = {'in': 1000, 'out': 990, 'dropped': 10}
    assert explanation('/lifter', 'active', [], counts, {'lift': 3.0}) == []


@pytest.mark.parametrize(
    ('state', 'verb'), [('unconfigured', 'configure'), ('inactive', 'activate')]
)
def test_a_node_that_waits_says_what_for(state: str, verb: str) -> None:
    (sentence,) = explanation('/a/lifter', state, [], {}, {})
    assert f'ros2 lifecycle set /a/lifter {verb}' in sentence


def test_dropped_frames_name_the_slowest_stage_and_a_cure() -> None:
    counts = {'in': 1000, 'dropped': 600}
    (sentence,) = explanation(
        '/p', 'active', [], counts, {'detect': 90.0, 'lift': 3.0, 'wait': 99.0}
    )
    assert '600 of 1000 frames were dropped' in sentence
    assert 'detect takes 90 ms' in sentence
    assert 'detector_input_long_side' in sentence
    (sentence,) = explanation('/p', 'active', [], counts, {'lift': 30.0})
    assert 'max_people' in sentence


def test_troubles_are_told() -> None:
    assert explanation('/p', 'active', ['a', 'b'], {}, {}) == ['a', 'b']


@pytest.fixture(scope='module')
def lifter(start: Any, connect: Any) -> Any:
    return connect(start('lifter_node', name='asked', camera_info_timeout_s=0.0))


@pytest.fixture(scope='module')
def scene(make_scene: Any) -> Any:
    return make_scene()


def _ask(lifter: Any, service: str) -> Any:
    return lifter.probe.call(Trigger, f'/asked/{service}', Trigger.Request())


def test_reset_forgets_people_and_elevation(lifter: Any, scene: Any) -> None:
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: lifter.elevations and lifter.elevations[-1].samples >= 5,
        'samples of the elevation',
    )
    answer = _ask(lifter, 'reset')
    assert answer.success
    assert 'start anew' in answer.message
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: lifter.elevations, 'an elevation after the reset'
    )
    assert lifter.elevations[0].samples == 1
    lifter.probe.until(lambda: lifter.markers, 'markers')
    actions = [action for action, _, _ in lifter.marker_actions()]
    assert actions[0] == 3, 'the display is cleared first'


def test_explain_tells_what_the_node_complains_of(lifter: Any, scene: Any) -> None:
    answer = _ask(lifter, 'explain')
    assert not answer.success
    # No calibration was sent.
    assert 'calibrate the camera' in answer.message
    wrong = scene.people((0.0, 4.0))
    wrong.layout = 'nonsense'
    lifter.keypoints.publish(wrong)
    lifter.probe.until(
        lambda: "layout of the keypoints is 'nonsense'" in _ask(lifter, 'explain').message,
        'the explanation of a wrong layout',
    )
