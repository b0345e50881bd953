# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Figures as text for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ['FIGURES', 'action_table', 'markdown_table', 'text_table']

# Key in the JSON, what a person reads, how it is written.
FIGURES = (
    ('n', 'poses', '{:.0f}'),
    ('n_mpjpe_mm', 'N-MPJPE, mm', '{:.1f}'),
    ('n_mpjpe_seen_mm', 'N-MPJPE of the joints that were seen, mm', '{:.1f}'),
    ('n_mpjpe_norm_mm', 'N-MPJPE (norm ratio), mm', '{:.1f}'),
    ('pa_mpjpe_mm', 'PA-MPJPE strict, mm', '{:.1f}'),
    ('pa_mpjpe_reflective_mm', 'PA-MPJPE reflective, mm', '{:.1f}'),
    ('flip_rate', 'flip rate, %', '{:.2%}'),
    ('pck150', 'N-PCK at 150 mm, %', '{:.1%}'),
    ('auc', 'AUC, %', '{:.1%}'),
    ('cps', 'CPS, mm', '{:.1f}'),
    ('mpjve_mm', 'MPJVE, mm per frame', '{:.1f}'),
    ('elevation_mae_deg', 'elevation mean absolute error, deg', '{:.1f}'),
    ('elevation_median_deg', 'elevation median absolute error, deg', '{:.1f}'),
    ('elevation_bias_deg', 'elevation bias, deg', '{:+.1f}'),
    ('elevation_clip_mae_deg', 'elevation error of clip means, deg', '{:.1f}'),
    ('roll_mae_deg', 'roll mean absolute error, deg', '{:.1f}'),
    ('up_mae_deg', 'up direction mean error, deg', '{:.1f}'),
    ('sigma_within', 'joint errors within 1 sigma, %', '{:.1%}'),
    ('sigma_mm', 'mean sigma, mm', '{:.1f}'),
    ('plausibility_correlation', 'rank correlation of plausibility and N-MPJPE', '{:+.2f}'),
)


def text_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return figures of `protocol.evaluate`, one a line, and N-MPJPE by action.

    Args:
        results: Figures by the name of their data set, at least one; each becomes a column.
    """
    rows = [('', list(results))] if len(results) > 1 else []
    for key, label, form in FIGURES:
        cells = [_cell(result.get(key), form) for result in results.values()]
        if any(cells):
            rows.append((label, cells))
    by_action = [result.get('by_action', {}) for result in results.values()]
    for action in sorted({name for actions in by_action for name in actions}):
        figures = [actions.get(action, {}) for actions in by_action]
        count = '/'.join(str(f.get('n', 0)) for f in figures)
        cells = [_cell(f.get('n_mpjpe_mm'), '{:.1f}') for f in figures]
        rows.append((f'  {action} ({count}): N-MPJPE, mm', cells))
    first = max(len(label) for label, _ in rows)
    width = max(8, *(len(cell) for _, cells in rows for cell in cells))
    return '\n'.join(
        f'{label:<{first}}' + ''.join(f'  {cell:>{width}}' for cell in cells)
        for label, cells in rows
    )


def _cell(value: float | None, form: str) -> str:
    return '' if value is None else form.format(value).rstrip('%')


def markdown_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the same figures as a Markdown table, without the actions."""
    rows = []
    for key, label, form in FIGURES:
        cells = [_cell(result.get(key), form) for result in results.values()]
        if any(cells):
            rows.append((label, cells))
    return _markdown(('', *results), rows)


def action_table(result: Mapping[str, Any]) -> str:
    """Return a Markdown table with a row for each action of one data set, the worst first."""
    keys = ('n', 'n_mpjpe_mm', 'pa_mpjpe_mm', 'flip_rate', 'elevation_mae_deg', 'sigma_within')
    columns = [f for f in FIGURES if f[0] in keys and result.get(f[0]) is not None]
    actions = sorted(result['by_action'].items(), key=lambda item: -item[1]['n_mpjpe_mm'])
    rows = [
        (name, [_cell(figures.get(key), form) for key, _, form in columns])
        for name, figures in actions
    ]
    return _markdown(('action', *(label for _, label, _ in columns)), rows)


def _markdown(head: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> str:
    lines = [f'| {" | ".join(head)} |', '|---' + '|---:' * (len(head) - 1) + '|']
    lines += [f'| {" | ".join((label, *cells))} |' for label, cells in rows]
    return '\n'.join(lines)
