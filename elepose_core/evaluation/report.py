# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Figures as text for a person."""

from typing import Any

__all__ = ['table']

_ROWS = (
    ('n', 'poses', '{:.0f}'),
    ('n_mpjpe_mm', 'N-MPJPE, mm', '{:.1f}'),
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
)


def table(result: dict[str, Any]) -> str:
    """Return the figures of `protocol.evaluate`, one a line, and N-MPJPE by action."""
    rows = [
        (label, form.format(result[key]).rstrip('%'))
        for key, label, form in _ROWS
        if result.get(key) is not None
    ]
    by_action = result.get('by_action', {})
    rows += [
        (f'  {name} ({figures["n"]}): N-MPJPE, mm', f'{figures["n_mpjpe_mm"]:.1f}')
        for name, figures in by_action.items()
    ]
    width = max(len(label) for label, _ in rows)
    return '\n'.join(f'{label:<{width}}  {value:>8}' for label, value in rows)
