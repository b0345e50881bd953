# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Recording stand-ins for launch, launch_ros and ament_index_python.

No Python package index has the real ones. These do what the launch file needs of them (arguments
with defaults and choices, functions that return actions) and otherwise keep what they are given.
"""

import importlib.util
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


class LaunchContext:
    """Holds the values of the arguments."""

    def __init__(self) -> None:
        self.launch_configurations: dict[str, str] = {}


class LaunchConfiguration:
    def __init__(self, name: str) -> None:
        self._name = name

    def perform(self, context: LaunchContext) -> str:
        return context.launch_configurations[self._name]


class Recorded:
    """An action that keeps its arguments."""

    def __init__(self, **given: Any) -> None:
        self.given = given


class Node(Recorded):
    pass


class ExecuteProcess(Recorded):
    pass


class Shutdown(Recorded):
    pass


class TimerAction(Recorded):
    pass


@dataclass
class ParameterValue:
    value: Any
    value_type: type


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str
    description: str
    choices: list[str] | None = None

    def execute(self, context: LaunchContext) -> None:
        value = context.launch_configurations.setdefault(self.name, self.default_value)
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(f'{self.name}:={value}; expected one of {self.choices}')


@dataclass
class OpaqueFunction:
    function: Callable[[LaunchContext], list[Recorded]]


@dataclass
class LaunchDescription:
    entities: list[Any] = field(default_factory=list)


class PackageNotFoundError(KeyError):
    pass


def install(patch: pytest.MonkeyPatch, root: Path, packages: frozenset[str]) -> None:
    """Put the stand-ins in front of whatever is installed.

    Args:
        patch: Takes them away after the test.
        root: What stands for the share folder of elepose_ros.
        packages: Packages that the ament index is to know.
    """

    def prefix(name: str) -> str:
        if name not in packages:
            raise PackageNotFoundError(name)
        return str(root)

    modules: dict[str, dict[str, Any]] = {
        'launch': {
            'Action': Recorded,
            'LaunchContext': LaunchContext,
            'LaunchDescription': LaunchDescription,
        },
        'launch.actions': {
            'DeclareLaunchArgument': DeclareLaunchArgument,
            'ExecuteProcess': ExecuteProcess,
            'OpaqueFunction': OpaqueFunction,
            'Shutdown': Shutdown,
            'TimerAction': TimerAction,
        },
        'launch.substitutions': {'LaunchConfiguration': LaunchConfiguration},
        'launch_ros': {},
        'launch_ros.actions': {'Node': Node},
        'launch_ros.parameter_descriptions': {'ParameterValue': ParameterValue},
        'ament_index_python': {},
        'ament_index_python.packages': {
            'PackageNotFoundError': PackageNotFoundError,
            'get_package_prefix': prefix,
            'get_package_share_directory': lambda _name: str(root),
        },
    }
    for name, content in modules.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        patch.setitem(sys.modules, name, module)


def load(path: Path) -> LaunchDescription:
    """Run a launch file and return its description."""
    spec = importlib.util.spec_from_file_location('launch_file_under_test', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description: LaunchDescription = module.generate_launch_description()
    return description


def started(description: LaunchDescription, **given: str) -> list[Recorded]:
    """Return the actions that a launch with these arguments starts."""
    declared = {e.name for e in description.entities if isinstance(e, DeclareLaunchArgument)}
    assert set(given) <= declared, f'{set(given) - declared} are no arguments'
    context = LaunchContext()
    context.launch_configurations.update(given)
    actions: list[Recorded] = []
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.execute(context)
        else:
            actions += entity.function(context)
    return actions
