# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The tool for ablations: its rows name real settings, it trains, goes on and makes a table."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('torch', reason='ablations train')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from elepose_core.cli import main
from elepose_core.config import read_experiment

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def ablations() -> Any:
    spec = importlib.util.spec_from_file_location('ablations', ROOT / 'tools' / 'ablations.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_row_names_settings_that_are_there_and_changes_them(ablations: Any) -> None:
    whole = read_experiment(ablations.CONFIG).model_dump()
    for stage, rows in ablations.ABLATIONS.items():
        assert stage in ablations._KEPT
        for name, overrides in rows.items():
            changed = read_experiment(ablations.CONFIG, overrides).model_dump()
            assert (changed == whole) == (name == ablations.WHOLE), name


def test_steps_make_the_stage_of_a_row_shorter(ablations: Any) -> None:
    whole, steps = read_experiment(ablations.CONFIG), ['discovery=7', 'training=9']
    for stage, section, count in (('discovery', 'discovery', 7), ('refinement', 'training', 9)):
        shorter = read_experiment(ablations.CONFIG, ablations._shortened(stage, steps))
        assert getattr(shorter, section).steps == count
        assert shorter.alternation == whole.alternation
    assert ablations._shortened('alternation', steps) == []


def test_table_has_mean_and_spread_of_the_whole_and_changes_of_the_rest(ablations: Any) -> None:
    def row(name: str, seed: int, error_mm: float) -> dict[str, Any]:
        figures = {**dict.fromkeys(ablations._COLUMNS, 1.0), 'N-MPJPE, mm': error_mm}
        del figures['N, rolled by 15 deg']
        return {'stage': 'discovery', 'name': name, 'seed': seed, 'figures': figures}

    whole = [row('everything', seed, mm) for seed, mm in ((0, 50.0), (1, 53.0), (2, 47.0))]
    other = {**row('no noise', 0, 9.0), 'stage': 'distillation'}
    lines = ablations.table([*whole, row('no bones', 0, 52.5), other]).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith('| discovery | everything (3 seeds) | 50.0 ± 3.0 | 1.0 ± 0.0 |')
    assert lines[3].startswith('| discovery | no bones | 52.5 (+2.5) | 1.0 (+0.0) |')
    assert lines[3].endswith('| - |')
    assert lines[4].startswith('| distillation | no noise | 9.0 |'), 'its own stage has no whole'


Call = Callable[..., tuple[str, str, str]]


@pytest.fixture
def call(
    ablations: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    """Return a function that calls the tool: why it ended early, what it printed, its progress."""

    def call(*words: object) -> tuple[str, str, str]:
        monkeypatch.setattr(sys, 'argv', ['ablations.py', *map(str, words)])
        capfd.readouterr()
        why = ''
        try:
            ablations.main()
        except SystemExit as ended:
            why = str(ended.code)
        return (why, *capfd.readouterr())

    return call


@pytest.mark.slow
def test_rows_are_trained_once_and_build_on_the_finished_run(tmp_path: Path, call: Call) -> None:
    """A handful of steps of a small set; a second call trains nothing."""
    mocap = tmp_path / 'data' / 'mocap'
    mocap.mkdir(parents=True)
    for name, source in (('train_2d', 'poses_2d'), ('val', 'poses_3d')):
        (mocap / f'{name}.npz').symlink_to(ROOT / 'tests' / 'data' / f'{source}.npz')
    base, out, runs = tmp_path / 'base', tmp_path / 'ablations.json', tmp_path / 'runs'
    sizes = ('prior.steps=8', 'prior.batch_size=32', 'prior.width=16', 'prior.components=12')
    sizes += ('prior.blocks=2', 'lifter.width=16', 'lifter.blocks=1', 'refinement.bone_mm=[5.0]')
    sizes += ('refinement.steps_per_stage=1', 'discovery.steps=4', 'training.steps=4')
    small = [word for override in sizes for word in ('--set', override)]
    train = ['train', 'elepose', '--threads', '1', '--data', str(mocap / 'train_2d.npz')]
    with pytest.raises(SystemExit) as ended:
        main([*train, '--out', str(base), '--set', 'alternation.steps=4', *small])
    assert ended.value.code == 0
    words = [mocap.parent, base, runs, '--threads', '1', '--steps', 'alternation=5', '--out', out]
    words += ['--only', 'alternation/everything', 'alternation/not at all', *small]
    why, printed, _ = call(*words)
    assert why == ''
    rows = json.loads(out.read_text())['rows']
    assert [r['name'] for r in rows] == ['everything', 'not at all']
    assert len({r['figures']['N-MPJPE, mm'] for r in rows}) == 2
    assert '| alternation | not at all |' in printed
    whole, other = (runs / f'alternation_{n}_seed_0' for n in ('everything', 'not_at_all'))
    for kept in ('discovery/last.pt', 'alternation/prior.pt'):
        contents = {(run / kept).read_bytes() for run in (base, whole, other)}
        assert len(contents) == 1
    assert (whole / 'alternation' / 'last.pt').exists()
    assert not (whole / 'lessons.pt').exists(), 'what comes after its stage is not trained'
    why, again, progress = call(*words)
    assert (why, again) == ('', printed)
    assert '==' not in progress, 'nothing was left to train'
    # Other settings under the same name are not taken for the same training.
    why, _, _ = call(*words, '--set', 'prior.noise=0.06')
    assert 'was trained with other settings' in why


@pytest.mark.parametrize(
    ('words', 'says'),
    [(['--only', 'no luck'], 'no luck is unknown'), ([], 'is no finished run')],
)
def test_bad_arguments_are_one_sentence(
    tmp_path: Path, call: Call, words: list[str], says: str
) -> None:
    why, _, _ = call(tmp_path, tmp_path, tmp_path / 'runs', *words)
    assert says in why
    assert '\n' not in why
