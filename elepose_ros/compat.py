# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Differences between ROS 2 distributions, told by what is there and never by a name."""

import importlib
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_policy_name_from_kind

from elepose_core.errors import InputError

__all__ = [
    'GuardedLifecycleNode',
    'create_subscription',
    'forget_ended',
    'make_executor',
    'message_class',
    'no_publisher_events',
    'on_parameter_changes',
    'optional_message',
    'publisher_events',
]

_RCLError: type[Exception] = rclpy_implementation.RCLError


def make_executor(name: str) -> Executor:
    """Return the executor of the parameter `executor`: auto, single or events."""
    if name == 'single':
        return SingleThreadedExecutor()
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        if name == 'auto':
            return SingleThreadedExecutor()
        raise InputError(
            'parameter executor is events but this rclpy has no EventsExecutor; '
            'expected auto or single (events comes with Jazzy)'
        ) from None
    executor: Executor = EventsExecutor()
    return executor


def _events() -> Any:
    try:
        return importlib.import_module('rclpy.event_handler')
    except ImportError:  # before Jazzy; the old name warns where the new one exists
        return importlib.import_module('rclpy.qos_event')


def _with_name(callback: Callable[[str], None]) -> Callable[[Any], None]:
    def on_event(event: Any) -> None:
        # DURABILITY and not QoSPolicyKind.DURABILITY or DURABILITY_QOS_POLICY, as others have it.
        name = str(qos_policy_name_from_kind(event.last_policy_kind))
        callback(name.removesuffix('_QOS_POLICY'))

    return on_event


def publisher_events(on_incompatible: Callable[[str], None]) -> Any:
    """Return event callbacks that hand over the name of a policy which a subscriber misses."""
    return _events().PublisherEventCallbacks(
        incompatible_qos=_with_name(on_incompatible), use_default_callbacks=False
    )


def no_publisher_events() -> Any:
    """Return event callbacks that do nothing: the executor then has nothing to wait for.

    A publisher with them may come and go in any thread while the node spins.
    """
    return _events().PublisherEventCallbacks(use_default_callbacks=False)


def create_subscription(
    node: Node,
    what: tuple[Any, str, Callable[[Any], None], QoSProfile],
    events: tuple[Callable[[str], None], Callable[[int], None]],
    more: dict[str, Any],
) -> Any:
    """Create a subscription that tells of its troubles.

    Args:
        node: Who listens.
        what: Message class, topic, callback and profile.
        events: Called with the name of a policy that a publisher does not offer, and with the
            number of messages that got lost in the middleware.
        more: Further arguments of rclpy's method.
    """
    on_incompatible, on_lost = events
    # rclpy's own callbacks say less, and in a way that is deprecated.
    callbacks: dict[str, Any] = {
        'incompatible_qos': _with_name(on_incompatible),
        'use_default_callbacks': False,
    }
    lost = {'message_lost': lambda event: on_lost(event.total_count_change)}
    make = _events().SubscriptionEventCallbacks
    try:
        return node.create_subscription(*what, event_callbacks=make(**callbacks, **lost), **more)
    except rclpy_implementation.UnsupportedEventTypeError:
        # Not every middleware counts what it loses.
        return node.create_subscription(*what, event_callbacks=make(**callbacks), **more)


def forget_ended(node: Node) -> None:
    """Let the node's default callback group forget what was destroyed.

    rclpy leaves a dead reference there for each subscription, event and timer that ever was, which
    adds up where they come and go. Those that an executor may still look up are alive, and stay.
    """
    references = getattr(node.default_callback_group, 'entities', None)
    if isinstance(references, set):
        references.difference_update([ended for ended in tuple(references) if ended() is None])


def message_class(type_name: str) -> Any:
    """Return the Python class of a ROS message type such as 'sensor_msgs/msg/Image'.

    Raises:
        InputError: The package is not installed or has no such message.
    """
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f'message type {type_name} is not installed; install or source the package {package}'
        ) from error


def optional_message(package: str, name: str) -> Any | None:
    """Return a message class of a package that may be absent, else None."""
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except ImportError:
        return None


def on_parameter_changes(
    node: Node,
    check: Callable[[list[Parameter]], SetParametersResult],
    apply: Callable[[list[Parameter]], None],
) -> None:
    """Call `check` before parameters of the node change and `apply` when they have changed."""
    if hasattr(node, 'add_post_set_parameters_callback'):
        node.add_on_set_parameters_callback(check)
        node.add_post_set_parameters_callback(apply)
        return

    # Humble has no second callback; nobody else checks our parameters, so ours has the last word.
    def check_and_apply(parameters: list[Parameter]) -> SetParametersResult:
        result = check(parameters)
        if result.successful:
            apply(parameters)
        return result

    node.add_on_set_parameters_callback(check_and_apply)


class GuardedLifecycleNode(LifecycleNode):
    """A lifecycle node that survives a request for a transition that is not possible now.

    Until Jazzy rclpy lets the error of such a request end the executor; later it refuses. All
    versions that were read change states through one private method, which is guarded here.
    """

    def _LifecycleNodeMixin__change_state(  # noqa: N802
        self, transition_id: int
    ) -> TransitionCallbackReturn:
        try:
            result: TransitionCallbackReturn = super()._LifecycleNodeMixin__change_state(
                transition_id
            )
        except _RCLError:
            return self._refuse(f'transition {transition_id}')
        return result

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        """End, or refuse where rclpy raises: an ended node does not end again."""
        try:
            result: TransitionCallbackReturn = super().trigger_shutdown()
        except _RCLError:
            return self._refuse('shutdown')
        return result

    def _refuse(self, what: str) -> TransitionCallbackReturn:
        _, label = self._state_machine.current_state
        self.get_logger().error(
            f'refused lifecycle {what}: it is not possible at state {label}; see '
            f'ros2 lifecycle list {self.get_fully_qualified_name()}'
        )
        return TransitionCallbackReturn.FAILURE
