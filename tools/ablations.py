# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What each ingredient is worth: train with it switched off, measure on val, make one table.

python tools/ablations.py DATA RUNS [--budget 0.25] [--seeds 0 1 2] [--only NAME ...]

DATA holds mocap/{train_2d,val}.npz. RUNS gets a run folder for each row; a call that was cut off
goes on, and finished rows are not trained again. A row takes over what the whole recipe learned
before the first stage that it changes. The whole recipe is trained with every seed, the others
with the first one.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from elepose_core.cli.run_reader import lift_of_run
from elepose_core.config import read_experiment
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Conditions, evaluate

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'default.toml'
WHOLE = 'everything'
# Row of the table -> the first stage that it changes, overrides of configs/default.toml.
ABLATIONS: dict[str, tuple[str, list[str]]] = {
    WHOLE: ('discovery', []),
    'no bone ratios': (
        'discovery',
        ['discovery_losses.bone_ratio=0', 'alternation_losses.bone_ratio=0'],
    ),
    'no 3D consistency': (
        'discovery',
        ['discovery_losses.consistency_3d=0', 'alternation_losses.consistency_3d=0'],
    ),
    'no pairwise deformation': (
        'discovery',
        ['discovery_losses.pairwise_deformation=0', 'alternation_losses.pairwise_deformation=0'],
    ),
    'no mirrored poses': ('discovery', ['sampling.mirrored_share=0']),
    'no strong likelihood at the start': (
        'discovery',
        ['discovery_losses.likelihood_at_start=0.1'],
    ),
    'no alternation': ('alternation', ['alternation.steps=1']),
    'no likelihood ratio': ('alternation', ['alternation_losses.likelihood_ratio=0']),
    'bones free in every frame': ('refinement', ['refinement.bone_mm=[1e6]']),
    'motion free': ('refinement', ['refinement.acceleration_mm=1e6']),
    'no floor, no standing feet': (
        'refinement',
        ['refinement.floor_mm=1e6', 'refinement.standing_mm=1e6'],
    ),
    'no new views': ('training', ['sampling.new_view_share=0', 'sampling.tilted_share=0']),
    'no roll': ('training', ['sampling.rolled_share=0']),
    'no hidden joints': (
        'training',
        ['sampling.random_hidden_share=0', 'sampling.group_hidden_share=0'],
    ),
    'no noise': ('training', ['sampling.noisy_share=0']),
    'up never told': ('training', ['sampling.told_share=0']),
}
# What a row takes over from the whole recipe, by the first stage that it changes.
_KEPT = {
    'discovery': (),
    'alternation': ('discovery',),
    'refinement': ('discovery', 'alternation'),
    'training': ('discovery', 'alternation', 'lessons.pt'),
}
# Heading -> conditions, figure, how it is written.
_COLUMNS: dict[str, tuple[Conditions, str, str]] = {
    'N-MPJPE, mm': (Conditions(), 'n_mpjpe_mm', '{:.1f}'),
    'strict PA, mm': (Conditions(), 'pa_mpjpe_mm', '{:.1f}'),
    'flips': (Conditions(), 'flip_rate', '{:.2%}'),
    'elevation, deg': (Conditions(), 'elevation_mae_deg', '{:.1f}'),
    'per clip, deg': (Conditions(), 'elevation_clip_mae_deg', '{:.1f}'),
    'N, 3 joints missing': (Conditions(missing=3), 'n_mpjpe_mm', '{:.1f}'),
    'N, 5 px noise': (Conditions(noise_px_at_300=5), 'n_mpjpe_mm', '{:.1f}'),
    'N, rolled by 15 deg': (Conditions(roll_deg=15), 'n_mpjpe_mm', '{:.1f}'),
}


def main() -> None:
    """Train and measure what is not there yet, then write the JSON file and print the table."""
    options = _options()
    unknown = [name for name in options.only if name not in ABLATIONS]
    if unknown:
        sys.exit(f'ablations: {unknown[0]} is unknown; expected one of {", ".join(ABLATIONS)}')
    rows = []
    for name, (stage, overrides) in ABLATIONS.items():
        if options.only and name not in options.only:
            continue
        for seed in options.seeds if name == WHOLE else options.seeds[:1]:
            settings = {
                'name': name,
                'first_stage': stage,
                'seed': seed,
                'budget': options.budget,
                'overrides': [*options.set, *overrides],
            }
            rows.append(_row(settings, options))
            # After each row, so that a table is there long before all rows are.
            tree = {'data': 'val.npz', 'rows': rows}
            options.out.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
    print(table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path)
    parser.add_argument('runs', type=Path)
    parser.add_argument('--budget', type=float, default=1.0, help='share of the steps of a stage')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME')
    parser.add_argument('--set', action='append', default=[], help='an override for all rows')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results' / 'ablations.json')
    parser.add_argument('--threads', type=int, default=0)
    return parser.parse_args()


