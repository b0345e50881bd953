# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints in, skeletons out: real processes, real DDS, one lifter_node for the module."""

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from visualization_msgs.msg import Marker

from elepose_core.runtime.messages import stamp_ns_from_header
from elepose_core.skeleton import H36M_17
from elepose_ros import interfaces
from elepose_ros.compat import optional_message

HEAD, PELVIS = H36M_17.index('head_top'), H36M_17.index('pelvis')
ANKLES = (H36M_17.index('left_ankle'), H36M_17.index('right_ankle'))
LEFT, RIGHT = H36M_17.index('left_hip'), H36M_17.index('right_hip')


@pytest.fixture(scope='module')
def lifter(start: Any, connect: Any, make_scene: Any) -> Any:
    # A quick gap, so that the tests need not send half a second of empty frames.
    process = start('lifter_node', name='lifter', track_max_gap_s=0.2, camera_info_timeout_s=30.0)
    live = connect(process)
    info = make_scene().camera_info()
    live.probe.until(
        lambda: any(
            value.key == 'camera_info age [s]' and value.value != 'inf'
            for message in live.diagnostics
            for status in message.status
            for value in status.values
        ),
        'camera_info to arrive',
        again=lambda: live.camera_info.publish(info),
    )
    live.forget()
    return live


@pytest.fixture(scope='module')
def scene(make_scene: Any) -> Any:
    """Shadow the fixture of one test: time must run on from test to test."""
    return make_scene()


def test_the_diagnostics_say_what_lifts_and_why(lifter: Any) -> None:
    lifter.probe.until(lambda: lifter.diagnostics, 'diagnostics')
    (status,) = lifter.diagnostics[-1].status
    facts = {value.key: value.value for value in status.values}
    assert facts['device'] in {'cpu', 'cuda', 'tensorrt'}
    assert '(device auto: ' in facts['backend']


def test_keypoints_become_skeletons_with_their_stamp_frame_and_id(lifter: Any, scene: Any) -> None:
    lifter.send_until(
        lambda: scene.people((0.5, 4.0)), lambda: lifter.skeletons_with(1), 'a skeleton'
    )
    message = lifter.skeletons_with(1)[0]
    assert message.header.frame_id == 'camera_optical'
    stamp_ns = stamp_ns_from_header(message.header)
    assert stamp_ns <= scene.stamp_ns
    assert (stamp_ns - 1_000_000_000) % 33_000_000 == 0
    assert message.layout == 'h36m_17'
    only = message.skeletons[0]
    assert only.id == 'person 0'
    assert only.scale_source == interfaces.Skeleton3D.STATURE
    assert len(only.x) == len(only.y) == len(only.z) == len(only.sigma) == 17
    assert only.sigma[0] == 0
    assert 0 < min(only.sigma[1:]) <= max(only.sigma) < 1
    assert 0 <= only.plausibility <= 1
    assert (only.root.x, only.root.y, only.root.z) == pytest.approx(
        (only.x[PELVIS], only.y[PELVIS], only.z[PELVIS]), abs=1e-5
    )


def test_head_is_above_feet_left_is_left_and_the_farther_person_is_farther(
    lifter: Any, scene: Any
) -> None:
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((-1.0, 3.5), (1.0, 6.0)),
        lambda: lifter.skeletons_with(2),
        'two skeletons',
    )
    near, far = lifter.skeletons_with(2)[0].skeletons
    for person in (near, far):
        assert person.y[HEAD] < min(person.y[ankle] for ankle in ANKLES)
        # Both face the camera: their left is at the right of the picture.
        assert person.x[LEFT] > person.x[RIGHT]
    assert near.root.z < far.root.z
    assert near.root.x < 0 < far.root.x
    # Along the axis of a camera 2.6 m up that looks down by 20 degrees, pelvis at 0.95 m.
    for person, away_m in ((near, 3.5), (far, 6.0)):
        depth_m = away_m * math.cos(math.radians(20)) + 1.65 * math.sin(math.radians(20))
        assert person.root.z == pytest.approx(depth_m, rel=0.25)


def test_a_camera_that_looks_down_has_positive_elevation(lifter: Any, scene: Any) -> None:
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: lifter.elevations and lifter.elevations[-1].samples >= 3,
        'a camera elevation',
    )
    message = lifter.elevations[-1]
    assert 0 < message.elevation < math.pi / 2
    assert message.elevation_variance > 0
    assert abs(message.roll) < 0.2
    assert message.roll_variance > 0
    assert message.up.y < 0
    assert np.hypot(message.up.x, np.hypot(message.up.y, message.up.z)) == pytest.approx(1)
    assert message.header.frame_id == 'camera_optical'


def test_the_level_frame_hangs_on_the_camera(lifter: Any, scene: Any) -> None:
    kind = optional_message('tf2_msgs', 'TFMessage')
    if kind is None:
        pytest.skip('tf2_msgs is not installed')
    transforms = lifter.probe.listen(kind, '/tf')
    lifter.send_until(lambda: scene.people((0.0, 4.0)), lambda: transforms, 'a transform')
    only = transforms[0].transforms[0]
    assert only.header.frame_id == 'camera_optical'
    assert only.child_frame_id == 'camera_optical_level'


