# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Our ends of topics, and what is wrong with the other ends: one sentence with the cure each.

Every publisher and subscription of the nodes is made here, so that each tells when the other side
asks for, or offers, a quality of service that does not fit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from elepose_core.errors import InputError
from elepose_ros.compat import create_subscription, publisher_events
from elepose_ros.qos import input_qos
from elepose_ros.reports import Reporter

__all__ = [
    'SILENCE_S',
    'Endpoint',
    'Topic',
    'make_publisher',
    'make_subscription',
    'offered_sentence',
    'publishers_of',
    'silence_sentence',
    'topics_of_kind',
]

# Discovery and a slow camera driver need about a second.
SILENCE_S = 5.0
_DEEPEST = 1000
_RELIABILITY = {
    ReliabilityPolicy.BEST_EFFORT: 'best_effort',
    ReliabilityPolicy.RELIABLE: 'reliable',
}
_OTHER_TRANSPORT = {
    'sensor_msgs/msg/CompressedImage': 'compressed',
    'sensor_msgs/msg/Image': 'raw',
}


@dataclass(frozen=True)
class Topic:
    """A topic that a node listens to.

    Attributes:
        name: Relative or full name.
        kind: Message class.
        reliability: best_effort or reliable.
        parameter: The parameter that sets the reliability.
        depth: Messages that the middleware keeps.
        overridable: Parameters `qos_overrides.<topic>.subscription.*` may change the depth; not
            for topics that come and go, whose parameters would pile up.
    """

    name: str
    kind: Any
    reliability: str
    parameter: str
    depth: int
    overridable: bool = False


@dataclass(frozen=True)
class Endpoint:
    """A publisher of another node as the graph shows it.

    Attributes:
        node: Full name of its node.
        kind: Type of its messages, such as sensor_msgs/msg/Image.
        reliability: best_effort, reliable or unknown.
    """

    node: str
    kind: str
    reliability: str


class ReportingNode(Protocol):
    """The part of our nodes that is needed to publish."""

    reporter: Reporter

    def create_lifecycle_publisher(self, *args: Any, **more: Any) -> Any:
        """As rclpy's."""


def make_publisher(node: ReportingNode, kind: Any, name: str, qos: QoSProfile) -> Any:
    """Create a publisher that is silent while the node is inactive.

    Raises:
        InputError: A parameter `qos_overrides.<topic>.publisher.*` has a wrong value.
    """

    def tell(policy: str) -> None:
        node.reporter.warn(
            f'offered {name} {policy}', offered_sentence(publisher.topic_name, policy)
        )

    policies = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
    publisher = _made(
        name,
        lambda: node.create_lifecycle_publisher(
            kind,
            name,
            qos,
            event_callbacks=publisher_events(tell),
            qos_overriding_options=QoSOverridingOptions(policies, callback=_checked_depth),
        ),
    )
    return publisher


def make_subscription(
    node: Node,
    topic: Topic,
    handle: Callable[[Any], None],
    events: tuple[Callable[[str], None], Callable[[int], None]],
) -> Any:
    """Create a subscription.

    Args:
        node: Who listens.
        topic: To what.
        handle: Called with each message.
        events: Called with the name of a policy that a publisher does not offer, and with the
            number of messages that the middleware lost, where it can tell.

    Raises:
        InputError: A parameter `qos_overrides.<topic>.subscription.*` has a wrong value.
    """
    options = None
    if topic.overridable:
        # Reliability has a parameter of its own, which can change at run time.
        policies = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
        options = QoSOverridingOptions(policies, callback=_checked_queue)
    qos = input_qos(topic.reliability, topic.depth)
    more = {'qos_overriding_options': options}
    return _made(
        topic.name,
        lambda: create_subscription(node, (topic.kind, topic.name, handle, qos), events, more),
    )


def publishers_of(node: Node, full_name: str) -> list[Endpoint]:
    """Return who publishes a topic."""
    return [
        Endpoint(
            node=_full_name(info),
            kind=info.topic_type,
            reliability=_RELIABILITY.get(info.qos_profile.reliability, 'unknown'),
        )
        for info in node.get_publishers_info_by_topic(full_name)
    ]


