# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Record live topics into an mcap bag, for machines where `ros2 bag record` is not installed.

The bag grows at its final place and is brought to the disk several times a second, so that even
a recorder that was killed leaves all but the last moments: `replay`, `elepose lift` and
`record --recover` read such a bag as it is.
"""

import argparse
import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.utilities import remove_ros_args

from elepose_core.bags import BagReader, BagWriter, TopicQos, recording_bag, writing_bag
from elepose_core.errors import InputError
from elepose_ros.compat import message_class
from elepose_ros.replay import StopFlag, complain, say

__all__ = ['Record', 'main', 'recover']

_LOOK_AGAIN_S = 0.1
_FLUSH_S = 0.25
# Twenty seconds of pictures at 30 Hz fit while the disk is busy; depth 10 lost 30 % in a trial.
_DEPTH = 600


class Record:
    """Subscribes to topics as they appear and writes their bytes.

    Args:
        node: Node that gets the subscriptions.
        bag: Where to write.
        topics: Names to record; None means all, our own /rosout excepted.
    """

    def __init__(self, node: Node, bag: BagWriter, topics: Sequence[str] | None) -> None:
        self._node = node
        self._bag = bag
        self._is_all = topics is None
        self._missing = {node.resolve_topic_name(name) for name in topics or ()}
        self._sources: dict[str, Subscription] = {}
        self._refused: set[str] = set()
        self.bytes = 0
        node.create_timer(_LOOK_AGAIN_S, self._look)
        node.create_timer(_FLUSH_S, bag.flush)
        self._look()

    def _look(self) -> None:
        """Subscribe to what has appeared."""
        had_missing = bool(self._missing)
        for name, types in self._node.get_topic_names_and_types():
            is_wanted = name in self._missing or (self._is_all and name != '/rosout')
            if name in self._sources or name in self._refused or not is_wanted:
                continue
            if self._node.get_publishers_info_by_topic(name):
                self._begin(name, types[0])
        if had_missing and not self._missing:
            say(f'record: recording {len(self._sources)} topics')

    def _begin(self, name: str, type_name: str) -> None:
        offers = [info.qos_profile for info in self._node.get_publishers_info_by_topic(name)]
        # Asking for more than one of several publishers offers would lose that one.
        qos = TopicQos(
            is_reliable=all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers),
            is_latched=all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers),
            depth=max(1, *(o.depth for o in offers)),
        )
        try:
            self._bag.add_topic(name, type_name, qos)
            kind = message_class(type_name)
        except InputError as error:
            self._refused.add(name)
            if not self._is_all:
                raise
            self._node.get_logger().warning(f'not recorded: {error}')
            return
        profile = QoSProfile(depth=_DEPTH)
        if not qos.is_reliable:
            profile.reliability = ReliabilityPolicy.BEST_EFFORT
        if qos.is_latched:
            profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
        take = functools.partial(self._take, name)
        self._sources[name] = self._node.create_subscription(kind, name, take, profile, raw=True)
        self._missing.discard(name)

    def _take(self, name: str, data: bytes) -> None:
        self._bag.write(name, self._node.get_clock().now().nanoseconds, data)
        self.bytes += len(data)

    @property
    def missing(self) -> tuple[str, ...]:
        """Wanted topics that nobody has published so far."""
        return tuple(sorted(self._missing))


def recover(source: Path, out: Path) -> int:
    """Copy the whole messages of a bag that was cut off into a proper bag; return their number.

    Raises:
        InputError: The source holds no message, or `out` exists.
    """
    with BagReader(source) as bag, writing_bag(out) as copy:
        for topic in bag.topics.values():
            qos = topic.qos or TopicQos(is_reliable=True, is_latched=False, depth=10)
            copy.add_topic(topic.name, topic.type, qos)
        for message in bag.messages():
            copy.write(message.topic.name, message.log_time_ns, message.data)
        return bag.count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the executable `record`; 0 done or stopped by a signal, 2 wrong use."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    options = parser.parse_args(remove_ros_args(['record', *line])[1:])
    try:
        if options.recover is not None:
            count = recover(options.recover, options.out)
            say(f'record: {count} messages of {options.recover} are now in {options.out}')
            return 0
        if bool(options.topics) == options.all:
            parser.error('name the topics to record, or give --all')
        return _run(options, line)
    except InputError as error:
        complain(f'record: {error}')
        return 2
    finally:
        if rclpy.ok():  # Humble has no try_shutdown
            rclpy.shutdown()


def _run(options: argparse.Namespace, line: list[str]) -> int:
    with recording_bag(options.out) as bag:
        rclpy.init(args=line, signal_handler_options=SignalHandlerOptions.NO)
        # A second Ctrl-C only sets it again: it must not cut the index of the bag off.
        stop = StopFlag()
        node = rclpy.create_node('record')
        record = Record(node, bag, None if options.all else options.topics)
        # rclpy.spin_once() would add and remove the node for every single message.
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        end = time.monotonic() + options.max_seconds
        while not stop and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.2)
            if record.bytes > options.max_megabytes * 1e6:
                complain(f'record: stopped at {options.max_megabytes:g} MB')
                break
    for name in record.missing:
        complain(f'record: nobody published {name}')
    counts = ', '.join(f'{name} {count}' for name, count in sorted(bag.counts.items()))
    say(f'record: {options.out}: {counts or "no message"}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser('record', description=__doc__)
    parser.add_argument('topics', nargs='*', metavar='TOPIC', help='topics to record')
    parser.add_argument('--all', action='store_true', help='record every topic but /rosout')
    parser.add_argument('--out', type=Path, required=True, help='new bag folder')
    parser.add_argument('--max-seconds', type=float, default=float('inf'), help='stop by itself')
    parser.add_argument(
        '--max-megabytes', type=float, default=4000.0, help='stop at this size (4000)'
    )
    parser.add_argument(
        '--recover', type=Path, metavar='BAG', help='make a proper bag of one that was cut off'
    )
    return parser


if __name__ == '__main__':
    raise SystemExit(main())
