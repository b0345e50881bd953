# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""docs/methods.md: the text of tools/methods.md with the tables of docs/results."""

import json
from pathlib import Path
from typing import Any

from methods_table import tables
from results_table import SETS, markdown

__all__ = ['methods_page']

ROOT = Path(__file__).parents[1]
_RESULTS = ROOT / 'docs' / 'results'
_BODY_FIGURES = ('pa_mpjpe_mm', 'mpjve_mm')


def methods_page() -> str:
    """Return the text of docs/methods.md."""
    text = (ROOT / 'tools' / 'methods.md').read_text(encoding='utf-8')
    for mark, table in (
        ('methods', '\n\n'.join(tables())),
        ('bodies', _bodies()),
        ('adapter', _adapter()),
        ('order', _order()),
        ('pretraining', _pretraining()),
        ('pictures', _pictures()),
    ):
        text = text.replace(f'<!-- {mark} -->', table)
    return text


def _result(name: str) -> Any:
    path = _RESULTS / name
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else None


def _bodies() -> str:
    """Return strict PA and jitter of student, teacher and single frames, a row per seed."""
    rows = []
    for seed in (0, 1):
        found = {
            name: _result(f'methods/{name}_seed_{seed}.json')
            for name in ('posenet3d', 'posenet3d_teacher')
        }
        if None in found.values():
            continue
        for name in SETS:
            student, teacher = (tree['sets'][name] for tree in found.values())
            frames = _result(f'default/{name}.json')
            cells = [f'`{name}`', str(seed)]
            cells += [f'{of["pa_mpjpe_mm"]:.1f}' for of in (teacher, student)]
            cells.append(f'{student["pa_mpjpe_mm"] / teacher["pa_mpjpe_mm"] - 1:+.0%}')
            cells += [f'{of["mpjve_mm"]:.2f}' for of in (frames, teacher, student)]
            cells.append(f'{student["mpjve_mm"] / frames["mpjve_mm"] - 1:+.0%}')
            rows.append(cells)
    heads = ['camera set', 'seed', 'PA of the teacher, mm', 'of the student', 'change']
    heads += [
        'MPJVE of `default`, single frames, mm',
        'of the teacher',
        'of the student',
        'change',
    ]
    return markdown(heads, rows)


def _adapter() -> str:
    """Return the errors with and without the adapter, on clean and on detector-like poses."""
    rows = []
    for name, kinds in (_result('domain_adapter.json') or {}).items():
        if not isinstance(kinds, dict) or 'detected' not in kinds:
            continue
        for kind, found in kinds.items():
            cells = [f'`{name}`', kind]
            for figure in ('n_mpjpe_mm', 'pa_mpjpe_mm'):
                plain, adapted = (found[of][figure] for of in ('plain', 'adapted'))
                cells += [f'{plain:.1f}', f'{adapted:.1f} ({adapted / plain - 1:+.0%})']
            rows.append(cells)
    heads = ['set', '2D', 'N-MPJPE, mm', '... with adapter', 'strict PA, mm', '... with adapter']
    return markdown(heads, rows)


def _order() -> str:
    """Return how often labels are right, by their confidence."""
    rows, heads = [], []
    for name, rules in (_result('ordinal_labels.json') or {'sets': {}})['sets'].items():
        for rule, kinds in rules.items():
            if rule == 'poses':
                continue
            found = kinds['all']
            heads = [f'{b["confidence"][0]:g} to {b["confidence"][1]:g}' for b in found['bins']]
            cells = [
                '–' if b['accuracy'] is None else f'{b["accuracy"]:.0%} of {b["share"]:.0%}'
                for b in found['bins']
            ]
            rows.append([f'`{name}`', rule, f'{found["accuracy"]:.1%}', *cells])
    return markdown(['set', 'rule', 'right', *heads], rows)


def _pretraining() -> str:
    """Return what pre-training changes, by the share of labels."""
    tree = _result('pretraining_gain.json') or {'summary': {}}
    rows = []
    for name, shares in tree['summary'].items():
        for share, rules in shares.items():
            for rule, row in rules.items():
                cells = [f'`{name}`', f'{float(share):.0%}', rule, str(row['seeds'])]
                for figure, factor in (('depth_mm', 1), ('n_mpjpe_mm', 1), ('order', 100)):
                    cells.append(_with_spread(row[figure], factor))
                    change = row[f'{figure}_change']
                    cells.append('' if rule == 'none' else _with_spread(change, factor, '+'))
                rows.append(cells)
    heads = ['set', 'labels', 'pre-training', 'seeds', 'depth error, mm', 'change']
    heads += ['N-MPJPE, mm', 'change', 'order right, %', 'change']
    return markdown(heads, rows)


def _with_spread(value: dict[str, float], factor: float, sign: str = '') -> str:
    mean, deviation = factor * value['mean'], factor * value['deviation']
    return f'{mean:{sign}.1f} ± {deviation:.1f}'


def _pictures() -> str:
    """Return what the picture changes, by set and by what is wrong with the keypoints."""
    rows = []
    for name, kinds in (_result('picture_depths.json') or {'sets': {}})['sets'].items():
        for kind, found in kinds.items():
            before, after = found['lifter'], found['fused']
            cells = [f'`{name}`', kind]
            for figure in ('n_mpjpe_mm', 'pa_mpjpe_mm'):
                change = after[figure] - before[figure]
                cells += [f'{before[figure]:.1f}', f'{after[figure]:.1f} ({change:+.1f})']
            cells += [f'{found["lifter_depth_mm"]:.0f}', f'{found["picture_depth_mm"]:.0f}']
            rows.append(cells)
    heads = ['set', 'keypoints', 'N-MPJPE, mm', 'with picture', 'strict PA, mm', 'with picture']
    return markdown([*heads, 'depth error of the lifter, mm', 'of the picture'], rows)
