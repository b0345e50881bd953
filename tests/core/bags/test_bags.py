# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bags written and read back, whole, cut off and damaged."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elepose_core.bags import (
    BagReader,
    TopicQos,
    bag_typestore,
    is_bag,
    recording_bag,
    writing_bag,
)
from elepose_core.bags.cut_off import is_cut_off
from elepose_core.errors import InputError, MissingDependency

STRING = 'std_msgs/msg/String'
LATCHED = TopicQos(is_reliable=True, is_latched=True, depth=1)
BEST_EFFORT = TopicQos(is_reliable=False, is_latched=False, depth=5)
# 'ab' as std_msgs/String: encapsulation, length 3 with the closing zero, the text.
AB = bytes.fromhex('00010000 03000000 616200')


def _string(text: str):
    return bag_typestore().types[STRING](data=text)


def _texts(path: Path) -> list[str]:
    with BagReader(path) as bag:
        return [bag.decode(message).data for message in bag.messages()]


def _stop_halfway(path: Path) -> None:
    with writing_bag(path) as bag:
        bag.add_topic('/a', STRING)
        raise RuntimeError('stop')


def _interrupt(path: Path) -> None:
    with recording_bag(path) as bag:
        bag.add_topic('/a', STRING)
        bag.write('/a', 7, _string('x'))
        bag.flush()
        bag.write('/a', 8, _string('y'))
        raise KeyboardInterrupt


def _write(path: Path, storage: str = 'mcap', count: int = 5) -> Path:
    with writing_bag(path, storage) as bag:
        bag.add_topic('/a', STRING, BEST_EFFORT)
        bag.add_topic('/b', STRING, LATCHED)
        for index in range(count):
            bag.write('/a', 1000 + 10 * index, _string('ab'))
            bag.write('/b', 1005 + 10 * index, _string(str(index)))
    return path


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
class TestRoundTrip:
    def test_bytes_times_order_and_qos_survive(self, tmp_path, storage):
        with BagReader(_write(tmp_path / 'bag', storage)) as bag:
            assert {name: topic.count for name, topic in bag.topics.items()} == {'/a': 5, '/b': 5}
            assert bag.topics['/a'].qos == BEST_EFFORT
            assert bag.topics['/b'].qos == LATCHED
            assert not bag.is_cut_off
            found = list(bag.messages())
            assert [m.log_time_ns for m in found] == [1000 + 5 * i for i in range(10)]
            assert found[0].data.rstrip(b'\0') == AB.rstrip(b'\0')
            assert [bag.decode(m).data for m in found[1::2]] == ['0', '1', '2', '3', '4']

    def test_the_files_carry_the_bags_name(self, tmp_path, storage):
        suffix = {'mcap': 'mcap', 'sqlite3': 'db3'}[storage]
        path = _write(tmp_path / 'walk.v2', storage)
        assert sorted(p.name for p in path.iterdir()) == ['metadata.yaml', f'walk.v2.{suffix}']
        assert [p.name for p in tmp_path.iterdir()] == ['walk.v2']
        assert f'walk.v2.{suffix}' in (path / 'metadata.yaml').read_text()

    def test_a_bare_file_is_a_bag(self, tmp_path, storage):
        (file,) = (p for p in _write(tmp_path / 'bag', storage).iterdir() if p.suffix != '.yaml')
        assert is_bag(file)
        with BagReader(file) as bag:
            assert bag.count == 10

    def test_only_wanted_topics_are_read(self, tmp_path, storage):
        with BagReader(_write(tmp_path / 'bag', storage)) as bag:
            assert {m.topic.name for m in bag.messages(['/b'])} == {'/b'}
            with pytest.raises(InputError, match=r'no topic /c; it holds /a, /b'):
                next(bag.messages(['/c']))

    def test_an_empty_bag_is_refused(self, tmp_path, storage):
        with pytest.raises(InputError, match='empty holds no message'):
            BagReader(_write(tmp_path / 'empty', storage, count=0))

    def test_an_error_leaves_nothing_behind(self, tmp_path, storage):
        with pytest.raises(RuntimeError, match='stop'):
            _stop_halfway(tmp_path / 'bag')
        assert list(tmp_path.iterdir()) == []

    def test_a_damaged_file_is_named(self, tmp_path, storage):
        path = _write(tmp_path / 'bag', storage, count=400)
        (file,) = (p for p in path.iterdir() if p.suffix != '.yaml')
        data = bytearray(file.read_bytes())
        for position in range(64, len(data) - 64, 97):
            data[position] ^= 0xFF
        file.write_bytes(data)
        with pytest.raises(InputError, match=rf'bag {path}') as caught:
            _texts(path)
        assert '\n' not in str(caught.value)


