# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of packages that are not ours: the real classes where they are, else their definitions.

The definitions are those of tests/interfaces, read by rosbags, which gives plain dataclasses.
"""

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

INTERFACES = Path(__file__).parent / 'interfaces'
PACKAGES = sorted(path.name for path in INTERFACES.iterdir() if path.is_dir())


def is_real(package: str) -> bool:
    """Tell whether a package is built and on the path."""
    return importlib.util.find_spec(f'{package}.msg') is not None if _found(package) else False


def make(name: str, **fields: Any) -> Any:
    """Return a message 'package/Name' with these fields, the others at zero."""
    package, _, kind = name.partition('/')
    if is_real(package):
        return getattr(importlib.import_module(f'{package}.msg'), kind)(**fields)
    return _stand_in(f'{package}/msg/{kind}', fields)


def read(name: str, data: bytes) -> Any:
    """Return the message 'package/Name' that bytes of the middleware hold, as rosbags reads it."""
    package, _, kind = name.partition('/')
    return _store().deserialize_cdr(data, f'{package}/msg/{kind}')


def _found(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@functools.cache
def _store() -> Any:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types: Any = {}
    for path in INTERFACES.glob('*/msg/*.msg'):
        types |= get_types_from_msg(path.read_text(), f'{path.parts[-3]}/msg/{path.stem}')
    store.register(types)
    return store


def _stand_in(name: str, fields: dict[str, Any]) -> Any:
    store = _store()
    _, definition = store.fielddefs[name]
    known = {field for field, _ in definition}
    assert set(fields) <= known, f'{name} has no {set(fields) - known}'
    values = {field: _zero(kind) for field, kind in definition}
    return store.types[name](**values | fields)


def _zero(kind: Any) -> Any:
    node, content = kind
    if node.name == 'NAME':
        return _stand_in(content, {})
    if node.name == 'BASE':
        base = content[0]
        return {'string': '', 'bool': False}.get(base, 0.0 if base.startswith('float') else 0)
    element, length = content
    return [_zero(element) for _ in range(length if node.name == 'ARRAY' else 0)]
