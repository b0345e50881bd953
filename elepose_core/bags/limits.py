# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the files of a bag may hold, checked before rosbags reads them.

rosbags trusts what a file says of itself: a few bytes may unpack to any number, a view may pose
as a table that never ends, and a pipe keeps it waiting.
"""

import contextlib
import functools
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from elepose_core.errors import InputError, shown
from elepose_core.files import open_regular

__all__ = [
    'MAX_CHUNK_BYTES',
    'MAX_LOG_TIME_NS',
    'MAX_MESSAGE_BYTES',
    'MAX_METADATA_BYTES',
    'MAX_QOS_CHARACTERS',
    'MAX_UNPACKED_RATIO',
    'bound_rosbags',
    'check_data_file',
    'check_metadata',
]

MAX_MESSAGE_BYTES = 1 << 28
# A chunk holds at least one message whole, and writers close it soon after a megabyte.
MAX_CHUNK_BYTES = 1 << 29
MAX_METADATA_BYTES = 1 << 22
# What publishers of one topic offered, as YAML text.
MAX_QOS_CHARACTERS = 1 << 14
# The seconds of a ROS time have 31 bits.
MAX_LOG_TIME_NS = (1 << 31) * 1_000_000_000 - 1
# Of a data file that was compressed as a whole; small ones may unpack to any ratio.
MAX_UNPACKED_RATIO = 100
_ANY_RATIO_BYTES = 1 << 26
_BLOCK = 1 << 20
_PLAIN_TABLE = re.compile(r'create\s+table\s', re.IGNORECASE)


def check_metadata(path: Path) -> None:
    """Refuse a metadata.yaml that is no file or takes minutes to parse.

    Raises:
        InputError: It is no regular file or larger than `MAX_METADATA_BYTES`.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
    if size > MAX_METADATA_BYTES:
        raise InputError(f'{path} has {size} bytes; expected at most {MAX_METADATA_BYTES}')


def check_data_file(path: Path) -> None:
    """Refuse a data file that would keep the reader waiting or fill the memory.

    Args:
        path: A .mcap or .db3 file, or one of them as .zstd.

    Raises:
        InputError: It is no regular file, unpacks to too much, or has views or triggers.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        if path.suffix == '.zstd':
            file.seek(0)
            _check_unpacked(path, file, size)
    if path.suffix == '.db3':
        _check_tables(path)


def bound_rosbags() -> None:
    """Give the limits to the functions of rosbags that unpack and parse, once per process."""
    _bound_rosbags()


@functools.lru_cache(maxsize=1)
def _bound_rosbags() -> None:
    from lz4.frame import LZ4FrameDecompressor
    from rosbags.rosbag2 import reader, storage_mcap, storage_sqlite3

    zstd = _zstd()

    def of_zstd(data: bytes, size: int) -> bytes:
        return bytes(zstd.ZstdDecompressor().decompress(data, _room(size)))

    def of_lz4(data: bytes, size: int) -> bytes:
        return bytes(LZ4FrameDecompressor().decompress(data, _room(size)))

    # One byte more than it says shows that it lied; rosbags compares the two.
    storage_mcap.DECOMPRESSORS.update({'zstd': of_zstd, 'lz4': of_lz4})
    # Messages that were compressed one by one do not say their size.
    bounded = SimpleNamespace(
        open=zstd.open, decompress=lambda data: _whole(of_zstd(data, MAX_MESSAGE_BYTES))
    )
    for module in (reader, storage_mcap, storage_sqlite3):
        _replace(module, 'parse_qos', _short(module.parse_qos))
    _replace(reader, 'zstd', bounded)


def _zstd() -> Any:
    """Return the module that rosbags unpacks with; its name depends on the version of Python."""
    from rosbags.rosbag2 import storage_mcap

    return vars(storage_mcap)['zstd']


def _replace(module: Any, name: str, value: Any) -> None:
    setattr(module, name, value)


def _room(size: int) -> int:
    if size > MAX_CHUNK_BYTES:
        raise ValueError(
            f'a chunk says that it has {size} bytes; expected at most {MAX_CHUNK_BYTES}'
        )
    return size + 1


def _whole(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f'a message unpacks to more than {MAX_MESSAGE_BYTES} bytes')
    return data


def _short(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    # Topics of one recorder offer the same, and this YAML parser takes milliseconds for it.
    parse_again = functools.lru_cache(maxsize=64)(parse)

    def parse_short(text: Any) -> Any:
        if not isinstance(text, str):
            return parse(text)
        if len(text) > MAX_QOS_CHARACTERS:
            raise ValueError(
                f'offered_qos_profiles is {shown(text)}; '
                f'expected at most {MAX_QOS_CHARACTERS} characters'
            )
        return list(parse_again(text))

    return parse_short


def _check_unpacked(path: Path, file: Any, size: int) -> None:
    zstd = _zstd()
    allowed = max(MAX_UNPACKED_RATIO * size, _ANY_RATIO_BYTES)
    unpacked = 0
    try:
        with zstd.open(file, 'rb') as stream:
            while block := stream.read(_BLOCK):
                unpacked += len(block)
                if unpacked > allowed:
                    raise InputError(
                        f'{path} unpacks to more than {allowed} bytes; '
                        f'expected at most {MAX_UNPACKED_RATIO} times its {size} bytes'
                    )
    except (zstd.ZstdError, EOFError) as error:
        raise InputError(f'{path} is no whole zstd file ({error})') from None


def _check_tables(path: Path) -> None:
    """Refuse what computes what it shows, for ever or as large as it likes.

    That is a view, a virtual table or a generated column.
    """
    with _sqlite(path) as connection:
        parts = connection.execute('SELECT type, name, sql FROM sqlite_master').fetchall()
        computed = connection.execute(
            "SELECT 'generated column', m.name || '.' || c.name "
            'FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c '
            "WHERE m.type = 'table' AND c.hidden > 1"
        ).fetchall()
    odd = computed + [
        (kind, name)
        for kind, name, sql in parts
        if kind != 'index' and not (kind == 'table' and _PLAIN_TABLE.match(sql or ''))
    ]
    if odd:
        kind, name = odd[0]
        raise InputError(
            f'{path} holds the {kind} {shown(name)}; expected plain tables, as rosbag2 writes'
        )


@contextlib.contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro&immutable=1', uri=True)
    try:
        yield connection
    finally:
        connection.close()
