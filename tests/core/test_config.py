# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Settings: what a TOML file and overrides may say, and what they are told otherwise."""

from pathlib import Path

import pytest

pytest.importorskip('torch', reason='the settings are those of training')

from elepose_core.config import (
    ExperimentConfig,
    read_experiment,
    tomllib,
    write_experiment,
)
from elepose_core.errors import InputError


def _refused(path: Path | None, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        read_experiment(path, overrides)
    sentence = str(caught.value)
    assert '\n' not in sentence
    return sentence


def test_defaults_are_those_of_no_file() -> None:
    assert read_experiment(None) == ExperimentConfig()


def test_file_and_overrides_change_single_settings(tmp_path: Path) -> None:
    path = tmp_path / 'a.toml'
    path.write_text('[losses]\nbone_ratio = 3\n[training]\nsteps = 7\n')
    experiment = read_experiment(path, ['losses.bone_ratio=4.5', 'lifter.width=64'])
    assert experiment.losses.bone_ratio == 4.5
    assert experiment.lifter.width == 64
    assert experiment.training.steps == 7
    assert experiment.losses.likelihood == ExperimentConfig().losses.likelihood


def test_last_override_wins() -> None:
    experiment = read_experiment(None, ['training.seed=1', 'training.seed=2'])
    assert experiment.training.seed == 2


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    experiment = read_experiment(None, ['training.learning_rate=1.5e-07', 'prior.noise=0.125'])
    write_experiment(tmp_path / 'config.toml', experiment)
    assert read_experiment(tmp_path / 'config.toml') == experiment
    tree = tomllib.loads((tmp_path / 'config.toml').read_text())
    assert tree == experiment.model_dump()


@pytest.mark.parametrize(
    ('override', 'part'),
    [
        ('losses.bone_ration=1', 'setting losses.bone_ration is unknown'),
        ('loses.bone_ratio=1', 'setting loses is unknown'),
        ('losses.bone_ratio=-1', 'setting losses.bone_ratio is -1: Input should be greater'),
        ('losses.bone_ratio=much', "setting losses.bone_ratio is 'much'"),
        ('losses.bone_ratio=inf', 'setting losses.bone_ratio is inf'),
        ('prior.learning_rate=inf', 'setting prior.learning_rate is inf'),
        ('prior.learning_rate=nan', 'setting prior.learning_rate is nan'),
        ('training.steps=1.5', 'setting training.steps is 1.5'),
        ('bone_ratio=1', "override 'bone_ratio=1' is not of the form section.key=value"),
        ('losses.bone_ratio', 'is not of the form section.key=value'),
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
    assert 'losses is not a section' in _refused(path, 'losses.bone_ratio=1')


def test_shipped_files_are_valid() -> None:
    files = sorted((Path(__file__).parents[2] / 'configs').glob('*.toml'))
    assert files
    for path in files:
        read_experiment(path)
