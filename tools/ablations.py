# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What each ingredient is worth: train with it switched off, measure on val, make one table.

python tools/ablations.py DATA BASE RUNS [--steps SECTION=N ...] [--seeds 0 1 2]
                          [--only STAGE[/ROW] ...]

DATA holds mocap/{train_2d,val}.npz; BASE is a finished run of the whole recipe. RUNS gets a run
folder for each row; a call that was cut off goes on, and finished rows are not trained again.
A row takes the stages before its own from BASE, trains its own stage anew, with as many steps as
--steps says, and is measured there: the teacher after discovery and alternation, else the lifter.
It stands beside the same stage with nothing switched off, trained with as many steps.
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
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Conditions, evaluate

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'default.toml'
WHOLE = 'everything'
# Stage -> row of the table -> overrides of configs/default.toml.
ABLATIONS: dict[str, dict[str, list[str]]] = {
    'discovery': {
        WHOLE: [],
        'no bone ratios': ['discovery_losses.bone_ratio=0'],
        'no 3D consistency': ['discovery_losses.consistency_3d=0'],
        'no pairwise deformation': ['discovery_losses.pairwise_deformation=0'],
        'no consistent elevation': ['discovery_losses.elevation_consistency=0'],
        'no strong likelihood at the start': ['discovery_losses.likelihood_at_start=0.1'],
    },
    'alternation': {
        WHOLE: [],
        'not at all': ['alternation.steps=1'],
        'no likelihood ratio': ['alternation_losses.likelihood_ratio=0'],
        'likelihood instead of its ratio': ['clips.ratio=0'],
        'bones as found in 2D': ['clips.bone_update=0'],
    },
    'refinement': {
        WHOLE: [],
        'joints stay where they were lifted': ['refinement.anchor_mm=0.1'],
        'bones free in every frame': ['refinement.bone_mm=[1e6]'],
        'motion free': ['refinement.acceleration_mm=1e6'],
        'no floor, no standing feet': ['refinement.floor_mm=1e6', 'refinement.standing_mm=1e6'],
    },
    'distillation': {
        WHOLE: [],
        'no new views': ['sampling.new_view_share=0', 'sampling.tilted_share=0'],
        'no other bones': ['sampling.stretched_share=0'],
        'no roll': ['sampling.rolled_share=0'],
        'no hidden joints': ['sampling.random_hidden_share=0', 'sampling.group_hidden_share=0'],
        'no noise': ['sampling.noisy_share=0'],
        'up never told': ['sampling.told_share=0'],
    },
}
# What a row takes over from the finished run, by its stage.
_KEPT = {
    'discovery': ('discovery/prior.pt',),
    'alternation': ('discovery', 'alternation/prior.pt'),
    'refinement': ('discovery', 'alternation'),
    'distillation': ('discovery', 'alternation', 'lessons.pt'),
}
# The section of a stage's steps; refined lessons are measured by what they teach.
_SECTION = {'refinement': 'training', 'distillation': 'training'}
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
    known = {f'{stage}/{name}' for stage, names in ABLATIONS.items() for name in names}
    for word in options.only:
        if word not in known and word not in ABLATIONS:
            sys.exit(f'ablations: {word} is unknown; expected one of {", ".join(ABLATIONS)}')
    for word in options.steps:
        if not re.fullmatch(r'[a-z_]+=\d+', word):
            sys.exit(f'ablations: --steps {word} is wrong; expected SECTION=N, as training=1500')
    rows = []
    for stage, names in ABLATIONS.items():
        for name, overrides in names.items():
            if options.only and not {stage, f'{stage}/{name}'} & {*options.only}:
                continue
            # Later stages build on one run, and so on one seed.
            seeds = options.seeds if name == WHOLE and stage == 'discovery' else options.seeds[:1]
            for seed in seeds:
                settings = {
                    'stage': stage,
                    'name': name,
                    'seed': seed,
                    'overrides': [*_shortened(stage, options.steps), *options.set, *overrides],
                }
                rows.append(_row(settings, options))
                # After each row, so that a table is there long before all rows are.
                tree = {'data': 'val.npz', 'rows': rows}
                options.out.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
    print(table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path)
    parser.add_argument('base', type=Path)
    parser.add_argument('runs', type=Path)
    parser.add_argument('--steps', nargs='+', default=[], metavar='SECTION=N')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='the first is of BASE')
    parser.add_argument('--only', nargs='+', default=[], metavar='STAGE[/ROW]')
    parser.add_argument('--set', action='append', default=[], help='an override for all rows')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results' / 'ablations.json')
    parser.add_argument('--threads', type=int, default=0)
    return parser.parse_args()


