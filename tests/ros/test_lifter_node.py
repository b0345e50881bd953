# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints in, skeletons out: real processes, real DDS, one lifter_node for the module."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo
from visualization_msgs.msg import Marker, MarkerArray

from elepose_core.skeleton import H36M_17
from elepose_ros import interfaces
from elepose_ros.compat import optional_message

HEAD, PELVIS = H36M_17.index('head_top'), H36M_17.index('pelvis')
ANKLES = (H36M_17.index('left_ankle'), H36M_17.index('right_ankle'))
LEFT, RIGHT = H36M_17.index('left_hip'), H36M_17.index('right_hip')


class Live:
    """The node, what it hears and all that it said."""

    def __init__(self, probe: Any, process: Any, namespace: str = '') -> None:
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
def lifter(probe: Any, start: Any, make_scene: Any) -> Live:
    # A quick gap, so that the tests need not send half a second of empty frames.
    process = start('lifter_node', name='lifter', track_max_gap_s=0.2, camera_info_timeout_s=30.0)
    live = Live(probe, process)
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


def test_keypoints_become_skeletons_with_their_stamp_frame_and_id(
    lifter: Live, scene: Any
) -> None:
    lifter.send_until(
        lambda: scene.people((0.5, 4.0)), lambda: lifter.skeletons_with(1), 'a skeleton'
    )
    message = lifter.skeletons_with(1)[0]
    assert message.header.frame_id == 'camera_optical'
    assert (message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec) % 33_000_000
    assert message.layout == 'h36m_17'
    only = message.skeletons[0]
    assert only.id == 'person 0'
    assert only.scale_source == interfaces.Skeleton3D.STATURE
    assert len(only.x) == len(only.y) == len(only.z) == len(only.sigma) == 17
    assert (only.root.x, only.root.y, only.root.z) == pytest.approx(
        (only.x[PELVIS], only.y[PELVIS], only.z[PELVIS]), abs=1e-5
    )


def test_head_is_above_feet_left_is_left_and_the_farther_person_is_farther(
    lifter: Live, scene: Any
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


def test_a_camera_that_looks_down_has_positive_elevation(lifter: Live, scene: Any) -> None:
    lifter.forget()
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)),
        lambda: lifter.elevations and lifter.elevations[-1].samples >= 3,
        'a camera elevation',
    )
    message = lifter.elevations[-1]
    assert 0 < message.elevation < math.pi / 2
    assert message.elevation_variance > 0
    assert message.up.y < 0
    assert np.hypot(message.up.x, np.hypot(message.up.y, message.up.z)) == pytest.approx(1)
    assert message.header.frame_id == 'camera_optical'


def test_the_level_frame_hangs_on_the_camera(lifter: Live, scene: Any) -> None:
    kind = optional_message('tf2_msgs', 'TFMessage')
    if kind is None:
        pytest.skip('tf2_msgs is not installed')
    transforms = lifter.probe.listen(kind, '/tf')
    lifter.send_until(lambda: scene.people((0.0, 4.0)), lambda: transforms, 'a transform')
    only = transforms[0].transforms[0]
    assert only.header.frame_id == 'camera_optical'
    assert only.child_frame_id == 'camera_optical_level'


def test_markers_appear_with_people_and_are_deleted_when_they_leave(
    lifter: Live, scene: Any
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
    lifter: Live, scene: Any
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


def test_nan_keypoints_are_missing_and_do_no_harm(lifter: Live, scene: Any) -> None:
    def people() -> Any:
        message = scene.people((-1.0, 4.0), (1.0, 4.0))
        left_wrist = H36M_17.index('left_wrist')
        message.people[0].x[left_wrist] = message.people[0].y[left_wrist] = math.nan
        message.people[0].score[left_wrist] = 0.0
        for i in range(17):  # nothing of the second person is seen
            message.people[1].x[i] = message.people[1].y[i] = math.nan
        return message

    lifter.forget()
    lifter.send_until(people, lambda: lifter.skeletons_with(1), 'the skeleton of the first')
    only = lifter.skeletons_with(1)[0].skeletons[0]
    assert only.id == 'person 0'
    assert math.isfinite(only.root.z)
    assert only.score[H36M_17.index('left_wrist')] == 0
    assert not lifter.skeletons_with(2)


def test_a_bag_that_loops_back_clears_the_display_once(lifter: Live, scene: Any) -> None:
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: lifter.skeletons_with(1), 'a skeleton'
    )
    lifter.forget()
    scene.stamp_ns = 500_000_000
    lifter.send_until(
        lambda: scene.people((0.0, 4.0)), lambda: len(lifter.markers) >= 5, 'markers again'
    )
    actions = [action for action, _, _ in lifter.marker_actions()]
    assert actions.count(Marker.DELETEALL) == 1
    assert actions[0] == Marker.DELETEALL
    assert lifter.elevations[0].samples == 1