def _row(settings: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return settings and figures of one training; trains only what is not there."""
    run = _run(options.runs, settings['name'], settings['seed'])
    told, result = run / 'ablation.json', run / 'figures.json'
    if told.exists() and json.loads(told.read_text(encoding='utf-8')) != settings:
        sys.exit(f'ablations: {run} was trained with other settings than {settings}')
    if not result.exists():
        print(f'== {settings["name"]}, seed {settings["seed"]}', file=sys.stderr)
        if not told.exists():
            _take_over(settings, run, options.runs)
            told.write_text(json.dumps(settings), encoding='utf-8')
        _train(settings, run, options)
        figures = _measure(run, options.data / 'mocap' / 'val.npz')
        result.write_text(json.dumps(figures), encoding='utf-8')
    return {**settings, 'figures': json.loads(result.read_text(encoding='utf-8'))}


def _run(runs: Path, name: str, seed: int) -> Path:
    return runs / f'{re.sub(r"[^a-z0-9]+", "_", name.lower())}_seed_{seed}'


def _take_over(settings: dict[str, Any], run: Path, runs: Path) -> None:
    """Begin a run with the stages of the whole recipe that it does not change."""
    whole = _run(runs, WHOLE, settings['seed'])
    run.mkdir(parents=True, exist_ok=True)
    for name in _KEPT[settings['first_stage']]:
        if not (whole / 'figures.json').exists():
            sys.exit(f'ablations: {settings["name"]} builds on {WHOLE}; expected {whole} first')
        if (whole / name).is_dir():
            shutil.copytree(whole / name, run / name, dirs_exist_ok=True)
        elif (whole / name).exists():
            shutil.copy2(whole / name, run / name)


def _train(settings: dict[str, Any], run: Path, options: argparse.Namespace) -> None:
    mocap = options.data / 'mocap'
    overrides = [
        f'training.seed={settings["seed"]}',
        *_shortened(settings['budget']),
        *settings['overrides'],
    ]
    arguments = [
        *('train', 'elepose', '--data', mocap / 'train_2d.npz', '--val', mocap / 'val.npz'),
        *('--out', run, '--resume', '--config', CONFIG, '--threads', options.threads),
        *(word for override in overrides for word in ('--set', override)),
    ]
    command = [sys.executable, '-m', 'elepose_core', *map(str, arguments)]
    code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(code)


def _shortened(budget: float) -> list[str]:
    """Return overrides that make every stage shorter."""
    steps = {
        section: values['steps']
        for section, values in read_experiment(CONFIG).model_dump().items()
        if isinstance(values, dict) and 'steps' in values and section != 'prior'
    }
    return [f'{name}.steps={max(1, round(budget * count))}' for name, count in steps.items()]


def _measure(run: Path, val: Path) -> dict[str, float]:
    """Return the figure of each column."""
    lift, poses = lift_of_run(run), PoseSet.load(val)
    found = {c: evaluate(lift, poses, c) for c in {column[0] for column in _COLUMNS.values()}}
    return {head: float(found[c][key]) for head, (c, key, _) in _COLUMNS.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table; beside each error its change from the whole recipe."""
    whole = [row for row in rows if row['name'] == WHOLE]
    lines = [f'| val | {" | ".join(_COLUMNS)} |', '|---|' + '---|' * len(_COLUMNS)]
    if whole:
        cells = [
            _spread([row['figures'][head] for row in whole], form)
            for head, (_, _, form) in _COLUMNS.items()
        ]
        count = f' ({len(whole)} seeds)' if len(whole) > 1 else ''
        lines.append(f'| {WHOLE}{count} | {" | ".join(cells)} |')
    for row in rows:
        if row['name'] != WHOLE:
            same_seed = [w['figures'] for w in whole if w['seed'] == row['seed']]
            cells = []
            for head, (_, key, form) in _COLUMNS.items():
                cell = form.format(row['figures'][head])
                if same_seed and key == 'n_mpjpe_mm':
                    cell += f' ({row["figures"][head] - same_seed[0][head]:+.1f})'
                cells.append(cell)
            lines.append(f'| {row["name"]} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _spread(values: list[float], form: str) -> str:
    mean = form.format(statistics.fmean(values))
    return f'{mean} ± {form.format(statistics.stdev(values))}' if len(values) > 1 else mean


if __name__ == '__main__':
    main()
