# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and model card repeat the measured figures and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / 'elepose_core' / 'bundles' / 'default.elepose'
RESULTS = ROOT / 'docs' / 'results'
SETS = ('test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')


def _run(tool: str, *arguments: object) -> str:
    command = [sys.executable, f'tools/{tool}.py', *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _write(folder: Path, name: str, **figures: Any) -> None:
    folder.mkdir(exist_ok=True)
    standard = {
        'n_mpjpe_mm': 50.0,
        'pa_mpjpe_mm': 40.0,
        'flip_rate': 0.001,
        'elevation_mae_deg': 4.0,
        'elevation_bias_deg': -1.0,
        'elevation_clip_mae_deg': 3.0,
        'mpjve_mm': 5.0,
    }
    (folder / f'{name}.json').write_text(json.dumps({**standard, **figures}))


def test_the_model_card_is_up_to_date(tmp_path: Path) -> None:
    _run('model_card', tmp_path / 'README.md')
    card = (tmp_path / 'README.md').read_text(encoding='utf-8')
    assert card == (BUNDLE / 'README.md').read_text(encoding='utf-8'), (
        'run: python tools/model_card.py'
    )


def test_the_model_card_has_data_licences_protocol_and_figures() -> None:
    card = (BUNDLE / 'README.md').read_text(encoding='utf-8')
    manifest = json.loads((BUNDLE / 'manifest.json').read_text())
    assert manifest['sha256'] in card
    assert manifest['training']['revision'] in card
    text = re.sub(r'\s+', ' ', card)
    assert 'obtained from mocap.cs.cmu.edu' in text
    assert 'NSF EIA-0196217' in text
    assert 'CC BY 3.0' in text
    for name in SETS:
        (row,) = (line for line in card.splitlines() if line.startswith(f'| `{name}`: '))
        figures = json.loads((RESULTS / 'default' / f'{name}.json').read_text())
        if not list(RESULTS.glob('default_seed_*')):
            assert f'| {figures["n_mpjpe_mm"]:.1f} mm | {figures["pa_mpjpe_mm"]:.1f} mm |' in row


def test_one_seed_is_a_figure_and_several_are_mean_and_spread(tmp_path: Path) -> None:
    for name in SETS:
        _write(tmp_path / 'default', name)
    (single,) = (
        line
        for line in _run('results_table', tmp_path).splitlines()
        if line.startswith('| `test_eye`')
    )
    assert '| 50.0 mm | 40.0 mm | 0.10% | 4.0° | -1.0° | 3.0° |' in single
    for seed, error_mm in (('default_seed_1', 53.0), ('default_seed_2', 47.0)):
        for name in SETS:
            _write(tmp_path / seed, name, n_mpjpe_mm=error_mm, elevation_bias_deg=error_mm - 51)
    table = _run('results_table', tmp_path)
    # 50, 53, 47: mean 50, sum of squares 18, over 2: 9. Bias -1, 2, -4: -1 and 3 likewise.
    assert '| 50.0 ± 3.0 mm | 40.0 ± 0.0 mm | 0.10 ± 0.00% | 4.0 ± 0.0° | -1.0 ± 3.0° |' in table
    assert 'over 3 seeds' in table


def test_conditions_are_shown_with_their_change(tmp_path: Path) -> None:
    for name in SETS:
        _write(tmp_path / 'default', name)
        _write(tmp_path / 'default', f'{name}_missing_3', n_mpjpe_mm=56.0)
        _write(tmp_path / 'default', f'{name}_window_1s', n_mpjpe_mm=44.0, mpjve_mm=2.0)
        _write(tmp_path / 'elepose_paper', name, n_mpjpe_mm=113.0)
    table = _run('results_table', tmp_path)
    assert table.count('| 56.0 mm (+12%) |') == 2, 'four cells of one row share their borders'
    assert '44.0 mm (-12%)' in table
    assert '2.0 mm (-60%)' in table
    assert 'noise' not in table, 'what was not measured has no row'
    assert '113.0 mm' in table


def test_figures_of_others_are_marked_as_theirs() -> None:
    published = json.loads((RESULTS / 'published_human36m.json').read_text(encoding='utf-8'))
    assert published['data'] == 'Human3.6M'
    assert published['measured_by_us'] is False
    figures = {'mpjpe_mm', 'n_mpjpe_norm_mm', 'pa_mpjpe_mm'}
    for row in published['rows']:
        assert figures & set(row), row
        assert set(row) - figures == {
            *('method', 'year', 'learns_from', 'frames', 'keypoints', 'mirror_allowed'),
            *('evidence', 'source', 'remark'),
        }
        assert row['evidence'] in {'page', 'derived'}
        assert row['source']
        assert row['mirror_allowed'] in {True, False, None}
    mirrored = {row['method'] for row in published['rows'] if row['mirror_allowed']}
    assert mirrored == {'ElePose', 'LInKs'}


def test_the_readme_repeats_the_comparison_of_methods() -> None:
    printed = _run('methods', '--short')
    assert printed.strip() in (ROOT / 'README.md').read_text(encoding='utf-8'), (
        'put the output of python tools/methods.py --short into README.md'
    )
