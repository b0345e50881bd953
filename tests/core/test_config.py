# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Settings: what a TOML file and overrides may say, and what they are told otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('torch', reason='the settings are those of training')

from elepose_core.config import (
    Experiment,
    ExperimentConfig,
    PublishedConfig,
    SupervisedConfig,
    read_experiment,
    tomllib,
    write_experiment,
)
from elepose_core.errors import InputError

CONFIGS = Path(__file__).parents[2] / 'configs'


def _refused(path: Path | None, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        read_experiment(path, overrides)
    sentence = str(caught.value)
    assert '\n' not in sentence
    return sentence


def test_defaults_are_those_of_no_file() -> None:
    assert read_experiment(None) == ExperimentConfig()


def test_a_method_without_a_file_takes_its_own_recipe(tmp_path: Path) -> None:
    assert read_experiment(None, method='supervised') == SupervisedConfig()
    assert read_experiment(None, method='elepose') == ExperimentConfig()
    write_experiment(tmp_path / 'config.toml', SupervisedConfig())
    assert read_experiment(tmp_path / 'config.toml') == SupervisedConfig()


def test_file_and_overrides_change_single_settings(tmp_path: Path) -> None:
    path = tmp_path / 'a.toml'
    path.write_text('[discovery_losses]\nbone_ratio = 3\n[training]\nsteps = 7\n')
    experiment = read_experiment(path, ['discovery_losses.bone_ratio=4.5', 'lifter.width=64'])
    assert experiment.discovery_losses.bone_ratio == 4.5
    assert experiment.lifter.width == 64
    assert experiment.training.steps == 7
    assert experiment.discovery_losses.likelihood == ExperimentConfig().discovery_losses.likelihood


def test_last_override_wins() -> None:
    experiment = read_experiment(None, ['training.seed=1', 'training.seed=2'])
    assert experiment.training.seed == 2


def _other(value: Any) -> Any:
    """Return another value that is allowed where `value` is."""
    if isinstance(value, str):
        others = {'adamw': 'adam', 'linear': 'exponential', 'float32': 'bfloat16', '': 'a'}
        others |= {'level': 'published', 'perspective': 'lifter', 'regnetx_002': 'resnet10t'}
        return others.get(value, value)
    if isinstance(value, tuple):
        return [_other(part) for part in value] or [1.0] * 16
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return value * 1.25 if value > 1 else value * 0.75 or 0.25


def _changed(experiment: Experiment) -> list[str]:
    """Return overrides that change every setting there is."""
    return [
        f'{section}.{key}={json.dumps(_other(value))}'
        for section, values in experiment.model_dump(exclude={'recipe'}).items()
        for key, value in values.items()
    ]


@pytest.mark.parametrize(
    'recipe', ['elevation', 'published', 'supervised', 'geometric', 'adapter', 'wsp']
)
def test_every_setting_is_set_written_and_read_back(recipe: str, tmp_path: Path) -> None:
    path = tmp_path / 'a.toml'
    path.write_text(f'recipe = "{recipe}"')
    default = read_experiment(path)
    experiment = read_experiment(path, _changed(default))
    for section, values in experiment.model_dump(exclude={'recipe'}).items():
        for key, value in values.items():
            assert value != getattr(getattr(default, section), key), f'{section}.{key}'
    write_experiment(tmp_path / 'config.toml', experiment)
    assert read_experiment(tmp_path / 'config.toml') == experiment
    tree = tomllib.loads((tmp_path / 'config.toml').read_text())
    assert tree == json.loads(json.dumps(experiment.model_dump()))


def test_small_numbers_are_written_in_full(tmp_path: Path) -> None:
    experiment = read_experiment(None, ['training.learning_rate=1.5e-07', 'prior.noise=0.125'])
    write_experiment(tmp_path / 'config.toml', experiment)
    assert read_experiment(tmp_path / 'config.toml') == experiment


def test_recipe_says_which_settings_there_are(tmp_path: Path) -> None:
    path = tmp_path / 'a.toml'
    path.write_text('recipe = "published"')
    assert isinstance(read_experiment(path), PublishedConfig)
    assert 'setting discovery is unknown' in _refused(path, 'discovery.steps=3')
    path.write_text('recipe = "magic"')
    assert "setting recipe is 'magic'; expected one of elevation, published" in _refused(path)


@pytest.mark.parametrize(
    ('override', 'part'),
    [
        ('discovery_losses.bone_ration=1', 'setting discovery_losses.bone_ration is unknown'),
        ('loses.pose=1', 'setting loses is unknown'),
        ('losses.sigma=-1', 'setting losses.sigma is -1: Input should be greater'),
        ('losses.sigma=much', "setting losses.sigma is 'much'"),
        ('losses.sigma=inf', 'setting losses.sigma is inf'),
        ('prior.learning_rate=inf', 'setting prior.learning_rate is inf'),
        ('prior.learning_rate=nan', 'setting prior.learning_rate is nan'),
        ('training.steps=1.5', 'setting training.steps is 1.5'),
        ('discovery.steps=0', 'setting discovery.steps is 0'),
        ('alternation.seed=3', 'setting alternation.seed is unknown'),
        ('clips.smoothing=1.5', 'setting clips.smoothing is 1.5'),
        ('sampling.roll_deg=91', 'setting sampling.roll_deg is 91'),
        ('refinement.rounds=0', 'setting refinement.rounds is 0'),
        ('pose=1', "override 'pose=1' is not of the form section.key=value"),
        ('losses.pose', 'is not of the form section.key=value'),
    ],
)
def test_wrong_override_is_one_sentence(override: str, part: str) -> None:
    assert part in _refused(None, override)


def test_unknown_key_is_told_the_known_ones() -> None:
    assert 'known: lifter.width' in _refused(None, 'lifter.widht=3')


@pytest.mark.parametrize('content', [b'[losses', b'\xff', b'losses = 3'])
def test_wrong_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'a.toml'
    path.write_bytes(content)
    assert 'losses' in _refused(path) or 'a.toml is not a readable TOML file' in _refused(path)


def test_missing_file_and_section_that_is_a_number(tmp_path: Path) -> None:
    assert 'none.toml is not a readable TOML file' in _refused(tmp_path / 'none.toml')
    path = tmp_path / 'a.toml'
    path.write_text('losses = 3')
    assert 'losses is not a section' in _refused(path, 'losses.pose=1')


def test_shipped_files_are_valid() -> None:
    files = sorted(CONFIGS.glob('*.toml'))
    assert {'default.toml', 'elepose_paper.toml'} <= {path.name for path in files}
    for path in files:
        read_experiment(path)


def test_default_file_says_all_defaults(tmp_path: Path) -> None:
    write_experiment(tmp_path / 'config.toml', ExperimentConfig())
    assert (CONFIGS / 'default.toml').read_text() == (tmp_path / 'config.toml').read_text()
