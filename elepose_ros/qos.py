# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of each topic, and what to say when it does not match."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

__all__ = ['input_qos', 'result_qos', 'tf_qos']

_RELIABILITY = {
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
    'reliable': ReliabilityPolicy.RELIABLE,
}


def input_qos(reliability: str, depth: int) -> QoSProfile:
    """Return the profile of a subscription; a best-effort one accepts every publisher."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=_RELIABILITY[reliability],
        durability=DurabilityPolicy.VOLATILE,
    )


def result_qos() -> QoSProfile:
    """Return the profile of results: reliable serves both kinds of subscriber."""
    return input_qos('reliable', depth=10)


def tf_qos() -> QoSProfile:
    """Return the profile that tf2 uses on /tf."""
    return input_qos('reliable', depth=100)
