# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`~/reset` and `~/explain`, as sentences and of a real node."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

import rclpy
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from elepose_ros import lifecycle
from elepose_ros.lifecycle import Part
from elepose_ros.services import explanation


def test_nothing_wrong_is_nothing_said() -> None:
    counts = {'in': 1000, 'out': 990, 'dropped': 10}
    assert explanation('/lifter', 'active', {}, counts, {'lift': 3.0}) == []


@pytest.mark.parametrize(
    ('state', 'verb'), [('unconfigured', 'configure'), ('inactive', 'activate')]
)
def test_a_node_that_waits_says_what_for(state: str, verb: str) -> None:
    (sentence,) = explanation('/a/lifter', state, {}, {}, {})
    assert f'ros2 lifecycle set /a/lifter {verb}' in sentence


def test_dropped_frames_name_the_slowest_stage_and_a_cure() -> None:
    counts = {'in': 1000, 'dropped': 600}
    (sentence,) = explanation(
        '/p', 'active', {}, counts, {'detect': 90.0, 'lift': 3.0, 'wait': 99.0}
    )
    assert '600 of 1000 frames were dropped' in sentence
    assert 'detect takes 90 ms' in sentence
    assert 'detector_input_long_side' in sentence
    (sentence,) = explanation('/p', 'active', {}, counts, {'lift': 30.0})
    assert 'max_people' in sentence


def test_troubles_are_told() -> None:
    troubles = {'one': 'a', 'two': 'b', 'three': 'a'}
    assert explanation('/p', 'active', troubles, {}, {}) == ['a', 'b']


def test_losses_in_the_middleware_name_the_cure() -> None:
    counts = {'in': 100, 'lost in the middleware': 30}
    (sentence,) = explanation('/p', 'active', {}, counts, {})
    assert '30 messages were lost in the middleware while 100 came in' in sentence
    assert 'keypoints_reliability to reliable' in sentence


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


