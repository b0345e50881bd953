# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import gc
import sys
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from elepose_core.errors import InputError
from elepose_core.runtime.predictor import Predictor
from elepose_ros.compat import (
    GuardedLifecycleNode,
    create_subscription,
    forget_ended,
    make_executor,
    optional_message,
)
from elepose_ros.inputs import Input, Topic
from elepose_ros.qos import input_qos


@pytest.mark.ros
def test_auto_is_the_events_executor_where_it_exists(
    probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = make_executor('auto')
    assert type(executor).__name__ == 'EventsExecutor'
    executor.shutdown()
    monkeypatch.setitem(sys.modules, 'rclpy.experimental', None)
    for name in ('auto', 'single'):
        executor = make_executor(name)
        assert isinstance(executor, SingleThreadedExecutor)
        executor.shutdown()
    with pytest.raises(InputError, match='executor is events but this rclpy has no'):
        make_executor('events')


def test_a_package_that_is_absent_is_none() -> None:
    assert optional_message('no_such_msgs', 'Thing') is None
    assert optional_message('std_msgs', 'Header') is not None


@pytest.mark.ros
def test_subscriptions_that_come_and_go_leave_nothing_behind(
    inside: Any, request: pytest.FixtureRequest
) -> None:
    from std_msgs.msg import Header

    node = inside('tidy', active=False)
    gc.collect()
    gc.disable()  # nothing may wait for it
    request.addfinalizer(gc.enable)
    node._tick()
    before = len(node.default_callback_group.entities)

    def come_and_go() -> None:
        quiet: Any = (lambda _: None, lambda _: None)
        what: Any = (Header, 'passing', quiet[0], input_qos('reliable', 1))
        node.destroy_subscription(create_subscription(node, what, quiet, {}))

    for _ in range(5):
        come_and_go()
    for _ in range(5):
        reports = (node.reporter, node.statistics)
        topic = Topic('passing', Header, 'reliable', 'keypoints_reliability', depth=1)
        Input(node, topic, lambda *_: None, 0, reports).close()
    kept = create_subscription(
        node, (Header, 'p', print, input_qos('reliable', 1)), (print,) * 2, {}
    )
    assert len(node.default_callback_group.entities) > before + 3
    node._tick()
    assert len(node.default_callback_group.entities) == before + 3, 'one with its two events'
    assert node.default_callback_group.has_entity(kept)
    node.destroy_subscription(kept)
    # A group of another rclpy may be made otherwise.
    forget_ended(SimpleNamespace(default_callback_group=object()))  # type: ignore[arg-type]


@pytest.mark.ros
def test_configure_and_cleanup_leave_nothing_behind(
    inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor()
    monkeypatch.setattr('elepose_ros.lifter_node.load_predictor', lambda _: predictor)
    node = inside('tidy_too', active=False)
    before = len(node.default_callback_group.entities)
    for _ in range(2):
        node.trigger_configure()
        node.trigger_activate()
        node.trigger_deactivate()
        node.trigger_cleanup()
        gc.collect()
        node._tick()
        assert len(node.default_callback_group.entities) == before


@pytest.mark.ros
def test_the_error_of_older_distributions_becomes_a_refusal(
    probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until Jazzy rclpy raises RCLError on such a transition; here it is made to."""

    def raise_as_jazzy_does(_self: Any, _transition: int) -> None:
        raise rclpy_implementation.RCLError('No transition matching 3 found')

    node = GuardedLifecycleNode('guarded')
    monkeypatch.setattr(
        LifecycleNode, '_LifecycleNodeMixin__change_state', raise_as_jazzy_does, raising=True
    )
    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    node.destroy_node()
