# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Play a recorded bag into live topics, for machines where `ros2 bag play` is not installed."""

import argparse
import math
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from elepose_core.bags import BagMessage, BagReader, Topic, bag_typestore
from elepose_core.errors import InputError
from elepose_ros.compat import message_class
from elepose_ros.in_step import InStep

__all__ = ['Replay', 'StopFlag', 'complain', 'main', 'restamped', 'say']

_CLOCK_PERIOD_S = 0.025
_LOOK_AGAIN_S = 0.05
_STAMPS_KEPT = 64
# Encapsulation and stamp.
_SHORTEST_WITH_HEADER = 12


def say(text: str) -> None:
    """Tell the person at the terminal, or the program behind a pipe, at once."""
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


def complain(text: str) -> None:
    """Say on stderr what went wrong."""
    sys.stderr.write(f'{text}\n')


def restamped(data: bytes, stamp_ns: int) -> bytes:
    """Return CDR bytes of a message that begins with a header, with another stamp.

    Raises:
        InputError: They are too short to hold a header.
    """
    order = _byte_order(data)
    seconds, rest = divmod(stamp_ns, 1_000_000_000)
    stamp = seconds.to_bytes(4, order, signed=True) + rest.to_bytes(4, order)  # type: ignore[arg-type]
    return data[:4] + stamp + data[12:]


def _byte_order(data: bytes) -> str:
    if len(data) < _SHORTEST_WITH_HEADER:
        raise InputError(f'a message has {len(data)} bytes; expected a header at its beginning')
    return 'little' if data[1] & 1 else 'big'


class StopFlag:
    """Becomes true on Ctrl-C (SIGINT) or SIGTERM.

    It takes the place of rclpy's own handlers: those end DDS at once, in the middle of whatever
    is being sent or written.
    """

    def __init__(self) -> None:
        self._is_set = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._set)

    def __bool__(self) -> bool:
        return self._is_set

    def _set(self, _number: int, _frame: object) -> None:
        self._is_set = True


class Replay:
    """Publishes the stored bytes of a bag at the pace of their log times.

    Args:
        node: Node that gets the publishers.
        bag: Open bag.
        options: Parsed command line.
        stop: Ends the replay early.
    """

    def __init__(
        self, node: Node, bag: BagReader, options: argparse.Namespace, stop: StopFlag
    ) -> None:
        self._node = node
        self._stop = stop
        self._bag = bag
        self._options = options
        self._topics = list(options.topics or bag.topics)
        unknown = [name for name in self._topics if name not in bag.topics]
        if unknown:
            raise InputError(
                f'bag {bag.path} has no topic {unknown[0]}; it holds {", ".join(bag.topics)}'
            )
        self._publishers = {name: self._publisher(bag.topics[name]) for name in self._topics}
        self._in_step = self._step() if options.in_step else None
        self._clock = node.create_publisher(Clock, '/clock', 10) if options.clock else None
        self._stamps: dict[int, int] = {}
        self.sent = 0
        self.latest_s = 0.0

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """Return when each topic has a subscriber; InputError names those that got none."""
        end = time.monotonic() + timeout_s
        while not self._stop:
            alone = [
                name
                for name, publisher in self._publishers.items()
                if not publisher.get_subscription_count()
            ]
            if not alone:
                return
            if time.monotonic() > end:
                raise InputError(
                    f'nobody subscribed to {", ".join(alone)} within {timeout_s:g} s; '
                    'check the topic names (remap with --ros-args -r FROM:=TO) or the domain id'
                )
            time.sleep(_LOOK_AGAIN_S)

    def find_answers(self) -> None:
        """Wait for the topic that the replay keeps step with, when it does."""
        if self._in_step:
            self._in_step.find()

    def play(self) -> None:
        """Play the bag once through, each message at its time or when the last one is answered."""
        first_ns = None
        self._stamps.clear()
        begin = time.monotonic()
        for message in self._bag.messages(self._topics):
            if first_ns is None:
                first_ns = message.log_time_ns
            if self._in_step:
                self._in_step.wait_for_turn(message.topic.name)
            else:
                due = begin + (message.log_time_ns - first_ns) * 1e-9 / self._options.rate
                self._sleep_until(due, message.log_time_ns)
                self.latest_s = max(self.latest_s, time.monotonic() - due)
            if self._stop:
                return
            self._tell_time(message.log_time_ns)
            data = self._bytes_of(message)
            self._publishers[message.topic.name].publish(data)
            self.sent += 1
            if self._in_step:
                self._in_step.note(message.topic.name, data)
        if self._in_step:
            self._in_step.wait_for_answer()

    def finish(self, timeout_s: float = 5.0) -> None:
        """Wait until reliable subscribers have everything, or one of them seems to be dead."""
        end = time.monotonic() + timeout_s
        for publisher in self._publishers.values():
            left_s = max(0.0, end - time.monotonic())
            publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _step(self) -> InStep:
        asked, answer = self._options.in_step
        if asked not in self._topics or not _begins_with_header(self._bag.topics[asked].type):
            raise InputError(
                f'--in-step is {asked} {answer}; expected a topic with stamps that is played, of '
                f'{", ".join(self._topics)}, before the one that answers it'
            )
        return InStep(self._node, asked, answer, lambda: bool(self._stop))

    def _publisher(self, topic: Topic) -> Publisher:
        offered = topic.qos
        profile = QoSProfile(depth=max(10, offered.depth if offered else 0))
        # A topic whose QoS was not stored is offered reliably: that serves every subscriber.
        if offered is not None and not offered.is_reliable:
            profile.reliability = ReliabilityPolicy.BEST_EFFORT
        if self._options.reliability != 'recorded':
            profile.reliability = ReliabilityPolicy[self._options.reliability.upper()]
        if offered is not None and offered.is_latched:
            profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
        return self._node.create_publisher(message_class(topic.type), topic.name, profile)

    def _bytes_of(self, message: BagMessage) -> bytes:
        if not self._options.stamp_now or not _begins_with_header(message.topic.type):
            return message.data
        order = _byte_order(message.data)
        old = int.from_bytes(message.data[4:12], order)  # type: ignore[arg-type]
        # An image and its CameraInfo share a stamp, and must still share it afterwards.
        if old not in self._stamps:
            self._stamps[old] = time.time_ns()
            if len(self._stamps) > _STAMPS_KEPT:
                self._stamps.pop(next(iter(self._stamps)))
        return restamped(message.data, self._stamps[old])

    def _sleep_until(self, due: float, bag_ns: int) -> None:
        while not self._stop and (left := due - time.monotonic()) > 0:
            step = _CLOCK_PERIOD_S if self._clock else _LOOK_AGAIN_S
            if left > step:
                self._tell_time(bag_ns - int((left - step) * self._options.rate * 1e9))
            time.sleep(min(left, step))

    def _tell_time(self, bag_ns: int) -> None:
        if self._clock is not None:
            clock = Clock()
            clock.clock.sec, clock.clock.nanosec = divmod(bag_ns, 1_000_000_000)
            self._clock.publish(clock)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the executable `replay`; 0 done or stopped by a signal, 2 wrong use or bad bag."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(remove_ros_args(['replay', *line])[1:])
    try:
        return _run(options, line)
    except InputError as error:
        complain(f'replay: {error}')
        return 2
    finally:
        if rclpy.ok():  # Humble has no try_shutdown
            rclpy.shutdown()


