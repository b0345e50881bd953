# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a node says on /diagnostics once a second, with diagnostic_msgs alone."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from elepose_ros.endpoints import SILENCE_S
from elepose_ros.reports import Reporter
from elepose_ros.stages import MUCH_DROPPED, WAITED, StageStatistics
from elepose_ros.stamps import clock_fault

__all__ = ['DiagnosticsPublisher', 'node_faults', 'status_from_facts']


class DiagnosticsPublisher:
    """Publishes the figures of one node."""

    def __init__(self, node: Node, reporter: Reporter, statistics: StageStatistics) -> None:
        self._node = node
        self._reporter = reporter
        self._statistics = statistics
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish(self, facts: dict[str, str]) -> None:
        """Publish rates, latencies and what the parts of the node told.

        Args:
            facts: Text by name, shown as it is.
        """
        statistics = self._statistics
        facts = dict(facts)
        for event, number in statistics.counts().items():
            facts[f'{event} total'] = str(number)
        for event, rate_hz in statistics.rates_hz().items():
            facts[f'{event} rate [Hz]'] = f'{rate_hz:.1f}'
        for stage, figures in statistics.percentiles().items():
            facts[f'{stage} p50 [ms]'] = f'{figures.p50_ms:.2f}'
            facts[f'{stage} p95 [ms]'] = f'{figures.p95_ms:.2f}'
        if last := self._reporter.last_trouble():
            facts['last trouble'] = last[1]
            facts['last trouble age [s]'] = f'{last[0]:.0f}'
        status = status_from_facts(
            self._node.get_fully_qualified_name(), facts, self._reporter.worst_trouble()
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def node_faults(node: Node) -> dict[str, str]:
    """Return what is wrong with the place of a node in the graph and with its clock, by key."""
    own = (node.get_name(), node.get_namespace())
    found = {}
    if node.get_node_names_and_namespaces().count(own) > 1:
        found['namesake'] = (
            f'another node is called {node.get_fully_qualified_name()} as well, so that '
            'parameters, services and diagnostics of the two get mixed up: give one of them '
            'another name (-r __node:=NAME) or namespace (-r __ns:=/NAMESPACE)'
        )
    uses_sim_time = bool(node.get_parameter('use_sim_time').value)
    if fault := clock_fault(uses_sim_time, int(node.get_clock().now().nanoseconds)):
        found['clock'] = fault
    return found


def status_from_facts(
    name: str, facts: dict[str, str], trouble: tuple[bool, str] | None
) -> DiagnosticStatus:
    """Return the status of a node: an error or warning lasts as long as its trouble is new.

    STALE is an active node that nothing comes to; one that waits for its manager is OK.

    Args:
        name: Full name of the node.
        facts: Text by name.
        trouble: Whether the worst one of late is an error, and its text; None = there is none.
    """
    status = DiagnosticStatus(name=name, hardware_id='elepose', level=DiagnosticStatus.OK)
    status.message = facts.get('state', '')
    silent_s = float(facts.get('input age [s]', 0))
    if trouble is not None and trouble[0]:
        status.level, status.message = DiagnosticStatus.ERROR, trouble[1]
    elif failure := facts.get('failure'):  # an older one: it lasts until a transition works
        status.level, status.message = DiagnosticStatus.ERROR, failure
    elif facts.get('state') == 'active' and silent_s > SILENCE_S:
        status.level = DiagnosticStatus.STALE
        status.message = trouble[1] if trouble else f'nothing came for {silent_s:.0f} s'
    elif warning := trouble[1] if trouble else _warning(facts):
        status.level, status.message = DiagnosticStatus.WARN, warning
    status.values = [KeyValue(key=key, value=value) for key, value in facts.items()]
    return status


def _warning(facts: dict[str, str]) -> str:
    if facts.get('camera') in ('assumed', 'uncalibrated'):
        return f'camera {facts["camera"]}: distances are a guess'
    if facts.get('elevation status') == 'DISTURBED':
        return 'what people show contradicts the camera elevation so far: was the camera moved?'
    came, dropped, waited = (
        float(facts.get(f'{what} rate [Hz]', 0)) for what in ('in', 'dropped', f'dropped {WAITED}')
    )
    dropped -= waited
    if dropped > MUCH_DROPPED * came:
        return f'{dropped:.1f} of {came:.1f} frames per second are dropped: call ~/explain'
    return ''