def _full_name(info: Any) -> str:
    # What the middleware says before it knows to which node an endpoint belongs.
    if 'UNKNOWN' in info.node_name:
        return 'a publisher'
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'


def topics_of_kind(node: Node, kind: Any) -> list[str]:
    """Return the topics that somebody publishes with messages of this class."""
    wanted = _name_of(kind)
    return sorted(
        name
        for name, kinds in node.get_topic_names_and_types()
        if wanted in kinds and node.count_publishers(name)
    )


def silence_sentence(
    topic: Topic,
    full_name: str,
    silent_s: float,
    publishers: Sequence[Endpoint],
    others: Iterable[str] = (),
) -> str:
    """Return what to say about a topic on which nothing has come yet; empty = nothing.

    Args:
        topic: What the node listens to.
        full_name: Its name after remapping.
        silent_s: Since when it listens, s.
        publishers: Who publishes there.
        others: Topics with such messages, for the cure.
    """
    if silent_s < SILENCE_S:
        return ''
    wanted = _name_of(topic.kind)
    if not publishers:
        named = ', '.join(others)
        such = f' ({wanted} comes on {named})' if named else ''
        return (
            f'nobody publishes {full_name}: start the publisher, or remap {topic.name} to the '
            f'topic that it publishes{such}'
        )
    names = ', '.join(publisher.node for publisher in publishers)
    kinds = {publisher.kind for publisher in publishers}
    if wanted not in kinds:
        return f'{names} sends {", ".join(sorted(kinds))} on {full_name}: {_cure(topic, kinds)}'
    offered = {publisher.reliability for publisher in publishers}
    if topic.reliability == 'reliable' and offered == {'best_effort'}:
        return (
            f'{names} offers only best_effort on {full_name}, so nothing comes: set '
            f'{topic.parameter} to best_effort'
        )
    if topic.reliability == 'best_effort':
        cure = f'set {topic.parameter} to reliable (large best-effort messages may all get lost)'
    else:
        cure = f'set {topic.parameter} to best_effort'
    return (
        f'{names} publishes {full_name} but nothing was received for {silent_s:.0f} s: check that '
        f'it runs, or {cure}'
    )


def offered_sentence(full_name: str, policy: str) -> str:
    """Return what to say when a subscriber asks for more than a publisher of ours offers."""
    cures = {
        'DURABILITY': 'ask for durability volatile (RViz: Durability Policy of the topic), since '
        'results are not kept for those who come later',
        'RELIABILITY': 'ask for reliability best_effort, or set '
        f'qos_overrides.{full_name}.publisher.reliability to reliable',
    }
    cure = cures.get(policy, f'ask for the default {policy.lower()}')
    return (
        f'a subscriber of {full_name} asks for another {policy} than is offered, so it gets '
        f'nothing: let it {cure}'
    )


def _cure(topic: Topic, kinds: set[str]) -> str:
    wanted = _name_of(topic.kind)
    transports = [_OTHER_TRANSPORT[kind] for kind in kinds if kind in _OTHER_TRANSPORT]
    if wanted in _OTHER_TRANSPORT and transports:
        return f'set image_transport to {transports[0]}, or remap image to a topic of {wanted}'
    return f'expected {wanted}; remap {topic.name} to another topic'


def _name_of(kind: Any) -> str:
    """Return the name of a message class as the graph has it."""
    return f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:
        # One class per cause: RuntimeError for an unknown word, rclpy's own for the rest.
        if 'override' not in str(error).lower() and 'qos_overrides' not in str(error):
            raise
        raise InputError(f'qos_overrides of {name}: {str(error).splitlines()[0]}') from error


def _checked_depth(qos: QoSProfile) -> SetParametersResult:
    if 1 <= qos.depth <= _DEEPEST:
        return SetParametersResult(successful=True)
    reason = f'depth is {qos.depth}; expected 1 to {_DEEPEST}'
    return SetParametersResult(successful=False, reason=reason)


def _checked_queue(qos: QoSProfile) -> SetParametersResult:
    if qos.history == HistoryPolicy.KEEP_LAST:
        return _checked_depth(qos)
    reason = 'history is keep_all; expected keep_last, since the newest message counts'
    return SetParametersResult(successful=False, reason=reason)
