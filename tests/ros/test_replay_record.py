# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`replay` and `record` as processes over real DDS."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from elepose_core.bags import BagReader, bag_typestore, writing_bag
from elepose_core.errors import InputError

SCRIPTS = Path(__file__).parents[2] / 'scripts'
TIMEOUT_S = 40.0
COUNT = 60
IMAGE, TEXT = 'sensor_msgs/msg/CompressedImage', 'std_msgs/msg/String'

pytestmark = pytest.mark.ros


class Tool:
    """A tool as a process of its own, with what it says in a file."""

    def __init__(self, log: Path, name: str, *arguments: object) -> None:
        self._log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPTS / name), *map(str, arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self._log.read_text(errors='replace')

    def until(self, sentence: str) -> 'Tool':
        end = time.monotonic() + TIMEOUT_S
        while sentence not in self.text():
            if time.monotonic() > end or self._process.poll() is not None:
                pytest.fail(f'waited in vain for {sentence!r}:\n{self.text()}')
            time.sleep(0.05)
        return self

    def stop(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        return self.code()

    def code(self) -> int:
        try:
            return self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f'does not end:\n{self.text()}')

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


Run = Callable[..., Tool]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    pytest.importorskip('rclpy', reason='rclpy is not importable: source ROS 2')
    with contextlib.ExitStack() as stack:
        tools: list[Tool] = []

        def run(name: str, *arguments: object) -> Tool:
            tools.append(Tool(tmp_path / f'{len(tools)}-{name}.log', name, *arguments))
            stack.callback(tools[-1].close)
            return tools[-1]

        yield run


@pytest.fixture(scope='module')
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty images with headers and sixty texts, 20 ms apart."""
    types = bag_typestore().types
    path = tmp_path_factory.mktemp('bags') / 'recording'
    with writing_bag(path) as bag:
        bag.add_topic('/image', IMAGE)
        bag.add_topic('/text', TEXT)
        for index in range(COUNT):
            stamp = types['builtin_interfaces/msg/Time'](sec=100, nanosec=index * 20_000_000)
            header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
            data = np.full(30_000, index, np.uint8)
            log_time = 100 * 10**9 + index * 20_000_000
            bag.write('/image', log_time, types[IMAGE](header=header, format='', data=data))
            bag.write('/text', log_time, types[TEXT](data=str(index)))
    return path


def _bytes_of(path: Path, topic: str) -> list[bytes]:
    # DDS fills each message up to a multiple of four bytes on its way.
    with BagReader(path) as bag:
        found = [message.data for message in bag.messages([topic])]
    return [data.ljust(-(-len(data) // 4) * 4, b'\0') for data in found]


def test_all_messages_arrive_unchanged(run, recording, tmp_path):
    record = run('record', '--out', tmp_path / 'copy', '/image', '/text')
    replay = run('replay', recording, '--wait-for-subscribers', '--rate', '2')
    assert replay.code() == 0, replay.text()
    assert 'recording 2 topics' in record.text()
    assert record.stop(signal.SIGINT) == 0, record.text()
    for topic in ('/image', '/text'):
        assert _bytes_of(tmp_path / 'copy', topic) == _bytes_of(recording, topic)
    with BagReader(tmp_path / 'copy') as bag:
        assert not bag.is_cut_off
        assert bag.topics['/image'].qos.is_reliable
        times = [message.log_time_ns for message in bag.messages(['/text'])]
    # Sixty messages 20 ms apart at twice the pace: 0.59 s; a busy machine only needs longer.
    assert (times[-1] - times[0]) * 1e-9 > 0.55


def test_a_terminated_recorder_leaves_a_closed_bag(run, recording, tmp_path):
    record = run('record', '--all', '--out', tmp_path / 'copy')
    replay = run('replay', recording, '--loop', '--wait-for-subscribers', '--rate', '4')
    _until(lambda: (tmp_path / 'copy' / 'copy.mcap').exists(), record)
    _until(lambda: (tmp_path / 'copy' / 'copy.mcap').stat().st_size > 500_000, record)
    assert record.stop(signal.SIGTERM) == 0, record.text()
    assert replay.stop(signal.SIGINT) == 0, replay.text()
    with BagReader(tmp_path / 'copy') as bag:
        assert not bag.is_cut_off
        assert {'/image', '/text'} <= set(bag.topics)


def test_a_killed_recorder_leaves_a_readable_bag(run, recording, tmp_path):
    record = run('record', '--out', tmp_path / 'copy', '/image', '/text')
    replay = run('replay', recording, '--loop', '--wait-for-subscribers', '--rate', '4')
    _until(lambda: (tmp_path / 'copy' / 'copy.mcap').exists(), record)
    _until(lambda: (tmp_path / 'copy' / 'copy.mcap').stat().st_size > 500_000, record)
    assert record.stop(signal.SIGKILL) == -signal.SIGKILL
    assert replay.stop(signal.SIGTERM) == 0, replay.text()
    found = _bytes_of(tmp_path / 'copy', '/image')
    assert len(found) > 10
    assert set(found) <= set(_bytes_of(recording, '/image'))
    recover = run('record', '--recover', tmp_path / 'copy', '--out', tmp_path / 'whole')
    assert recover.code() == 0, recover.text()
    with BagReader(tmp_path / 'whole') as bag:
        assert not bag.is_cut_off
        assert bag.topics['/image'].count == len(found)
    again = run('replay', tmp_path / 'copy', '--rate', '100')
    assert again.code() == 0
    assert 'was cut off' in again.text()


def test_stamps_clock_and_loop(run, recording, tmp_path):
    topics = ('/image', '/clock')
    record = run('record', '--out', tmp_path / 'copy', *topics)
    before = time.time_ns()
    arguments = ('--topics', '/image', '--clock', '--stamp-now', '--loop', '2', '--rate', '8')
    replay = run('replay', recording, *arguments, '--wait-for-subscribers')
    assert replay.code() == 0, replay.text()
    assert record.stop(signal.SIGINT) == 0
    with BagReader(tmp_path / 'copy') as bag:
        images = [bag.decode(message) for message in bag.messages(['/image'])]
        clocks = [bag.decode(message).clock for message in bag.messages(['/clock'])]
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in images]
    assert len(images) == 2 * COUNT
    assert before < stamps[0]
    assert stamps == sorted(stamps)
    assert [m.data[0] for m in images] == [*range(COUNT), *range(COUNT)]
    assert images[0].header.frame_id == 'camera'
    bag_times = [c.sec * 10**9 + c.nanosec for c in clocks]
    assert len(bag_times) >= COUNT
    assert all(100 * 10**9 - 10**8 < t <= 100 * 10**9 + 1_180_000_000 for t in bag_times)


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['nowhere'], 'nowhere does not exist'),
        (['{bag}', '--topics', '/none'], 'no topic /none; it holds /image, /text'),
        (['{bag}', '--rate', '0'], '0 is not greater than 0'),
        (
            ['{bag}', '--wait-for-subscribers', '0.3'],
            'nobody subscribed to /image, /text within 0.3 s',
        ),
    ],
)
def test_wrong_use_of_replay(run, recording, arguments, sentence):
    replay = run('replay', *(str(argument).format(bag=recording) for argument in arguments))
    assert replay.code() == 2
    assert sentence in replay.text()
    assert 'Traceback' not in replay.text()


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--out', '{folder}', '/a'], 'exists already'),
        (['--out', '{folder}/new'], 'name the topics to record, or give --all'),
        (['--out', '{folder}/new', '/a', '--all'], 'name the topics to record, or give --all'),
        (['--out', '{folder}/new', '--recover', '{folder}'], 'is no bag'),
    ],
)
def test_wrong_use_of_record(run, tmp_path, arguments, sentence):
    record = run('record', *(str(argument).format(folder=tmp_path) for argument in arguments))
    assert record.code() == 2
    assert sentence in record.text()
    assert 'Traceback' not in record.text()


def test_a_topic_that_never_comes_is_named(run, tmp_path):
    record = run('record', '--out', tmp_path / 'new', '/nobody', '--max-seconds', '0.5')
    assert record.code() == 0
    assert 'nobody published /nobody' in record.text()


def test_restamping_changes_the_stamp_only():
    pytest.importorskip('rclpy')
    from elepose_ros.compat import message_class
    from elepose_ros.replay import restamped

    data = bytes.fromhex('00010000 64000000 05000000 02000000 6300 0000')
    moved = restamped(data, 7 * 10**9 + 3)
    assert moved == bytes.fromhex('00010000 07000000 03000000 02000000 6300 0000')
    big = bytes.fromhex('00000000 00000064 00000005')
    assert restamped(big, 7 * 10**9 + 3) == bytes.fromhex('00000000 00000007 00000003')
    with pytest.raises(InputError, match='who_knows/msg/What is not installed'):
        message_class('who_knows/msg/What')


def _until(condition: Callable[[], bool], tool: Tool) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f'waited in vain:\n{tool.text()}')
        time.sleep(0.05)
