# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What each ingredient is worth: train with it switched off, measure on val, make one table.

python tools/ablations.py DATA RUNS [--steps 3000] [--seeds 0 1 2] [--only NAME ...]

DATA holds mocap/{train_2d,val}.npz. RUNS gets a run folder for each row; a call that was cut off
goes on, and finished rows are not trained again. The whole recipe is trained with every seed, the
others with the first one.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WHOLE = 'everything'
# Row of the table -> overrides of configs/default.toml.
ABLATIONS: dict[str, list[str]] = {
    WHOLE: [],
    'no likelihood': ['losses.likelihood=0', 'losses.likelihood_at_start=0'],
    'no strong likelihood at the start': ['losses.likelihood_at_start=0.1'],
    'no reprojection': ['losses.reprojection=0'],
    'no 3D consistency': ['losses.consistency_3d=0'],
    'no pairwise deformation': ['losses.pairwise_deformation=0'],
    'no bone ratios': ['losses.bone_ratio=0'],
    'no elevation consistency': ['losses.elevation_consistency=0'],
    'no mirrored poses': ['sampling.mirrored_share=0'],
    'no hidden joints': ['sampling.random_hidden_share=0', 'sampling.group_hidden_share=0'],
    'no noise': ['sampling.noisy_share=0'],
}
_FIGURES = {
    'n_mpjpe_mm': ('N-MPJPE, mm', '{:.1f}'),
    'pa_mpjpe_mm': ('strict PA, mm', '{:.1f}'),
    'elevation_mae_deg': ('elevation, deg', '{:.1f}'),
    'elevation_clip_mae_deg': ('per clip, deg', '{:.1f}'),
    'flip_rate': ('flips', '{:.2%}'),
}


def main() -> None:
    """Train and measure what is not there yet, then write the JSON file and print the table."""
    options = _options()
    unknown = [name for name in options.only if name not in ABLATIONS]
    if unknown:
        sys.exit(f'ablations: {unknown[0]} is unknown; expected one of {", ".join(ABLATIONS)}')
    rows = []
    for name, overrides in ABLATIONS.items():
        if options.only and name not in options.only:
            continue
        for seed in options.seeds if name == WHOLE else options.seeds[:1]:
            rows.append(_row(name, [*options.set, *overrides], seed, options))
            # After each row, so that a table is there long before all rows are.
            tree = {'steps': options.steps, 'data': 'val.npz', 'rows': rows}
            options.out.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
    print(table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path)
    parser.add_argument('runs', type=Path)
    parser.add_argument('--steps', type=int, default=3000)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME')
    parser.add_argument('--set', action='append', default=[], help='an override for all rows')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results' / 'ablations.json')
    parser.add_argument('--threads', type=int, default=0)
    return parser.parse_args()


def _row(
    name: str, overrides: list[str], seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the row of one training; trains only what is not there."""
    slug = re.sub(r'\W+', '_', name)
    run = options.runs / f'{slug}_{options.steps}_seed_{seed}'
    result = run / 'val.json'
    settings = {'name': name, 'seed': seed, 'steps': options.steps, 'overrides': overrides}
    told = run.with_suffix('.json')
    if told.exists() and json.loads(told.read_text(encoding='utf-8')) != settings:
        sys.exit(
            f'ablations: {run} was trained with other settings; expected {told} to name these'
        )
    if not result.exists():
        options.runs.mkdir(parents=True, exist_ok=True)
        told.write_text(json.dumps(settings), encoding='utf-8')
        print(f'== {name}, seed {seed}', file=sys.stderr)
        mocap = options.data / 'mocap'
        _elepose(
            'train', 'elepose', *_training(run, settings, mocap), '--threads', options.threads
        )
        _elepose('evaluate', run, '--data', mocap / 'val.npz', '--json', result)
    figures = json.loads(result.read_text(encoding='utf-8'))
    return {**settings, **{key: figures[key] for key in _FIGURES}}


def _training(run: Path, settings: dict[str, Any], mocap: Path) -> list[object]:
    places = ['--data', mocap / 'train_2d.npz', '--val', mocap / 'val.npz', '--out', run]
    if (run / 'config.toml').exists():
        return [*places, '--resume']
    overrides = [
        f'training.steps={settings["steps"]}',
        f'training.seed={settings["seed"]}',
        *settings['overrides'],
    ]
    config = ['--config', ROOT / 'configs' / 'default.toml']
    return [*places, *config, *(word for o in overrides for word in ('--set', o))]


def _elepose(*arguments: object) -> None:
    command = [sys.executable, '-m', 'elepose_core', *map(str, arguments)]
    # Its figures are told by the table; errors and progress are shown.
    code = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        sys.exit(code)


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table; beside each figure its change from the whole recipe."""
    whole = [row for row in rows if row['name'] == WHOLE]
    lines = [
        f'| val | {" | ".join(text for text, _ in _FIGURES.values())} |',
        '|---|' + '---|' * len(_FIGURES),
    ]
    if whole:
        cells = [_spread([row[key] for row in whole], form) for key, (_, form) in _FIGURES.items()]
        count = f' ({len(whole)} seeds)' if len(whole) > 1 else ''
        lines.append(f'| {WHOLE}{count} | {" | ".join(cells)} |')
    for row in rows:
        if row['name'] != WHOLE:
            cells = [form.format(row[key]) for key, (_, form) in _FIGURES.items()]
            same_seed = [w for w in whole if w['seed'] == row['seed']]
            if same_seed:
                cells[0] += f' ({row["n_mpjpe_mm"] - same_seed[0]["n_mpjpe_mm"]:+.1f})'
            lines.append(f'| {row["name"]} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _spread(values: list[float], form: str) -> str:
    mean = form.format(statistics.fmean(values))
    return f'{mean} ± {form.format(statistics.stdev(values))}' if len(values) > 1 else mean


if __name__ == '__main__':
    main()
