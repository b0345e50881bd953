# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The experiment: the rooms' own settings in one strict TOML file, with overrides."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from elepose_core.errors import InputError
from elepose_core.files import replacing
from elepose_core.losses import LossWeights
from elepose_core.models.lifter import LifterConfig
from elepose_core.priors.flow import PriorConfig
from elepose_core.training.loop import TrainingConfig
from elepose_core.training.sampling import SamplingConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ['ExperimentConfig', 'read_experiment', 'write_experiment']


class ExperimentConfig(BaseModel):
    """All settings of one training run; the defaults are those of the shipped bundle."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    lifter: LifterConfig = LifterConfig()
    prior: PriorConfig = PriorConfig()
    losses: LossWeights = LossWeights()
    sampling: SamplingConfig = SamplingConfig()
    training: TrainingConfig = TrainingConfig()


def read_experiment(path: Path | None, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read a TOML file and apply overrides of the form 'losses.bone_ratio=10'.

    Args:
        path: TOML file; None means the defaults.
        overrides: Later ones win.

    Raises:
        InputError: A key is unknown, a value has the wrong type or range, or the file is no TOML.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(Path(path).read_text(encoding='utf-8'))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f'{path} is not a readable TOML file ({error})') from None
    for override in overrides:
        _apply(tree, override)
    try:
        return ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(map(str, first['loc']))
        known = ', '.join(_known_keys())
        value = 'unknown' if first['type'] == 'extra_forbidden' else repr(first['input'])
        raise InputError(f'setting {key} is {value}: {first["msg"]}; known: {known}') from None


def write_experiment(path: Path, experiment: ExperimentConfig) -> None:
    """Write the resolved settings as TOML."""
    lines = []
    for section, values in experiment.model_dump().items():
        lines.append(f'[{section}]')
        # Numbers and strings look the same in JSON and TOML.
        lines += [f'{key} = {json.dumps(value)}' for key, value in values.items()] + ['']
    with replacing(path) as temporary:
        temporary.write_text('\n'.join(lines), encoding='utf-8')


def _apply(tree: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition('=')
    section, dot, key = name.strip().partition('.')
    if not equals or not dot:
        raise InputError(f'override {override!r} is not of the form section.key=value')
    try:
        value = tomllib.loads(f'value = {text}')['value']
    except tomllib.TOMLDecodeError:
        value = text.strip()
    branch = tree.setdefault(section, {})
    if not isinstance(branch, dict):
        raise InputError(f'override {override!r}: {section} is not a section')
    branch[key] = value


def _known_keys() -> list[str]:
    default = ExperimentConfig().model_dump()
    return [f'{section}.{key}' for section, values in default.items() for key in values]
