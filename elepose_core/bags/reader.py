# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of rosbag2 recordings: folders, bare mcap and sqlite3 files, also cut off."""

import contextlib
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from elepose_core.bags.cut_off import CutOffMcap, is_cut_off
from elepose_core.bags.limits import (
    MAX_LOG_TIME_NS,
    MAX_MESSAGE_BYTES,
    bound_rosbags,
    check_data_file,
    check_metadata,
)
from elepose_core.bags.typestore import bag_typestore
from elepose_core.errors import InputError, shown

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos
    from rosbags.rosbag2 import Reader

__all__ = ['MAX_MESSAGE_BYTES', 'BagMessage', 'BagReader', 'Topic', 'TopicQos', 'is_bag']

_SUFFIXES = ('.mcap', '.db3')


@dataclass(frozen=True)
class TopicQos:
    """What a publisher offered; `depth` 0 stands for everything or for unknown."""

    is_reliable: bool
    is_latched: bool
    depth: int


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    type: str
    count: int
    qos: TopicQos | None


@dataclass(frozen=True)
class BagMessage:
    """One stored message: CDR bytes of `topic.type`, received at `log_time_ns`."""

    topic: Topic
    log_time_ns: int
    data: bytes


def is_bag(path: Path) -> bool:
    """Say whether a path looks like a rosbag2 folder or one of its data files."""
    if path.is_dir():
        return (path / 'metadata.yaml').exists() or bool(_data_files(path))
    return path.suffix in _SUFFIXES


