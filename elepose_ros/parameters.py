# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters declared, checked and documented, all from the table in `parameter_table`.

`python -m elepose_ros.parameters` prints the table.
"""

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from elepose_core.errors import InputError
from elepose_core.runtime.people import LEAST_HEIGHT_M
from elepose_ros.parameter_table import DETECTOR, LIFTER, PIPELINE, Parameters, Row

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor

__all__ = [
    'DETECTOR',
    'LIFTER',
    'PIPELINE',
    'Parameters',
    'declare',
    'markdown_table',
    'unknown_names',
    'with_changes',
]

Value = str | int | float | bool


class ParameterNode(Protocol):
    """The part of rclpy's Node that declaring needs."""

    def declare_parameter(self, name: str, value: Any, descriptor: Any) -> Any:
        """Declare one parameter and return it with the value that the user gave."""


def declare(node: ParameterNode, used_by: Iterable[str]) -> Parameters:
    """Declare the parameters of a node and return their values.

    Args:
        node: The node; values from files and the command line are already in it.
        used_by: `DETECTOR`, `LIFTER` or both.

    Raises:
        InputError: A value has the wrong type or is out of its range.
    """
    wanted = set(used_by)
    values: dict[str, Value] = {}
    for name, kind, default, row in _rows():
        if wanted.isdisjoint(row.used_by):
            continue
        try:
            value = node.declare_parameter(name, default, _descriptor(name, kind, row)).value
        except Exception as error:
            # rclpy has one exception per cause and none of them names the expectation.
            if type(error).__module__ != 'rclpy.exceptions':
                raise
            raise InputError(f'parameter {name} is not {_expectation(kind, row)}: {error}') from (
                error
            )
        _check(name, kind, row, value)
        values[name] = value
    return _whole(Parameters(**values))  # type: ignore[arg-type]


def with_changes(parameters: Parameters, changes: Mapping[str, Value]) -> Parameters:
    """Return the parameters after a change at run time; names that are not ours are ignored.

    Raises:
        InputError: A parameter is fixed while the node runs, or a value is wrong.
    """
    ours = {}
    for name, kind, _, row in _rows():
        if name not in changes:
            continue
        if not row.dynamic:
            raise InputError(f'parameter {name} cannot change while the node runs: restart it')
        _check(name, kind, row, changes[name])
        ours[name] = changes[name]
    return _whole(dataclasses.replace(parameters, **ours))  # type: ignore[arg-type]


def unknown_names(given: Iterable[str]) -> list[str]:
    """Return the names that are in no row and are none of ROS's own either."""
    known = {name for name, _, _, _ in _rows()} | {
        'use_sim_time',
        'start_type_description_service',
    }
    return sorted(n for n in given if n not in known and not n.startswith('qos_overrides.'))


def markdown_table() -> str:
    """Return the table as Markdown, for the documentation."""
    lines = [
        '| parameter | type | default | range | unit | change | nodes | meaning |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for name, kind, default, row in _rows():
        shown = f'"{default}"' if kind is str else str(default).lower()
        apart = [f'{node}_node' for node in row.used_by if node != PIPELINE]
        nodes = ', '.join([*apart, PIPELINE])
        cells = (
            f'`{name}`',
            _KINDS[kind],
            f'`{shown}`',
            _range_text(row),
            row.unit,
            'at run time' if row.dynamic else 'at start',
            nodes,
            row.text,
        )
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


_KINDS = {str: 'string', int: 'integer', float: 'double', bool: 'bool'}


def _rows() -> Iterable[tuple[str, type, Value, Row]]:
    for entry in dataclasses.fields(Parameters):
        assert isinstance(entry.type, type)
        yield entry.name, entry.type, entry.default, entry.metadata['row']  # type: ignore[misc]


def _range_text(row: Row) -> str:
    if row.choices:
        return ', '.join(row.choices)
    return '' if row.low is None else f'{row.low:g} to {row.high:g}'


def _expectation(kind: type, row: Row) -> str:
    words = {str: 'a string', int: 'an integer', float: 'a floating-point number', bool: 'a bool'}
    if row.choices:
        return f'one of {", ".join(row.choices)}'
    limits = _range_text(row)
    return f'{words[kind]}{f" in {limits}" if limits else ""}'


def _check(name: str, kind: type, row: Row, value: Value) -> None:
    right = type(value) is kind
    if right and row.choices:
        right = value in row.choices
    elif right and row.low is not None and row.high is not None:
        right = row.low <= float(value) <= row.high
    if not right:
        raise InputError(f'parameter {name} is {value!r}; expected {_expectation(kind, row)}')


def _whole(parameters: Parameters) -> Parameters:
    if parameters.detector_input_long_side % 32:
        raise InputError(
            f'parameter detector_input_long_side is {parameters.detector_input_long_side}; '
            'expected a multiple of 32'
        )
    if 0 < parameters.camera_height_m < LEAST_HEIGHT_M:
        raise InputError(
            f'parameter camera_height_m is {parameters.camera_height_m}; '
            f'expected 0 (unknown) or at least {LEAST_HEIGHT_M}'
        )
    if parameters.publish_hri and parameters.keypoints_type == 'hri':
        raise InputError(
            'parameter publish_hri is true and keypoints_type is hri; expected one of the two, '
            'since both use the topics under /humans/bodies'
        )
    try:
        Path(parameters.static_transform_file).expanduser()
    except RuntimeError as error:
        raise InputError(
            f'parameter static_transform_file is {parameters.static_transform_file!r}; expected '
            f'a path that starts with / or ~/ ({error})'
        ) from None
    for folder in filter(None, parameters.model_folders.split(':')):
        # A relative one would depend on where the node was started.
        if not folder.startswith(('/', '~/')):
            raise InputError(
                f'parameter model_folders has {folder!r}; expected absolute paths, separated by '
                'colons'
            )
    return parameters


def _descriptor(name: str, kind: type, row: Row) -> 'ParameterDescriptor':
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    descriptor = ParameterDescriptor(
        name=name,
        description=f'{row.text}{f" [{row.unit}]" if row.unit else ""}',
        additional_constraints=_expectation(kind, row),
        read_only=not row.dynamic,
    )
    if row.low is not None and row.high is not None:
        if kind is int:
            span = IntegerRange(from_value=int(row.low), to_value=int(row.high), step=1)
            descriptor.integer_range = [span]
        else:
            span = FloatingPointRange(from_value=float(row.low), to_value=float(row.high))
            descriptor.floating_point_range = [span]
    return descriptor


if __name__ == '__main__':
    sys.stdout.write(f'{markdown_table()}\n')