def _shortened(stage: str, steps: list[str]) -> list[str]:
    """Return the override that makes a stage shorter, if there is one for it."""
    section, by_section = _SECTION.get(stage, stage), dict(word.split('=') for word in steps)
    return [f'{section}.steps={by_section[section]}'] if section in by_section else []


def _row(settings: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return settings and figures of one training; trains only what is not there."""
    words = f'{settings["stage"]} {settings["name"]} seed {settings["seed"]}'
    run = options.runs / re.sub(r'[^a-z0-9]+', '_', words.lower())
    told, result = run / 'ablation.json', run / 'figures.json'
    if told.exists() and json.loads(told.read_text(encoding='utf-8')) != settings:
        sys.exit(f'ablations: {run} was trained with other settings than {settings}')
    if not result.exists():
        print(f'== {words}', file=sys.stderr)
        if not told.exists():
            _take_over(settings['stage'], options.base, run)
            told.write_text(json.dumps(settings), encoding='utf-8')
        _train(settings, run, options)
        figures = _measure(settings['stage'], run, options.data / 'mocap' / 'val.npz')
        result.write_text(json.dumps(figures), encoding='utf-8')
    return {**settings, 'figures': json.loads(result.read_text(encoding='utf-8'))}


def _take_over(stage: str, base: Path, run: Path) -> None:
    """Begin a run with what the finished one knew before this stage."""
    if not (base / 'last.pt').exists():
        sys.exit(f'ablations: {base} is no finished run; expected one of the whole recipe')
    run.mkdir(parents=True, exist_ok=True)
    for name in _KEPT[stage]:
        (run / name).parent.mkdir(exist_ok=True)
        if (base / name).is_dir():
            shutil.copytree(base / name, run / name, dirs_exist_ok=True)
        else:
            shutil.copy2(base / name, run / name)


def _train(settings: dict[str, Any], run: Path, options: argparse.Namespace) -> None:
    mocap, stage = options.data / 'mocap', settings['stage']
    overrides = [f'training.seed={settings["seed"]}', *settings['overrides']]
    arguments = [
        *('train', 'elepose', '--data', mocap / 'train_2d.npz', '--config', CONFIG),
        *('--out', run, '--resume', '--threads', options.threads),
        *('--until', 'distillation' if stage == 'refinement' else stage),
        *(word for override in overrides for word in ('--set', override)),
    ]
    command = [sys.executable, '-m', 'elepose_core', *map(str, arguments)]
    code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(code)


def _measure(stage: str, run: Path, val: Path) -> dict[str, float]:
    """Return the figure of each column; a teacher knows whole poses of level cameras only."""
    poses = PoseSet.load(val)
    if stage in ('discovery', 'alternation'):
        lift, columns = lift_of_run(run, poses, stage), _of_teacher()
    else:
        lift, columns = lift_of_run(run, poses), _COLUMNS
    found = {c: evaluate(lift, poses, c) for c in {column[0] for column in columns.values()}}
    return {head: float(found[c][key]) for head, (c, key, _) in columns.items()}


def _of_teacher() -> dict[str, tuple[Conditions, str, str]]:
    return {head: column for head, column in _COLUMNS.items() if column[0] == Conditions()}


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table; beside each error its change from the whole stage."""
    lines = [f'| stage | val | {" | ".join(_COLUMNS)} |', '|---|---|' + '---|' * len(_COLUMNS)]
    for stage in dict.fromkeys(row['stage'] for row in rows):
        mine = [row for row in rows if row['stage'] == stage]
        whole = [row['figures'] for row in mine if row['name'] == WHOLE]
        if whole:
            count = f' ({len(whole)} seeds)' if len(whole) > 1 else ''
            cells = [_spread([w.get(head) for w in whole], head) for head in _COLUMNS]
            lines.append(f'| {stage} | {WHOLE}{count} | {" | ".join(cells)} |')
        for row in mine:
            if row['name'] != WHOLE:
                cells = [_changed(row['figures'], whole, head) for head in _COLUMNS]
                lines.append(f'| {stage} | {row["name"]} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _spread(values: list[float | None], head: str) -> str:
    known = [value for value in values if value is not None]
    form = _COLUMNS[head][2]
    if not known:
        return '-'
    mean = form.format(statistics.fmean(known))
    return f'{mean} ± {form.format(statistics.stdev(known))}' if len(known) > 1 else mean


def _changed(figures: dict[str, float], whole: list[dict[str, float]], head: str) -> str:
    """Write a figure and, for an error in millimetres, how much the first whole run differs."""
    _, key, form = _COLUMNS[head]
    if head not in figures:
        return '-'
    cell = form.format(figures[head])
    if whole and key.endswith('_mm'):
        cell += f' ({figures[head] - whole[0][head]:+.1f})'
    return cell


if __name__ == '__main__':
    main()
