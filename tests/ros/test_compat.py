# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import sys
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from elepose_core.errors import InputError
from elepose_ros.compat import GuardedLifecycleNode, make_executor, optional_message


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
