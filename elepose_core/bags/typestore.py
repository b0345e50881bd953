# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Message types that bags hold: the common ROS 2 interfaces and ours, without ROS."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from elepose_core.errors import InputError, MissingDependency

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

__all__ = ['MAX_SEQUENCE', 'bag_typestore', 'message_folder']

# No field of a message may claim more elements than this: an 8K RGB image has 1e8 bytes.
MAX_SEQUENCE = 1 << 28


def message_folder() -> Path:
    """Return the folder with our .msg files: the installed copy, else the checkout's.

    Raises:
        MissingDependency: Neither is there, so the installation is incomplete.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / 'msg', here.parents[1] / 'msg'):
        if any(folder.glob('*.msg')):
            return folder
    raise MissingDependency(
        f'the message definitions are missing beside {here}; install the package elepose again'
    )


@functools.lru_cache(maxsize=1)
def bag_typestore() -> 'Typestore':
    """Return the one typestore with the common interfaces of ROS 2 and our own messages.

    Raises:
        MissingDependency: The package rosbags is not installed.
        InputError: A definition file is damaged.
    """
    try:
        from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
    except ImportError as error:
        raise MissingDependency(
            'bags need the package rosbags; install it with: pip install "elepose[bag]"'
        ) from error
    store = get_typestore(Stores.ROS2_KILTED)
    store.max_sequence_length = MAX_SEQUENCE
    types = {}
    for file in sorted(message_folder().glob('*.msg')):
        try:
            text = file.read_text(encoding='utf-8')
            types.update(get_types_from_msg(text, f'elepose_ros/msg/{file.stem}'))
        except (TypesysError, UnicodeDecodeError) as error:
            raise InputError(f'the message definition {file} cannot be read: {error}') from error
    store.register(types)
    return store