def _run(options: argparse.Namespace, line: list[str]) -> int:
    with BagReader(options.bag) as bag:
        if bag.is_cut_off:
            say(f'replay: {bag.path} was cut off; playing its {bag.count} whole messages')
        rclpy.init(args=line, signal_handler_options=SignalHandlerOptions.NO)
        stop = StopFlag()
        replay = Replay(rclpy.create_node('replay'), bag, options, stop)
        if options.wait_for_subscribers is not None:
            replay.wait_for_subscribers(options.wait_for_subscribers)
        replay.find_answers()
        begin = time.monotonic()
        turns = 0
        while not stop and turns < options.loop:
            replay.play()
            turns += 1
        if not stop:
            replay.finish()
        pace = 'in step' if options.in_step else f'at most {replay.latest_s * 1000:.0f} ms behind'
        say(f'replay: {replay.sent} messages in {time.monotonic() - begin:.1f} s, {pace}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'replay', description=__doc__, epilog='Remap topics with --ros-args -r FROM:=TO.'
    )
    parser.add_argument('bag', type=Path, help='bag folder, .mcap or .db3 file')
    parser.add_argument('--topics', nargs='+', metavar='NAME', help='play only these')
    parser.add_argument('--rate', type=_positive, default=1.0, help='1 = as recorded')
    parser.add_argument(
        '--in-step',
        nargs=2,
        metavar=('TOPIC', 'ANSWER'),
        help='send no message on TOPIC before one with its stamp has come on ANSWER: the node '
        'behind it then drops none, whatever its pace; --rate does not count',
    )
    parser.add_argument(
        '--loop',
        type=_positive,
        nargs='?',
        const=math.inf,
        default=1,
        metavar='TIMES',
        help='play so often, without a number for ever',
    )
    parser.add_argument(
        '--clock', action='store_true', help='publish the time of the bag on /clock'
    )
    parser.add_argument(
        '--wait-for-subscribers',
        type=_positive,
        nargs='?',
        const=30.0,
        metavar='SECONDS',
        help='begin when each topic has a subscriber; give up after this time (30)',
    )
    parser.add_argument(
        '--stamp-now', action='store_true', help='replace header stamps by the time of sending'
    )
    parser.add_argument(
        '--reliability',
        choices=('recorded', 'reliable', 'best_effort'),
        default='recorded',
        help='what the publishers offer',
    )
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text} is not greater than 0')
    return value


def _begins_with_header(type_name: str) -> bool:
    _, fields = bag_typestore().fielddefs[type_name]
    return bool(fields) and fields[0][1][1] == 'std_msgs/msg/Header'


if __name__ == '__main__':
    raise SystemExit(main())