class TestOurMessages:
    def test_people_have_the_bytes_worked_by_hand(self):
        store = bag_typestore()
        stamp = store.types['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
        person = store.types['elepose_ros/msg/Person2D'](
            id='',
            x=np.float32([1.0]),
            y=np.float32([2.0]),
            score=np.float32([0.5]),
        )
        people = store.types['elepose_ros/msg/People2D'](
            header=store.types['std_msgs/msg/Header'](stamp=stamp, frame_id='c'),
            layout='ab',
            image_width=640,
            image_height=480,
            people=[person],
        )
        expected = bytes.fromhex(
            '00010000'  # CDR, little endian
            '01000000 02000000'  # stamp
            '02000000 6300 0000'  # 'c', padded to 4
            '03000000 616200 00'  # 'ab', padded
            '80020000 e0010000'  # 640 x 480
            '01000000'  # one person
            '01000000 00 000000'  # id '', padded
            '01000000 0000803f'  # x = [1.0]
            '01000000 00000040'  # y = [2.0]
            '01000000 0000003f'  # score = [0.5]
        )
        assert bytes(store.serialize_cdr(people, 'elepose_ros/msg/People2D')) == expected


class TestCutOff:
    def _killed(self, tmp_path: Path, extra: str = '') -> Path:
        """Record in another process that dies as by SIGKILL, without any clean-up."""
        path = tmp_path / 'killed'
        code = (
            'import os, sys\n'
            'from pathlib import Path\n'
            'from elepose_core.bags import recording_bag, bag_typestore\n'
            f'S = {STRING!r}\n'
            'with recording_bag(Path(sys.argv[1])) as bag:\n'
            '    bag.add_topic("/a", S)\n'
            '    for i in range(100):\n'
            '        bag.write("/a", 1000 + i, bag_typestore().types[S](data=str(i)))\n'
            '        if i == 59: bag.flush()\n'
            '        if i == 89: bag.flush()\n'
            '    os._exit(9)\n'
        )
        assert subprocess.run([sys.executable, '-c', code, path], check=False).returncode == 9
        return path

    def test_everything_flushed_is_read(self, tmp_path):
        path = self._killed(tmp_path)
        assert [p.name for p in path.iterdir()] == ['killed.mcap']
        with BagReader(path) as bag:
            assert bag.is_cut_off
            assert bag.topics['/a'].type == STRING
            assert bag.topics['/a'].qos == TopicQos(is_reliable=True, is_latched=False, depth=10)
            assert [bag.decode(m).data for m in bag.messages()] == [str(i) for i in range(90)]

    def test_a_file_cut_anywhere_gives_its_whole_messages(self, tmp_path):
        whole = (self._killed(tmp_path) / 'killed.mcap').read_bytes()
        counts = []
        for end in range(len(whole) // 2, len(whole), 29):
            file = tmp_path / 'cut.mcap'
            file.write_bytes(whole[:end])
            assert is_cut_off(file)
            with BagReader(file) as bag:
                texts = [bag.decode(m).data for m in bag.messages()]
            assert texts == [str(i) for i in range(len(texts))]
            counts.append(len(texts))
        assert counts == sorted(counts)
        assert counts[-1] == 90

    def test_a_closed_file_is_not_cut_off(self, tmp_path):
        assert not is_cut_off(_write(tmp_path / 'bag') / 'bag.mcap')

    def test_a_bag_without_its_metadata_is_read(self, tmp_path):
        path = _write(tmp_path / 'bag')
        (path / 'metadata.yaml').unlink()
        with BagReader(path) as bag:
            assert bag.count == 10

    def test_an_interrupted_recording_is_closed_properly(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            _interrupt(tmp_path / 'bag')
        with BagReader(tmp_path / 'bag') as bag:
            assert not bag.is_cut_off
            assert bag.count == 2


class TestRefusals:
    def test_no_bag_there(self, tmp_path):
        with pytest.raises(InputError, match=r'nothing does not exist'):
            BagReader(tmp_path / 'nothing')

    @pytest.mark.parametrize('name', ['a.mcap', 'a.db3'])
    @pytest.mark.parametrize(
        'content', [b'', b'garbage' * 100, b'\x89MCAP0\r\n', b'\x89MCAP0\r\nx']
    )
    def test_garbage(self, tmp_path, name, content):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(InputError, match=name.replace('.', r'\.')):
            BagReader(file)

    def test_a_folder_and_a_file_of_another_kind(self, tmp_path):
        (tmp_path / 'notes.txt').write_text('x')
        with pytest.raises(InputError, match='is no bag'):
            BagReader(tmp_path)
        with pytest.raises(InputError, match=r'notes\.txt is no bag'):
            BagReader(tmp_path / 'notes.txt')

    @pytest.mark.parametrize('text', ['', 'a: [', 'rosbag2_bagfile_information: {version: 99}'])
    def test_damaged_metadata(self, tmp_path, text):
        path = _write(tmp_path / 'bag')
        (path / 'metadata.yaml').write_text(text)
        with pytest.raises(InputError, match='is damaged'):
            BagReader(path)

    def test_another_version_of_our_message(self, tmp_path):
        path = tmp_path / 'bag'
        with writing_bag(path) as bag:
            bag.add_topic('/keypoints', 'elepose_ros/msg/People2D')
            bag.write('/keypoints', 1, b'\0\1\0\0')
        text = (path / 'metadata.yaml').read_text()
        (path / 'metadata.yaml').write_text(text.replace('RIHS01_', 'RIHS01_0'))
        with pytest.raises(InputError, match='another version of elepose_ros/msg/People2D'):
            BagReader(path)

    def test_what_exists_is_never_overwritten(self, tmp_path):
        (tmp_path / 'photos').mkdir()
        (tmp_path / 'photos' / 'a.jpg').write_text('x')
        with pytest.raises(InputError, match='exists already'), writing_bag(tmp_path / 'photos'):
            pass
        with pytest.raises(InputError, match='exists already'), recording_bag(tmp_path / 'photos'):
            pass
        assert (tmp_path / 'photos' / 'a.jpg').exists()

    def test_wrong_use_of_the_writer(self, tmp_path):
        with (
            pytest.raises(InputError, match="storage is 'zip'"),
            writing_bag(tmp_path / 'a', 'zip'),
        ):
            pass
        with writing_bag(tmp_path / 'b') as bag:
            bag.add_topic('/a', STRING)
            bag.add_topic('/a', STRING)
            with pytest.raises(InputError, match='is std_msgs/msg/String and cannot also be'):
                bag.add_topic('/a', 'sensor_msgs/msg/Image')
            with pytest.raises(InputError, match='no definition is known'):
                bag.add_topic('/x', 'who_knows/msg/What')
            with pytest.raises(InputError, match='time -1 ns'):
                bag.write('/a', -1, AB)
            bag.write('/a', 1, AB)

    def test_a_missing_library_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'rosbags.typesys', None)
        bag_typestore.cache_clear()
        with pytest.raises(MissingDependency, match=r'pip install "elepose\[bag\]"'):
            bag_typestore()
