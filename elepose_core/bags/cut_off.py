# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of an MCAP file whose writer was killed, from its start to the last whole message.

An MCAP file is a row of records (one byte of kind, eight bytes of length, content) and is
indexed at its end only. Without the end the row still holds every message up to the cut.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elepose_core.bags.limits import MAX_CHUNK_BYTES

__all__ = ['MAGIC', 'Channel', 'CutOffMcap', 'is_cut_off']

MAGIC = b'\x89MCAP0\r\n'
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x03, 0x04, 0x05, 0x06
_HEAD = struct.Struct('<BQ')


@dataclass(frozen=True)
class Channel:
    """One topic of the file."""

    topic: str
    type: str
    definition: str
    qos_text: str


def is_cut_off(path: Path) -> bool:
    """Say whether a file begins as MCAP but lacks the end that a closed file has."""
    size = path.stat().st_size
    with path.open('rb') as file:
        if size <= len(MAGIC) or file.read(len(MAGIC)) != MAGIC:
            return False
        file.seek(-len(MAGIC), 2)
        # A file of nothing but its start would show the same magic twice.
        return size < 2 * len(MAGIC) + 29 or file.read() != MAGIC


class CutOffMcap:
    """The whole messages of an MCAP file without an end.

    Args:
        path: The file; see `is_cut_off`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.counts: dict[int, int] = {}
        self._schemas: dict[int, tuple[str, str]] = {}
        for channel_id, _, _ in self.messages():
            self.counts[channel_id] = self.counts.get(channel_id, 0) + 1

    def messages(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (channel id, log time in ns, CDR bytes) in the order of the file."""
        with self.path.open('rb') as file:
            file.seek(len(MAGIC))
            for kind, content, whole in _records(file):
                if kind == _CHUNK:
                    for inner, part in _records_of_chunk(content, whole):
                        yield from self._take(inner, part)
                elif whole:
                    yield from self._take(kind, content)

    def _take(self, kind: int, content: bytes) -> Iterator[tuple[int, int, bytes]]:
        if kind == _MESSAGE and len(content) >= 22:
            channel_id, _, log_time, _ = struct.unpack_from('<HIQQ', content)
            if channel_id in self.channels:
                yield channel_id, log_time, content[22:]
        elif kind == _SCHEMA:
            (schema_id,) = struct.unpack_from('<H', content)
            name, offset = _text(content, 2)
            _, offset = _text(content, offset)
            self._schemas[schema_id] = (name, _text(content, offset)[0])
        elif kind == _CHANNEL:
            channel_id, schema_id = struct.unpack_from('<HH', content)
            topic, offset = _text(content, 4)
            _, offset = _text(content, offset)
            name, definition = self._schemas.get(schema_id, ('', ''))
            pairs = _text_pairs(content, offset)
            qos = pairs.get('offered_qos_profiles', '')
            self.channels[channel_id] = Channel(topic, name, definition, qos)


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (kind, content, is whole); the last content may be shorter than it says."""
    size = os.fstat(file.fileno()).st_size
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        kind, length = _HEAD.unpack(head)
        if length > 2 * MAX_CHUNK_BYTES:
            return
        # What it says may be more than there is, and would be reserved at once.
        content = file.read(min(length, size - file.tell()))
        yield kind, content, len(content) == length
        if len(content) < length:
            return


def _records_of_chunk(content: bytes, is_whole: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the whole records in a chunk; of a cut one only when it is not compressed."""
    if len(content) < 32:
        return
    _, _, size, checksum = struct.unpack_from('<QQQI', content)
    (name_length,) = struct.unpack_from('<I', content, 28)
    compression = content[32 : 32 + name_length].decode('ascii', 'replace')
    data = content[40 + name_length :]
    if compression:
        if not is_whole or size > MAX_CHUNK_BYTES:
            return
        from rosbags.rosbag2.storage_mcap import decompress

        data = decompress(data, compression, size, checksum)
    offset = 0
    while offset + _HEAD.size <= len(data):
        kind, length = _HEAD.unpack_from(data, offset)
        offset += _HEAD.size
        if offset + length > len(data):
            return
        yield kind, data[offset : offset + length]
        offset += length


def _text(content: bytes, offset: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', content, offset)
    end = offset + 4 + length
    return content[offset + 4 : end].decode(), end


def _text_pairs(content: bytes, offset: int) -> dict[str, str]:
    (length,) = struct.unpack_from('<I', content, offset)
    end, offset = offset + 4 + length, offset + 4
    pairs = {}
    while offset < min(end, len(content)):
        key, offset = _text(content, offset)
        pairs[key], offset = _text(content, offset)
    return pairs