@pytest.mark.ros
class TestEachSymptom:
    """The broken link is named, with the cure."""

    @pytest.fixture
    def expect(self, probe: Any, inside: Any, scene: Any) -> Any:
        """Return a function that sends frames which were changed until a sentence is told."""
        from elepose_ros import interfaces

        publisher = probe.talk(interfaces.People2D, '/keypoints')

        def expect(node: Any, sentence: str, change: Callable[[Any], None]) -> None:
            def send() -> None:
                message = scene.people((0.0, 4.0))
                change(message)
                publisher.publish(message)

            probe.until(lambda: sentence in '\n'.join(node.explain()), sentence, again=send)

        yield expect
        probe.node.destroy_publisher(publisher)

    def test_stamps(self, inside: Any, expect: Any) -> None:
        node = inside('stamped', camera_info_timeout_s=0.0)

        def at(offset_s: float) -> Callable[[Any], None]:
            def change(message: Any) -> None:
                now_ns = node.get_clock().now().nanoseconds + round(offset_s * 1e9)
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(now_ns, 10**9)

            return change

        def zero(message: Any) -> None:
            message.header.stamp.sec = message.header.stamp.nanosec = 0

        expect(node, 'ahead of the clock of this node', at(30.0))
        expect(node, 's old when they are done', at(-3.0))
        expect(node, 'and so do two publishers on one topic', at(-3.0))
        expect(node, 'stamps are 3.0 days older than the clock', at(-3 * 86400.0))
        expect(node, 'the stamp of the input is 0', zero)

    def test_frames_and_calibration(
        self, probe: Any, inside: Any, scene: Any, expect: Any
    ) -> None:
        from sensor_msgs.msg import CameraInfo

        infos = probe.talk(CameraInfo, '/camera_info')
        node = inside('framed', camera_info_timeout_s=10.0)
        probe.until(infos.get_subscription_count, 'the subscription')
        info = scene.camera_info()
        info.header.frame_id = 'other_camera'
        infos.publish(info)

        def named(name: str) -> Callable[[Any], None]:
            def change(message: Any) -> None:
                message.header.frame_id = name

            return change

        expect(node, "that of frame 'other_camera' but the input is in 'a'", named('a'))
        expect(node, "frame_id '/b' begins with a slash", named('/b'))
        expect(node, "frame_id changed 1 time(s), the last time from 'a' to '/b'", named('/b'))
        expect(node, 'frame_id of the input is empty', named(''))
        info.k[0] = 0.0
        infos.publish(info)
        expect(node, 'the camera is not calibrated', named('a'))
        probe.node.destroy_publisher(infos)

    def test_a_clock_that_stands_still(self, probe: Any, inside: Any) -> None:
        node = inside('timeless', use_sim_time=True)
        assert 'use_sim_time is true but nothing comes on /clock' in '\n'.join(node.explain())

    def test_a_clock_that_starts(self, probe: Any, inside: Any) -> None:
        from rosgraph_msgs.msg import Clock

        node = inside('timely', active=False, use_sim_time=True)
        clock, message = probe.talk(Clock, '/clock'), Clock()
        message.clock.sec = 100
        probe.until(
            lambda: '/clock' not in '\n'.join(node.explain()),
            'the fault to go',
            again=lambda: clock.publish(message),
        )
        assert node.get_clock().now().nanoseconds == 100_000_000_000
        probe.node.destroy_publisher(clock)

    def test_two_nodes_in_namespaces_do_not_hear_each_other(
        self, probe: Any, inside: Any, scene: Any
    ) -> None:
        from elepose_ros import interfaces

        one, two = (
            inside('lifter', camera_info_timeout_s=0.0, namespace=f'/{side}')
            for side in ('left', 'right')
        )
        left = probe.talk(interfaces.People2D, '/left/keypoints')
        skeletons = probe.listen(interfaces.Skeletons3D, '/left/skeletons')
        others = probe.listen(interfaces.Skeletons3D, '/right/skeletons')
        probe.until(
            lambda: len(skeletons) > 2,
            'skeletons',
            again=lambda: left.publish(scene.people((0.0, 4.0))),
        )
        assert one.statistics.counts()['in'] > 0
        assert 'in' not in two.statistics.counts()
        assert not others
        assert 'another node' not in '\n'.join(one.explain())
        probe.node.destroy_publisher(left)

    def test_two_nodes_of_one_name(self, probe: Any, inside: Any) -> None:
        node = inside('twin', active=False)
        assert 'another node' not in '\n'.join(node.explain())
        other = rclpy.create_node('twin')
        sentence = 'another node is called /twin as well'
        probe.until(lambda: sentence in '\n'.join(node.explain()), sentence)
        other.destroy_node()

    def test_why_it_could_not_be_configured_is_told_for_good(
        self, inside: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = inside('failing', active=False, model='/no/where')
        node.trigger_configure()
        monkeypatch.setattr(node.reporter, 'recent_troubles', dict)
        explained = node.explain()
        assert 'ros2 lifecycle set /failing configure' in explained[0]
        assert '/no/where does not exist' in explained[1]

    def test_a_service_that_breaks_answers_and_the_node_lives_on(
        self, probe: Any, inside: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = inside('robust', active=False)

        def bug(*_: Any) -> Any:
            raise RuntimeError('no home')

        monkeypatch.setattr(lifecycle, 'node_faults', bug)
        monkeypatch.setattr(node, '_facts', bug)
        part = Part()
        monkeypatch.setattr(part, 'save_mount', bug)
        monkeypatch.setattr(part, 'reset', bug)
        monkeypatch.setattr(node, '_parts', (part,))
        monkeypatch.setattr(node, '_is_active', True)
        node._tick()
        for service in ('save_static_transform', 'explain', 'reset'):
            answer = probe.call(Trigger, f'/robust/{service}', Trigger.Request())
            assert not answer.success
        monkeypatch.setattr(lifecycle, 'with_changes', bug)
        (result,) = node.set_parameters([Parameter('stature_m', value=1.8)])
        assert not result.successful
        monkeypatch.undo()
        explained = probe.call(Trigger, '/robust/explain', Trigger.Request()).message
        assert 'a bug in ~/save_static_transform, please report it' in explained
        assert 'RuntimeError: no home' in explained
