# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The rows of the comparison of methods, and its tables from the committed figures."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_table import SETS, figures, folders, markdown

__all__ = ['RESULTS', 'ROWS', 'Row', 'short_table', 'tables']

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'docs' / 'results' / 'methods'
_PUBLISHED = ROOT / 'docs' / 'results' / 'published_human36m.json'


@dataclass(frozen=True)
class Row:
    """One method, or one that it is compared with.

    Attributes:
        title: In the table.
        learns_from: Which truth it was told.
        command: Words of `elepose train` but for seed and folder; {data} and {runs} are filled in.
        bundle: Shipped bundle of seed 0.
        folder: Folders of docs/results with what `tools/measure.sh` wrote, in place of a run.
        ending: Of the names of those files: the condition.
        stage: Earlier stage that is measured, where it is not the deployed network.
        of_run: Row whose runs are measured, where they are not its own.
        images: Folder of the runs with the sets that are lifted, where images are needed.
        seedless: Nothing was learned.
    """

    title: str
    learns_from: str
    command: str | None = None
    bundle: str | None = None
    folder: str | None = None
    ending: str = ''
    stage: str | None = None
    of_run: str | None = None
    images: str | None = None
    seedless: bool = False


_MOCAP_2D = '--data {data}/train_2d.npz --val {data}/val.npz'
ROWS = {
    'flat': Row('all depths zero, level camera', 'nothing', seedless=True),
    'elepose_paper': Row('ElePose as published', '2D', folder='elepose_paper'),
    'elepose': Row('**ElePose**, our recipe', '2D', bundle='default', folder='default'),
    'elepose_windows': Row(
        '... refined in windows of 1 s', '2D', folder='default', ending='_window_1s'
    ),
    'self_consistency': Row(
        'geometric, self-consistency only',
        '2D',
        f'geometric {_MOCAP_2D} --config configs/geometric.toml --until adversarial '
        '--set adversarial_losses.frame=0 --set adversarial_losses.motion=0',
        stage='adversarial',
    ),
    'geometric': Row(
        '**geometric** self-supervision',
        '2D',
        f'geometric {_MOCAP_2D} --config configs/geometric.toml',
        bundle='geometric',
    ),
    'geometric_published': Row(
        '... with the new views of the paper',
        '2D',
        f'geometric {_MOCAP_2D} --config configs/geometric.toml --set views.views=published',
    ),
    'supervised': Row(
        'supervised',
        '3D of 4 people who walk and run',
        'supervised --data {data}/finetune_3d.npz --val {data}/val.npz '
        '--config configs/supervised.toml',
    ),
    'finetuned': Row(
        'our ElePose, fine-tuned',
        '2D, then that 3D',
        'supervised --data {data}/finetune_3d.npz --val {data}/val.npz '
        '--config configs/finetuned.toml',
    ),
    'posenet3d_teacher': Row(
        'posenet3d, the teacher of clips', '2D', stage='teacher', of_run='posenet3d'
    ),
    'posenet3d': Row(
        '**posenet3d**, the student: bodies from clips',
        '2D',
        f'posenet3d {_MOCAP_2D} --config configs/posenet3d.toml',
        bundle='posenet3d',
    ),
    'wsp': Row(
        '**wsp**: sees pictures, without the lifter',
        '2D and that 3D, rendered',
        'wsp --config configs/wsp.toml --data {runs}/crops/train_2d_a.npz '
        '{runs}/crops/train_2d_b.npz {runs}/crops/finetune_3d.npz',
        images='crops',
    ),
}

_Cell = tuple[str, str, str]
# Heading, figure of `elepose evaluate`, how it is written.
_FIGURES: tuple[_Cell, ...] = (
    ('N-MPJPE, mm', 'n_mpjpe_mm', '{:.1f}'),
    ('strict PA, mm', 'pa_mpjpe_mm', '{:.1f}'),
    ('reflective PA, mm', 'pa_mpjpe_reflective_mm', '{:.1f}'),
    ('flips, %', 'flip_rate', '{:.2%}'),
    ('PCK, %', 'pck150', '{:.1%}'),
    ('AUC, %', 'auc', '{:.1%}'),
    ('CPS', 'cps', '{:.0f}'),
    ('MPJVE, mm', 'mpjve_mm', '{:.1f}'),
    ('elevation, deg', 'elevation_mae_deg', '{:.1f}'),
)


