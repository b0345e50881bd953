# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Print the tables of results in README.md from the JSON files of `tools/measure.sh`.

python tools/results_table.py docs/results

A folder `default` holds the figures of the shipped model, `default_seed_1` and so on those of the
same settings with other seeds, `elepose_paper` those of the published method.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

SETS = {
    'test_h36m': 'looks down 8 to 20 degrees',
    'test_eye': 'eye level, about 0 degrees',
    'test_robot_low': '0.3 to 0.6 m high, looks slightly up',
    'test_ceiling': 'looks down 30 to 60 degrees',
}
# Heading, model, ending of the file's name, figure, how it is written.
_COLUMNS = (
    ('N-MPJPE', 'default', '', 'n_mpjpe_mm', '{:.1f} mm'),
    ('strict PA', 'default', '', 'pa_mpjpe_mm', '{:.1f} mm'),
    ('flips', 'default', '', 'flip_rate', '{:.2%}'),
    ('elevation', 'default', '', 'elevation_mae_deg', '{:.1f}°'),
    ('bias', 'default', '', 'elevation_bias_deg', '{:+.1f}°'),
    ('per clip', 'default', '', 'elevation_clip_mae_deg', '{:.1f}°'),
    ('N-MPJPE, up known', 'default', '_up_known', 'n_mpjpe_mm', '{:.1f} mm'),
    ('published ElePose: N-MPJPE', 'elepose_paper', '', 'n_mpjpe_mm', '{:.1f} mm'),
    ('strict PA', 'elepose_paper', '', 'pa_mpjpe_mm', '{:.1f} mm'),
    ('flips', 'elepose_paper', '', 'flip_rate', '{:.2%}'),
)
# Row, ending of the file's name, figure, how it is written, whether the change is of interest.
_CONDITIONS = (
    ('N-MPJPE, single frame', '', 'n_mpjpe_mm', '{:.1f} mm', False),
    ('... camera rolled by up to 15°', '_roll_15', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('... 3 random joints missing', '_missing_3', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('... the joints seen of them', '_missing_3', 'n_mpjpe_seen_mm', '{:.1f} mm', True),
    ('... noise of 5 px at 300 px height', '_noise_5', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('... window of 1 s', '_window_1s', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('... ... 3 random joints missing', '_window_1s_missing_3', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('... ... noise of 5 px', '_window_1s_noise_5', 'n_mpjpe_mm', '{:.1f} mm', True),
    ('MPJVE, single frame', '', 'mpjve_mm', '{:.1f} mm', False),
    ('... window of 1 s', '_window_1s', 'mpjve_mm', '{:.1f} mm', True),
    ('roll error, rolled by up to 15°', '_roll_15', 'roll_mae_deg', '{:.1f}°', False),
    ('joint errors within 1 sigma', '', 'sigma_within', '{:.0%}', False),
    ('... 3 random joints missing', '_missing_3', 'sigma_within', '{:.0%}', False),
    ('... noise of 5 px at 300 px height', '_noise_5', 'sigma_within', '{:.0%}', False),
)


def folders(results: Path, model: str) -> list[Path]:
    """Return the folders of a model's figures, one for each seed, the shipped one first."""
    return [
        path
        for path in [results / model, *sorted(results.glob(f'{model}_seed_*'))]
        if path.is_dir()
    ]


def figures(places: list[Path], name: str) -> list[dict[str, Any]]:
    """Return what `elepose evaluate --json` wrote under this name in each folder that has it."""
    files = [place / f'{name}.json' for place in places]
    return [json.loads(path.read_text(encoding='utf-8')) for path in files if path.is_file()]


def main(results: Path) -> None:
    """Print both tables."""
    print('\n\n'.join(tables(results)))


def tables(results: Path) -> list[str]:
    """Return the table of camera sets and, where figures are there, that of conditions."""
    seeds = len(folders(results, 'default'))
    text = by_set(results)
    if seeds > 1:
        text += f'\n\nMean and standard deviation over {seeds} seeds.'
    conditions = by_condition(results)
    return [text, conditions] if conditions.count('\n') > 3 else [text]


def by_set(results: Path) -> str:
    """Return a table with a row for each camera set."""
    columns = [c for c in _COLUMNS if figures(folders(results, c[1]), f'test_h36m{c[2]}')]
    rows = [
        [
            f'`{name}`: {text}',
            *(
                _mean(figures(folders(results, model), name + ending), key, form)
                for _, model, ending, key, form in columns
            ),
        ]
        for name, text in SETS.items()
    ]
    return markdown(['camera set', *(column[0] for column in columns)], rows)


def by_condition(results: Path) -> str:
    """Return a table with a row for each condition, of the shipped model alone."""
    place = folders(results, 'default')[:1]
    rows = []
    for text, ending, key, form, is_change in _CONDITIONS:
        cells = []
        for name in SETS:
            found, plain = figures(place, name + ending), figures(place, name)
            cell = _mean(found, key, form)
            if cell and is_change:
                # Single frames that miss nothing have all joints seen.
                before = plain[0].get(key, plain[0]['n_mpjpe_mm'])
                cell += f' ({found[0][key] / before - 1:+.0%})'
            cells.append(cell)
        if any(cells):
            rows.append([text, *cells])
    return markdown(['', *(f'`{name}`' for name in SETS)], rows)


def _mean(found: list[dict[str, Any]], key: str, form: str) -> str:
    """Return mean and standard deviation of a figure; nothing where it was not measured."""
    values = [float(f[key]) for f in found if f.get(key) is not None]
    if not values:
        return ''
    text = form.format(statistics.fmean(values))
    if len(values) == 1:
        return text
    number = text.rstrip('m °%')
    unit = text.removeprefix(number)
    spread = form.format(statistics.stdev(values)).lstrip('+').rstrip('m °%')
    return f'{number} ± {spread}{unit}'


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    return '\n'.join([*lines, *(f'| {" | ".join(row)} |' for row in rows)])


if __name__ == '__main__':
    main(Path(sys.argv[1]))
