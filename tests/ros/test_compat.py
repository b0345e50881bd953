# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from elepose_ros.compat import GuardedLifecycleNode, make_executor, optional_message


@pytest.mark.ros
def test_auto_and_single_are_the_executor_that_every_distribution_has(probe: Any) -> None:
    for name in ('auto', 'single'):
        executor = make_executor(name)
        assert isinstance(executor, SingleThreadedExecutor)
        executor.shutdown()


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
