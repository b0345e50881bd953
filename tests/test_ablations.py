# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The tool for ablations: its rows name real settings, it trains, goes on and makes a table."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('torch', reason='ablations train')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

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
    for name, (stage, overrides) in ablations.ABLATIONS.items():
        changed = read_experiment(ablations.CONFIG, overrides).model_dump()
        assert (changed == whole) == (name == ablations.WHOLE), name
        assert stage in ablations._KEPT


def test_budget_makes_every_stage_shorter(ablations: Any) -> None:
    whole = read_experiment(ablations.CONFIG)
    half = read_experiment(ablations.CONFIG, ablations._shortened(0.5))
    for stage in ('discovery', 'alternation', 'training'):
        assert getattr(half, stage).steps == getattr(whole, stage).steps / 2
    assert half.prior == whole.prior


def test_table_has_mean_and_spread_of_the_whole_and_changes_of_the_rest(ablations: Any) -> None:
    def row(name: str, seed: int, error_mm: float) -> dict[str, Any]:
        figures = {**dict.fromkeys(ablations._COLUMNS, 1.0), 'N-MPJPE, mm': error_mm}
        return {'name': name, 'seed': seed, 'figures': {**figures, 'flips': 0.01}}

    whole = [row('everything', seed, mm) for seed, mm in ((0, 50.0), (1, 53.0), (2, 47.0))]
    lines = ablations.table([*whole, row('no noise', 0, 52.5)]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith('| everything (3 seeds) | 50.0 ± 3.0 | 1.0 ± 0.0 | 1.00% ± 0.00% |')
    assert lines[3].startswith('| no noise | 52.5 (+2.5) | 1.0 | 1.00% |')
    assert '(+' not in ablations.table([row('no noise', 0, 52.5)])


@pytest.mark.slow
def test_rows_are_trained_once_and_build_on_the_whole(tmp_path: Path) -> None:
    """A handful of steps of a small set; a second call trains nothing."""
    mocap = tmp_path / 'data' / 'mocap'
    mocap.mkdir(parents=True)
    for name, source in (('train_2d', 'poses_2d'), ('val', 'poses_3d')):
        (mocap / f'{name}.npz').symlink_to(ROOT / 'tests' / 'data' / f'{source}.npz')
    out, runs = tmp_path / 'ablations.json', tmp_path / 'runs'
    command = [sys.executable, 'tools/ablations.py', mocap.parent, runs]
    command += ['--budget', '0.001', '--only', 'everything', 'no noise']
    command += ['--set', 'prior.steps=8', '--set', 'prior.batch_size=32']
    command += ['--threads', '1', '--out', out]

    def call() -> 'subprocess.CompletedProcess[str]':
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = call()
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())['rows']
    assert [(r['name'], r['seed']) for r in rows] == [('everything', 0), ('no noise', 0)]
    assert len({r['figures']['N-MPJPE, mm'] for r in rows}) == 2
    assert '| everything |' in done.stdout
    assert '| no noise |' in done.stdout
    whole, other = (runs / name for name in ('everything_seed_0', 'no_noise_seed_0'))
    for kept in ('discovery/last.pt', 'alternation/last.pt'):
        assert (whole / kept).read_bytes() == (other / kept).read_bytes()
    assert (whole / 'last.pt').read_bytes() != (other / 'last.pt').read_bytes()
    again = call()
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert '==' not in again.stderr, 'nothing was left to train'
    # Other settings under the same name are not taken for the same training.
    command += ['--set', 'prior.noise=0.06']
    strange = call()
    assert strange.returncode == 1
    assert 'was trained with other settings' in strange.stderr


def test_a_row_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, 'tools/ablations.py', tmp_path, tmp_path, '--only', 'no luck']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'no luck is unknown; expected one of everything' in done.stderr