def tables() -> list[str]:
    """Return the comparison as Markdown: a table for each camera set, costs, published figures."""
    found = {name: _seeds(name, row) for name, row in ROWS.items()}
    parts = []
    for set_name, text in SETS.items():
        parts += [f'### `{set_name}`: {text}', _of_set(set_name, found)]
    parts += ['### What they cost', _costs(found)]
    if _PUBLISHED.is_file():
        parts += ['### Published figures on another data set, Human3.6M', _published()]
    return parts


def short_table() -> str:
    """Return one table with a row for each method: N-MPJPE by camera set, and jitter."""
    rows = []
    for name, row in ROWS.items():
        if not (seeds := _seeds(name, row)):
            continue
        by_set = {set_name: [seed['sets'][set_name] for seed in seeds] for set_name in SETS}
        errors = [_spread([of['n_mpjpe_mm'] for of in by_set[n]], '{:.1f}') for n in SETS]
        jitter = _spread([of.get('mpjve_mm') for of in by_set['test_h36m']], '{:.1f}')
        rows.append([row.title, row.learns_from, *errors, jitter])
    heads = [f'`{name}`, mm' for name in SETS]
    return markdown(['method', 'learns from', *heads, 'MPJVE on `test_h36m`, mm'], rows)


def _seeds(name: str, row: Row) -> list[dict[str, Any]]:
    """Return the figures of each seed: {'sets': {set: figures}, and what it cost, if known}."""
    if row.folder is None:
        files = sorted(RESULTS.glob(f'{name}_seed_*.json'))
        return [json.loads(path.read_text(encoding='utf-8')) for path in files]
    places = folders(ROOT / 'docs' / 'results', row.folder)
    by_set = {name: figures(places, name + row.ending) for name in SETS}
    return [
        {'sets': dict(zip(by_set, of_seed, strict=True))}
        for of_seed in zip(*by_set.values(), strict=True)
    ]


def _of_set(set_name: str, found: dict[str, list[dict[str, Any]]]) -> str:
    heads = ['method', 'learns from', 'seeds', *(head for head, _, _ in _FIGURES)]
    lines = []
    for name, row in ROWS.items():
        if not (seeds := [seed['sets'][set_name] for seed in found[name]]):
            continue
        count = '' if row.seedless else str(len(seeds))
        cells = [_spread([of.get(key) for of in seeds], form) for _, key, form in _FIGURES]
        lines.append([row.title, row.learns_from, count, *cells])
    return markdown(heads, lines)


def _spread(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return '–'
    middle = form.format(statistics.mean(known)).removesuffix('%')
    if len(known) == 1:
        return middle
    return f'{middle} ± {form.format(statistics.stdev(known)).removesuffix("%")}'


def _costs(found: dict[str, list[dict[str, Any]]]) -> str:
    heads = [
        *('method', 'parameters, million', 'training, minutes of one shared core'),
        *('one person, ms', 'of `default`'),
    ]
    path = RESULTS / 'latency.json'
    times = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
    lines = []
    for name, row in ROWS.items():
        time = times.get(row.bundle, {})
        cells = [
            _mean(found[name], 'parameters', lambda value: f'{value / 1e6:.2f}'),
            _mean(found[name], 'training_s', lambda value: f'{value / 60:.0f}'),
            f'{time["ms"]:.2f}' if time else '–',
            f'{time["of_default"]:.2f}' if time else '–',
        ]
        if any(cell != '–' for cell in cells):
            lines.append([row.title, *cells])
    return markdown(heads, lines)


def _mean(seeds: list[dict[str, Any]], key: str, write: Callable[[float], str]) -> str:
    known = [seed[key] for seed in seeds if seed.get(key)]
    return write(statistics.mean(known)) if known else '–'


def _published() -> str:
    tree = json.loads(_PUBLISHED.read_text(encoding='utf-8'))
    heads = ['method', 'learns from', '2D', 'PA, mm', 'mirror allowed', 'N-MPJPE, mm', 'MPJPE, mm']
    mirror = {True: 'yes', False: 'no', None: 'not known'}
    lines = []
    for row in tree['rows']:
        errors = [_number(row.get(key)) for key in ('pa_mpjpe_mm', 'n_mpjpe_norm_mm', 'mpjpe_mm')]
        name = f'{row["method"]}, {row["year"]}: {row["source"]}'
        cells = [name, row['learns_from'], row['keypoints'], errors[0]]
        lines.append([*cells, mirror[row.get('mirror_allowed')], *errors[1:]])
    return '\n\n'.join([' '.join(tree['about'][:1]), markdown(heads, lines)])


def _number(value: float | None) -> str:
    return '–' if value is None else f'{value:g}'
