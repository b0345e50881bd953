# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the sentences about topics say."""

from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from sensor_msgs.msg import Image

from elepose_core.errors import InputError
from elepose_ros import compat
from elepose_ros.endpoints import (
    Endpoint,
    Topic,
    make_publisher,
    offered_sentence,
    silence_sentence,
)
from elepose_ros.qos import result_qos

CAMERA = Endpoint('/camera', 'sensor_msgs/msg/Image', 'reliable')


def topic(reliability: str = 'best_effort') -> Topic:
    return Topic('image', Image, reliability, 'image_reliability', depth=2)


def test_nothing_is_said_while_discovery_may_still_run() -> None:
    assert silence_sentence(topic(), '/cam/image', 4.9, []) == ''


def test_no_publisher_means_start_it_or_remap_to_what_is_there() -> None:
    sentence = silence_sentence(topic(), '/cam/image', 5.0, [])
    assert sentence.startswith('nobody publishes /cam/image: ')
    assert sentence.endswith('remap image to the topic that it publishes')
    sentence = silence_sentence(topic(), '/image', 5.0, [], ['/a/image_raw', '/b/image_raw'])
    assert sentence.endswith('(sensor_msgs/msg/Image comes on /a/image_raw, /b/image_raw)')


@pytest.mark.parametrize(
    ('reliability', 'cure'), [('best_effort', 'reliable'), ('reliable', 'best_effort')]
)
def test_a_publisher_that_is_not_heard_names_the_parameter_that_may_help(
    reliability: str, cure: str
) -> None:
    sentence = silence_sentence(topic(reliability), '/cam/image', 7.0, [CAMERA])
    assert '/camera publishes /cam/image but nothing was received for 7 s' in sentence
    assert f'set image_reliability to {cure}' in sentence


def test_a_publisher_that_offers_too_little_is_named() -> None:
    shy = Endpoint('/camera', 'sensor_msgs/msg/Image', 'best_effort')
    sentence = silence_sentence(topic('reliable'), '/image', 7.0, [shy])
    assert sentence == (
        '/camera offers only best_effort on /image, so nothing comes: set image_reliability to '
        'best_effort'
    )


def test_a_publisher_of_another_type_names_both_types_and_the_cure() -> None:
    compressed = Endpoint('/camera', 'sensor_msgs/msg/CompressedImage', 'reliable')
    sentence = silence_sentence(topic(), '/image', 7.0, [compressed])
    assert '/camera sends sensor_msgs/msg/CompressedImage on /image' in sentence
    assert 'set image_transport to compressed' in sentence
    text = Endpoint('/talker', 'std_msgs/msg/String', 'reliable')
    sentence = silence_sentence(topic(), '/image', 7.0, [text])
    assert sentence.endswith('expected sensor_msgs/msg/Image; remap image to another topic')


def test_a_subscriber_that_asks_for_more_is_told_what_to_ask_for() -> None:
    assert 'RViz: Durability Policy' in offered_sentence('/markers', 'DURABILITY')
    assert 'qos_overrides./markers.publisher.reliability' in offered_sentence(
        '/markers', 'RELIABILITY'
    )
    assert offered_sentence('/markers', 'DEADLINE').endswith('ask for the default deadline')