def test_markers_appear_with_people_and_are_deleted_when_they_leave(
    lifter: Any, scene: Any
) -> None:
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((-1.0, 4.0), (1.0, 4.0)),
        lambda: lifter.markers and len(lifter.markers[-1].markers) == 4,
        'markers of two people',
    )
    shown = {(m.ns, m.id) for m in lifter.markers[-1].markers}
    assert {namespace for namespace, _ in shown} == {'skeleton_bones', 'skeleton_joints'}
    assert len({number for _, number in shown}) == 2
    stays = lifter.markers[-1].markers[0].id
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((-1.0, 4.0)),
        lambda: any(action == Marker.DELETE for action, _, _ in lifter.marker_actions()),
        'the markers of one to be deleted',
    )
    deleted = {(ns, i) for action, ns, i in lifter.marker_actions() if action == Marker.DELETE}
    assert deleted == {(ns, i) for ns, i in shown if i != stays}
    # Deletion is for those who left, never a sweep that would make the display flicker.
    assert Marker.DELETEALL not in {action for action, _, _ in lifter.marker_actions()}


def test_an_empty_list_gives_empty_skeletons_and_deletes_the_markers(
    lifter: Any, scene: Any
) -> None:
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: lifter.skeletons_with(1), 'a skeleton'
    )
    lifter.forget()
    lifter.send_until(
        scene.people,
        lambda: any(action == Marker.DELETE for action, _, _ in lifter.marker_actions()),
        'the markers to be deleted',
    )
    assert lifter.skeletons_with(0)
    lifter.forget()
    lifter.send_until(scene.people, lambda: lifter.skeletons_with(0), 'empty skeletons')
    assert lifter.marker_actions() == []


def test_nan_keypoints_are_missing_and_do_no_harm(lifter: Any, scene: Any) -> None:
    sent: list[Any] = []

    def people() -> Any:
        message = scene.people((-1.0, 4.0), (1.0, 4.0))
        left_wrist = H36M_17.index('left_wrist')
        message.people[0].x[left_wrist] = message.people[0].y[left_wrist] = math.nan
        message.people[0].score[left_wrist] = 0.0
        for i in range(17):  # nothing of the second person is seen
            message.people[1].x[i] = message.people[1].y[i] = math.nan
        sent.append(message.header.stamp)
        return message

    def answers() -> list[Any]:
        # Frames of the test before may still be on their way.
        return [m for m in lifter.skeletons_with(1) if m.header.stamp in sent]

    lifter.forget()
    lifter.send_until(people, answers, 'the skeleton of the first')
    only = answers()[0].skeletons[0]
    assert only.id == 'person 0'
    assert math.isfinite(only.root.z)
    assert only.score[H36M_17.index('left_wrist')] == 0
    assert not lifter.skeletons_with(2)


def test_a_bag_that_loops_back_clears_the_display_once(lifter: Any, scene: Any) -> None:
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: lifter.skeletons_with(1), 'a skeleton'
    )
    lifter.forget()
    jump_ns = scene.stamp_ns
    scene.stamp_ns = 500_000_000
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: any(e.samples == 1 for e in lifter.elevations) and len(lifter.markers) > 5,
        'markers and a new elevation',
    )
    markers = [marker for array in lifter.markers for marker in array.markers]
    assert [m.action for m in markers].count(Marker.DELETEALL) == 1
    clears = [m.action for m in markers].index(Marker.DELETEALL)
    # A frame from before the jump may still come in first.
    stamps_ns = [stamp_ns_from_header(m.header) for m in markers]
    assert all(stamp_ns > 500_000_000 for stamp_ns in stamps_ns)
    assert all(stamp_ns <= jump_ns for stamp_ns in stamps_ns[:clears])
    assert all(stamp_ns <= scene.stamp_ns < jump_ns for stamp_ns in stamps_ns[clears:])


@pytest.mark.parametrize(
    ('layout', 'points', 'sentence'),
    [
        ('yolo_17', 17, "layout of the keypoints is 'yolo_17'; expected one of"),
        ('openpose_25', 17, 'expected 25 each for layout openpose_25'),
    ],
)
def test_wrong_keypoints_are_refused_with_one_sentence(
    lifter: Any, scene: Any, figure: Any, layout: str, points: int, sentence: str
) -> None:
    lifter.forget()
    before = lifter.process.log().count(sentence)
    first_ns = scene.stamp_ns

    def refused() -> list[float]:
        return [n for m in lifter.diagnostics if (n := figure(m, 'refused total'))]

    lifter.send_until(
        lambda: scene.people((0.0, 4.0), layout=layout),
        lambda: refused() and refused()[-1] - refused()[0] >= 3,
        'refused frames',
    )
    assert all(stamp_ns_from_header(m.header) <= first_ns for m in lifter.skeletons)
    assert sentence in [s for m in lifter.diagnostics for s in m.status][-1].message
    assert lifter.process.log().count(sentence) - before <= 1


def test_diagnostics_name_rates_latencies_and_the_camera(
    lifter: Any, scene: Any, figure: Any
) -> None:
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: lifter.diagnostics and figure(lifter.diagnostics[-1], 'out rate [Hz]') > 5,
        'a rate',
    )
    message = lifter.diagnostics[-1]
    status = message.status[0]
    values = {value.key: value.value for value in status.values}
    assert status.name == '/lifter'
    assert values['state'] == 'active'
    assert values['camera'] == 'calibrated'
    assert values['model'] == 'default'
    for stage in ('wait', 'read', 'lift', 'publish', 'total'):
        assert 0 < float(values[f'{stage} p50 [ms]']) <= float(values[f'{stage} p95 [ms]'])