@pytest.mark.parametrize(
    ('layout', 'points', 'sentence'),
    [
        ('yolo_17', 17, "layout of the keypoints is 'yolo_17'; expected one of"),
        ('openpose_25', 17, 'expected 25 each for layout openpose_25'),
    ],
)
def test_wrong_keypoints_are_refused_with_one_sentence(
    lifter: Live, scene: Any, figure: Any, layout: str, points: int, sentence: str
) -> None:
    lifter.forget()
    before = lifter.process.log().count(sentence)

    def refused() -> list[float]:
        return [n for m in lifter.diagnostics if (n := figure(m, 'refused total'))]

    lifter.send_until(
        lambda: scene.people((0.0, 4.0), layout=layout),
        lambda: refused() and refused()[-1] - refused()[0] >= 3,
        'refused frames',
    )
    assert not lifter.skeletons
    assert sentence in [s for m in lifter.diagnostics for s in m.status][-1].message
    assert lifter.process.log().count(sentence) - before <= 1


def test_diagnostics_name_rates_latencies_and_the_camera(
    lifter: Live, scene: Any, figure: Any
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


class TestCameraInfo:
    @pytest.fixture(scope='class')
    def blind(self, probe: Any, start: Any) -> Live:
        """Return a node that gets no camera_info in time."""
        process = start(
            'lifter_node', name='blind', remaps={'__ns': '/blind'}, camera_info_timeout_s=0.2
        )
        return Live(probe, process, namespace='/blind')

    def test_without_it_a_field_of_view_is_assumed_and_flagged(
        self, blind: Live, scene: Any
    ) -> None:
        blind.send_until(
            lambda: scene.people((0.0, 4.0)), lambda: len(blind.skeletons_with(1)) > 3, 'skeletons'
        )
        only = blind.skeletons_with(1)[-1].skeletons[0]
        assert only.scale_source == interfaces.Skeleton3D.UNKNOWN
        assert blind.process.log().count('no camera_info within 0.2 s') == 1
        blind.send_until(
            lambda: scene.people((0.0, 4.0)),
            lambda: any(
                status.level == DiagnosticStatus.WARN and status.name == '/blind/blind'
                for message in blind.diagnostics
                for status in message.status
            ),
            'a warning in the diagnostics',
        )

    def test_when_it_comes_late_metres_are_known_from_then_on(
        self, blind: Live, scene: Any
    ) -> None:
        blind.forget()
        info = scene.camera_info()

        def send() -> Any:
            blind.camera_info.publish(info)
            return scene.people((0.0, 4.0))

        blind.send_until(
            send,
            lambda: any(
                m.skeletons[0].scale_source == interfaces.Skeleton3D.STATURE
                for m in blind.skeletons_with(1)
            ),
            'a metric scale',
        )
        assert 'camera_info arrived' in blind.process.log()

    def test_of_another_shape_it_is_refused_with_one_sentence(
        self, blind: Live, scene: Any
    ) -> None:
        info = scene.camera_info()
        info.height = 360

        def send() -> Any:
            blind.camera_info.publish(info)
            return scene.people((0.0, 4.0))

        sentence = 'image is 640x480 but the camera is calibrated for 640x360'
        blind.send_until(send, lambda: sentence in blind.process.log(), 'the sentence')

    def test_with_zeros_it_is_the_degraded_mode(self, blind: Live, scene: Any) -> None:
        info = CameraInfo(width=640, height=480)
        blind.forget()

        def send() -> Any:
            blind.camera_info.publish(info)
            return scene.people((0.0, 4.0))

        blind.send_until(
            send,
            lambda: any(
                m.skeletons[0].scale_source == interfaces.Skeleton3D.UNKNOWN
                for m in blind.skeletons_with(1)
            ),
            'the degraded mode',
        )
        assert blind.process.log().count('K of camera_info is 0') == 1