@pytest.mark.ros
class TestOfARunningNode:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let nobody wait for five seconds."""
        monkeypatch.setattr('elepose_ros.inputs.SILENCE_S', 0.0)
        monkeypatch.setattr('elepose_ros.endpoints.SILENCE_S', 0.0)

    def _faults(self, node: Any) -> str:
        return '\n'.join(node.explain())

    def test_a_best_effort_publisher_is_heard_after_one_change_of_a_parameter(
        self, probe: Any, inside: Any, scene: Any, told: None
    ) -> None:
        from rclpy.parameter import Parameter

        from elepose_ros import interfaces

        keypoints = probe.talk(interfaces.People2D, '/keypoints', 'best_effort')
        node = inside('shy', keypoints_reliability='reliable', camera_info_timeout_s=0.0)
        sentence = (
            'offers less RELIABILITY on /keypoints than is asked for, so nothing comes from it: '
            'set keypoints_reliability to best_effort'
        )
        probe.until(lambda: sentence in self._faults(node), sentence)
        sentence = '/probe offers only best_effort on /keypoints'
        probe.until(lambda: sentence in self._faults(node), sentence)
        node.set_parameters([Parameter('keypoints_reliability', value='best_effort')])
        probe.until(
            lambda: node.statistics.counts().get('out'),
            'a frame',
            again=lambda: keypoints.publish(scene.people((0.0, 4.0))),
        )
        probe.node.destroy_publisher(keypoints)

    def test_a_subscriber_that_wants_old_results_is_told_why_it_gets_none(
        self, probe: Any, inside: Any
    ) -> None:
        from rclpy.event_handler import SubscriptionEventCallbacks
        from rclpy.qos import DurabilityPolicy
        from visualization_msgs.msg import MarkerArray

        node = inside('late')
        qos = result_qos()
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        rviz = probe.node.create_subscription(
            *(MarkerArray, '/markers', print, qos),
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        sentence = 'a subscriber of /markers asks for another DURABILITY than is offered'
        probe.until(lambda: sentence in self._faults(node), sentence)
        probe.node.destroy_subscription(rviz)

    def test_another_type_and_no_publisher_are_told_apart(
        self, probe: Any, inside: Any, told: None
    ) -> None:
        from sensor_msgs.msg import CameraInfo

        from elepose_ros import interfaces

        node = inside('lost')
        probe.until(lambda: 'nobody publishes /keypoints: ' in self._faults(node), 'no publisher')
        assert 'nobody publishes /camera_info: ' in self._faults(node)
        # One process cannot have two types on one topic.
        context = rclpy.Context()
        rclpy.init(context=context)
        stranger = rclpy.create_node('stranger', context=context)
        stranger.create_publisher(CameraInfo, '/keypoints', result_qos())
        elsewhere = probe.talk(interfaces.People2D, '/person/keypoints')
        probe.until(
            lambda: (
                '/stranger sends sensor_msgs/msg/CameraInfo on /keypoints' in self._faults(node)
            ),
            'the other type',
        )
        stranger.destroy_node()
        rclpy.shutdown(context=context)
        cure = '(elepose_ros/msg/People2D comes on /person/keypoints)'
        probe.until(lambda: cure in self._faults(node), cure)
        probe.node.destroy_publisher(elsewhere)

    def test_depth_can_be_overridden_as_ros_users_expect(self, inside: Any) -> None:
        node = inside('deep', **{'qos_overrides./keypoints.subscription.depth': 3})
        depths = {s.topic_name: s.qos_profile.depth for s in node.subscriptions}
        assert depths['/keypoints'] == 3
        assert node.get_parameter('qos_overrides./skeletons.publisher.depth').value == 10

    @pytest.mark.parametrize(
        ('name', 'value', 'sentence'),
        [
            ('/keypoints.subscription.depth', 5000, 'depth is 5000; expected 1 to 1000'),
            ('/keypoints.subscription.history', 'keep_all', 'expected keep_last, since'),
            ('/skeletons.publisher.reliability', 'sure', 'for policy `reliability`: `sure`'),
        ],
    )
    def test_a_wrong_override_is_one_sentence_and_leaves_nothing_behind(
        self, inside: Any, name: str, value: Any, sentence: str
    ) -> None:
        from rclpy.lifecycle import TransitionCallbackReturn

        node = inside('odd', active=False, **{f'qos_overrides.{name}': value})
        before = len(list(node.subscriptions)), len(list(node.publishers))
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert sentence in '\n'.join(node.explain())
        assert (len(list(node.subscriptions)), len(list(node.publishers))) == before

    def test_an_override_that_fits_nothing_is_told(self, inside: Any) -> None:
        name = 'qos_overrides./keypoints.subscription.reliability'
        node = inside('misspelt', active=False, **{name: 'reliable'})
        node.trigger_configure()
        assert f'parameter {name} fits no topic of this node' in self._faults(node)

    def test_a_middleware_that_does_not_count_losses_is_used_without(
        self, inside: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        events = compat._events()
        real = events.SubscriptionEventCallbacks

        def without_message_lost(**callbacks: Any) -> Any:
            if 'message_lost' in callbacks:
                raise rclpy_implementation.UnsupportedEventTypeError('no such event')
            return real(**callbacks)

        monkeypatch.setattr(events, 'SubscriptionEventCallbacks', without_message_lost)
        assert inside('plain') is not None

    def test_other_errors_of_rclpy_are_not_taken_for_the_users(self) -> None:
        class Broken:
            def create_lifecycle_publisher(self, *args: Any, **more: Any) -> Any:
                raise RuntimeError('out of memory')

        with pytest.raises(RuntimeError, match='out of memory'):
            make_publisher(Broken(), Image, 'image', result_qos())  # type: ignore[arg-type]
        assert issubclass(InputError, ValueError)
