# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Writing of rosbag2 folders, mcap or sqlite3, that `ros2 bag` reads."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from elepose_core.bags.reader import MAX_MESSAGE_BYTES, TopicQos
from elepose_core.bags.typestore import bag_typestore
from elepose_core.errors import InputError
from elepose_core.files import replacing

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos
    from rosbags.rosbag2 import Writer

__all__ = ['BagWriter', 'Storage', 'check_new_bag', 'recording_bag', 'writing_bag']

Storage = Literal['mcap', 'sqlite3']
RELIABLE = TopicQos(is_reliable=True, is_latched=False, depth=10)


@dataclass(frozen=True)
class _Disk:
    """Where a bag is written, and what is left when that goes wrong."""

    path: Path
    rest: str

    @contextlib.contextmanager
    def accepting(self) -> Iterator[None]:
        """Turn what the system says of a full or broken disk into one sentence."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(
                f'bag {self.path} cannot be written any further ({why}); {self.rest}'
            ) from None


class BagWriter:
    """Topics and messages of one open bag; made by `writing_bag` and `recording_bag`."""

    def __init__(self, writer: 'Writer', disk: '_Disk') -> None:
        self._disk = disk
        self._store = bag_typestore()
        self._writer = writer
        self._connections: dict[str, Connection] = {}
        self._unflushed = 0
        self.counts: dict[str, int] = {}

    def add_topic(self, name: str, type_name: str, qos: TopicQos = RELIABLE) -> None:
        """Announce a topic; a second call with the same name and type does nothing.

        Args:
            name: Topic name as it shall stand in the bag.
            type_name: Such as 'sensor_msgs/msg/Image'.
            qos: What a player shall offer.

        Raises:
            InputError: The type has no known definition, or the topic has another type already.
        """
        if name in self._connections:
            known = self._connections[name].msgtype
            if known != type_name:
                raise InputError(f'topic {name} is {known} and cannot also be {type_name}')
            return
        if type_name not in self._store.fielddefs:
            raise InputError(
                f'topic {name} has type {type_name}, of which no definition is known; '
                'expected a type of the common ROS 2 interfaces or of elepose_ros'
            )
        with self._disk.accepting():
            self._connections[name] = self._writer.add_connection(
                name, type_name, typestore=self._store, offered_qos_profiles=[_offered(qos)]
            )
        self.counts[name] = 0

    def write(self, topic: str, log_time_ns: int, message: Any) -> None:
        """Append one message.

        Args:
            topic: Announced by `add_topic`.
            log_time_ns: When it was received, ns since the epoch; readers sort by it.
            message: A message object of the topic's type, or its CDR bytes.

        Raises:
            InputError: The message is larger than a bag may hold, the time is negative, or the
                disk takes no more.
        """
        connection = self._connections[topic]
        is_raw = isinstance(message, (bytes, bytearray, memoryview))
        data = message if is_raw else self._store.serialize_cdr(message, connection.msgtype)
        if len(data) > MAX_MESSAGE_BYTES:
            raise InputError(
                f'a message on {topic} has {len(data)} bytes; expected at most {MAX_MESSAGE_BYTES}'
            )
        if log_time_ns < 0:
            raise InputError(f'a message on {topic} has time {log_time_ns} ns; expected >= 0')
        with self._disk.accepting():
            self._writer.write(connection, log_time_ns, bytes(data))
        self.counts[topic] += 1
        self._unflushed += 1

    def flush(self) -> None:
        """Bring what was written so far to the disk, so that a kill cannot take it (mcap only).

        Raises:
            InputError: The disk takes no more.
        """
        from rosbags.rosbag2.storage_mcap import McapWriter

        storage = self._writer.storage
        if self._unflushed and isinstance(storage, McapWriter):
            with self._disk.accepting():
                storage.close_chunk()
                storage.bio.flush()
            self._unflushed = 0


@contextlib.contextmanager
def writing_bag(path: Path, storage: Storage = 'mcap') -> Iterator[BagWriter]:
    """Write a bag under a temporary name; it appears at `path` whole, or not at all.

    Raises:
        InputError: `path` exists already, or the storage is unknown.
    """
    path = check_new_bag(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The writer names its data file after the folder, so that has its final name from the start.
    workshop = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent))
    try:
        disk = _Disk(path, 'nothing is left of it')
        with contextlib.ExitStack() as stack:
            with disk.accepting():
                writer = stack.enter_context(_open_writer(workshop / path.name, storage))
            yield BagWriter(writer, disk)
            with disk.accepting():
                stack.close()
        with replacing(path) as temporary:
            (workshop / path.name).rename(temporary)
    finally:
        shutil.rmtree(workshop)


@contextlib.contextmanager
def recording_bag(path: Path) -> Iterator[BagWriter]:
    """Write an mcap bag at its final place, for a recording that may be killed at any time.

    After each `BagWriter.flush` the file is a readable beginning of a bag (see `cut_off`), and
    it is closed properly also when the block ends by an exception.

    Raises:
        InputError: `path` exists already, or the disk takes no more.
    """
    path = check_new_bag(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = _open_writer(path, 'mcap')
    disk = _Disk(path, 'what was brought to the disk before can be read')
    with disk.accepting():
        writer.open()
    try:
        yield BagWriter(writer, disk)
    except BaseException:
        # On a full disk the end cannot be written either; what went before tells more.
        with contextlib.suppress(OSError):
            writer.close()
        raise
    with disk.accepting():
        writer.close()


def check_new_bag(path: Path) -> Path:
    """Return `path` without a trailing suffix surprise; InputError when something stands there."""
    path = Path(path)
    if path.exists():
        raise InputError(f'{path} exists already; expected the name of a new bag folder')
    if not path.name:
        raise InputError(f'{str(path)!r} names no folder; expected the name of a new bag folder')
    return path


def _open_writer(path: Path, storage: str) -> 'Writer':
    bag_typestore()
    from rosbags.rosbag2 import StoragePlugin, Writer

    plugins = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
    if storage not in plugins:
        raise InputError(f'storage is {storage!r}; expected one of {", ".join(plugins)}')
    return Writer(path, version=9, storage_plugin=plugins[storage])


def _offered(qos: TopicQos) -> 'Qos':
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    # ROS 2 writes "for ever" as the largest duration it can express.
    for_ever = QosTime(9223372036, 854775807)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=qos.depth,
        reliability=QosReliability.RELIABLE if qos.is_reliable else QosReliability.BEST_EFFORT,
        durability=QosDurability.TRANSIENT_LOCAL if qos.is_latched else QosDurability.VOLATILE,
        deadline=for_ever,
        lifespan=for_ever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=for_ever,
        avoid_ros_namespace_conventions=False,
    )