class BagReader:
    """An open bag; use it in a `with` block.

    Args:
        path: Bag folder, or a single .mcap or .db3 file.

    Raises:
        InputError: There is no bag, or it is damaged or empty.
        MissingDependency: rosbags is not installed.

    Attributes:
        path: As given.
        topics: Topic name -> `Topic`, sorted by name.
        is_cut_off: Its writer was killed; only whole messages before the cut are here.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.is_cut_off = False
        self.topics: dict[str, Topic] = {}
        self._store = bag_typestore()
        bound_rosbags()
        self._closing = contextlib.ExitStack()
        self._parts: list[_RosbagsPart | _CutOffPart] = []
        try:
            with self._naming_the_bag():
                self._open()
        except BaseException:
            self._closing.close()
            raise

    def __enter__(self) -> 'BagReader':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    @property
    def count(self) -> int:
        """Number of messages on all topics."""
        return sum(topic.count for topic in self.topics.values())

    def messages(self, topics: Collection[str] = ()) -> Iterator[BagMessage]:
        """Yield the messages in order of log time.

        Args:
            topics: Names to read; none means all.

        Raises:
            InputError: A name is not in the bag, or its data is damaged.
        """
        for name in topics:
            if name not in self.topics:
                raise InputError(
                    f'bag {self.path} has no topic {name}; it holds {", ".join(self.topics)}'
                )
        wanted = set(topics) or set(self.topics)
        for part in self._parts:
            source = part.messages(wanted)
            while True:
                with self._naming_the_bag():
                    found = next(source, None)
                    if found is None:
                        break
                    name, log_time, data = found
                    if len(data) > MAX_MESSAGE_BYTES:
                        raise InputError(
                            f'bag {self.path}: a message on {name} has {len(data)} bytes; '
                            f'expected at most {MAX_MESSAGE_BYTES}'
                        )
                    if not 0 <= log_time <= MAX_LOG_TIME_NS:
                        raise InputError(
                            f'bag {self.path}: a message on {name} has log time {log_time} ns; '
                            f'expected 0..{MAX_LOG_TIME_NS}'
                        )
                yield BagMessage(self.topics[name], log_time, data)

    def decode(self, message: BagMessage) -> Any:
        """Return the message object; InputError when its bytes are not of its type."""
        with self._naming_the_bag():
            if message.topic.type not in self._store.fielddefs:
                raise InputError(
                    f'bag {self.path}: type {message.topic.type} of topic '
                    f'{message.topic.name} is not known here'
                )
            return self._store.deserialize_cdr(message.data, message.topic.type)

    def _open(self) -> None:
        if not self.path.exists():
            raise InputError(f'bag {self.path} does not exist; expected a rosbag2 folder or file')
        for path in self._paths_to_read():
            self._parts.append(self._open_part(path))
        found: dict[str, Topic] = {}
        for topic in (topic for part in self._parts for topic in part.topics()):
            before = found.get(topic.name)
            if before is not None and before.type != topic.type:
                raise InputError(
                    f'bag {self.path}: topic {topic.name} is both {before.type} and {topic.type}'
                )
            count = topic.count + (before.count if before else 0)
            found[topic.name] = Topic(topic.name, topic.type, count, topic.qos)
        self.topics = dict(sorted(found.items()))
        if not self.count:
            raise InputError(f'bag {self.path} holds no message')

    def _paths_to_read(self) -> list[Path]:
        if not self.path.is_dir():
            if self.path.suffix in _SUFFIXES:
                check_data_file(self.path)
                return [self.path]
            raise InputError(
                f'{self.path} is no bag; expected a rosbag2 folder, a .mcap or a .db3 file'
            )
        files = _data_files(self.path)
        for file in self.path.glob('*.zstd'):
            check_data_file(file)
        if (self.path / 'metadata.yaml').exists():
            check_metadata(self.path / 'metadata.yaml')
        if not files and not (self.path / 'metadata.yaml').exists():
            raise InputError(
                f'{self.path} is no bag: it holds no metadata.yaml, .mcap or .db3 (nor .json '
                'files of keypoints, if those were meant)'
            )
        for file in files:
            check_data_file(file)
        is_closed = (self.path / 'metadata.yaml').exists() and not any(
            file.suffix == '.mcap' and is_cut_off(file) for file in files
        )
        # Without its metadata (the recorder was killed) the data files speak for themselves.
        return [self.path] if is_closed else files

    def _open_part(self, path: Path) -> '_RosbagsPart | _CutOffPart':
        from rosbags.rosbag2 import Reader

        if path.suffix == '.mcap' and is_cut_off(path):
            self.is_cut_off = True
            return _CutOffPart(CutOffMcap(path))
        reader = Reader(path)
        reader.open()
        self._closing.callback(reader.close)
        part = _RosbagsPart(reader)
        part.check_types(path, self._store.hash_rihs01)
        return part

    @contextlib.contextmanager
    def _naming_the_bag(self) -> Iterator[None]:
        """Turn whatever a damaged file makes the parsers raise into one sentence."""
        try:
            yield
        except InputError:
            raise
        except _parser_errors() as error:
            text = ' '.join(str(error).split())[:300] or type(error).__name__
            raise InputError(f'bag {self.path} is damaged: {text}') from error


class _RosbagsPart:
    """A storage that the rosbags library reads."""

    def __init__(self, reader: 'Reader') -> None:
        self._reader = reader

    def topics(self) -> Iterator[Topic]:
        for item in self._reader.connections:
            yield Topic(item.topic, item.msgtype, item.msgcount, _qos_of(_offers(item)))

    def messages(self, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
        chosen = [item for item in self._reader.connections if item.topic in wanted]
        if chosen:
            for item, log_time, data in self._reader.messages(chosen):
                yield item.topic, log_time, data

    def check_types(self, path: Path, hash_of: Callable[[str], str]) -> None:
        """Refuse topics without a type, and ours when another version recorded them."""
        for item in self._reader.connections:
            # A column of sqlite3 holds whatever was put there.
            if not isinstance(item.topic, str) or not isinstance(item.msgtype, str):
                raise InputError(
                    f'bag {path}: topic {shown(item.topic)} has type {shown(item.msgtype)}; '
                    'expected text'
                )
            if not item.msgtype.startswith('elepose_ros/') or not item.digest:
                continue
            if item.digest != hash_of(item.msgtype):
                raise InputError(
                    f'bag {path}: topic {item.topic} has another version of {item.msgtype}; '
                    'read it with the version of elepose that wrote it'
                )


class _CutOffPart:
    """An mcap file without an end."""

    def __init__(self, file: CutOffMcap) -> None:
        self._file = file

    def topics(self) -> Iterator[Topic]:
        from rosbags.rosbag2.metadata import parse_qos

        for key, channel in self._file.channels.items():
            qos = _qos_of(parse_qos(channel.qos_text))
            yield Topic(channel.topic, channel.type, self._file.counts.get(key, 0), qos)

    def messages(self, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
        for key, log_time, data in self._file.messages():
            name = self._file.channels[key].topic
            if name in wanted:
                yield name, log_time, data


def _data_files(folder: Path) -> list[Path]:
    # Numbered parts of a split bag: _2 comes before _10.
    files = [file for file in folder.iterdir() if file.suffix in _SUFFIXES]
    return sorted(files, key=lambda file: (len(file.name), file.name))


def _offers(connection: 'Connection') -> 'list[Qos]':
    from rosbags.interfaces import ConnectionExtRosbag2

    extension = connection.ext
    return extension.offered_qos_profiles if isinstance(extension, ConnectionExtRosbag2) else []


def _qos_of(offers: 'list[Qos]') -> TopicQos | None:
    from rosbags.interfaces import QosDurability, QosHistory, QosReliability

    if not offers:
        return None
    # Several publishers may have offered different things; the weakest suits all subscribers.
    return TopicQos(
        is_reliable=all(offer.reliability != QosReliability.BEST_EFFORT for offer in offers),
        is_latched=all(offer.durability == QosDurability.TRANSIENT_LOCAL for offer in offers),
        depth=max(0 if offer.history == QosHistory.KEEP_ALL else offer.depth for offer in offers),
    )


def _parser_errors() -> tuple[type[Exception], ...]:
    import sqlite3

    import apsw
    from rosbags.rosbag2 import ReaderError
    from rosbags.serde import SerdeError
    from rosbags.typesys import TypesysError

    # The parsers trust their input in places, so hostile bytes surface as plain Python errors.
    return (
        ReaderError,
        SerdeError,
        TypesysError,
        apsw.Error,
        sqlite3.Error,
        OSError,
        struct.error,
        AssertionError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        MemoryError,
        RuntimeError,
    )
