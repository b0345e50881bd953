# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a node says on /diagnostics once a second, with diagnostic_msgs alone."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from elepose_ros.reports import Reporter
from elepose_ros.stages import StageStatistics

__all__ = ['DiagnosticsPublisher', 'status_from_facts']


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
        status = status_from_facts(
            self._node.get_fully_qualified_name(), facts, self._reporter.last_trouble()
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def status_from_facts(
    name: str, facts: dict[str, str], trouble: tuple[bool, str] | None
) -> DiagnosticStatus:
    """Return the status of a node: an error or warning lasts as long as its trouble is new."""
    status = DiagnosticStatus(name=name, hardware_id='elepose', level=DiagnosticStatus.OK)
    status.message = facts.get('state', '')
    if trouble is not None:
        is_error, status.message = trouble
        status.level = DiagnosticStatus.ERROR if is_error else DiagnosticStatus.WARN
    elif facts.get('camera', 'calibrated') in ('assumed', 'uncalibrated'):
        status.level = DiagnosticStatus.WARN
        status.message = f'camera {facts["camera"]}: distances are a guess'
    status.values = [KeyValue(key=key, value=value) for key, value in facts.items()]
    return status
