# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Write the model card of the shipped lifter from its manifest and the measured figures.

python tools/model_card.py [OUT]

The text stands in `tools/model_card.md`. The card lies in the bundle, so that whoever gets the
model gets the card.
"""

import json
import sys
from pathlib import Path
from typing import Any

from results_table import SETS, figures, folders, tables

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / 'tools' / 'model_card.md'
BUNDLE = ROOT / 'elepose_core' / 'bundles' / 'default.elepose'


def card(bundle: Path, results: Path) -> str:
    """Return the text of the card."""
    manifest = json.loads((bundle / 'manifest.json').read_text(encoding='utf-8'))
    training, outputs = manifest['training'], manifest['output_names']
    has_sigma = 'sigma' in outputs
    extras = 'Joints that were not seen are completed.'
    if has_sigma:
        extras += ' Each joint has a sigma: 68 % of the errors shall lie within.'
    schedule = training['config']['training']
    return TEMPLATE.read_text(encoding='utf-8').format(
        name=manifest['name'],
        extras=extras,
        opset=manifest['opset'],
        size_mb=(bundle / 'lifter.onnx').stat().st_size / 1e6,
        inputs=_code(manifest['input_names']),
        outputs=_code(outputs),
        poses=f'{training["poses"]:,}',
        data=_code(training['data']),
        method=manifest['method'],
        # Earlier recipes looked at single frames.
        known=(
            'the focal lengths, which frames make one clip of a\n  camera that stands still, and '
            'which clips show the same person'
            if 'refinement' in training['config']
            else 'the focal lengths'
        ),
        stages=_stages(training['config']),
        step=f'{training["step"]:,}',
        seed=schedule['seed'],
        revision=training['revision'],
        val_use=', and to scale sigma' if has_sigma else '',
        tables='\n\n'.join(tables(results)),
        actions=_by_action(results),
        sha256=manifest['sha256'],
    )


def _stages(config: dict[str, Any]) -> str:
    return ', '.join(
        f'{name} of {stage["steps"]:,} steps with {stage["batch_size"]} poses each'
        for name, stage in config.items()
        if isinstance(stage, dict) and 'steps' in stage
    )


def _code(names: list[str]) -> str:
    return ', '.join(f'`{name}`' for name in names)


def _by_action(results: Path) -> str:
    """Return a table with a row for each action and a column for each test set."""
    place = folders(results, 'default')[:1]
    by_set: dict[str, dict[str, Any]] = {
        name: found['by_action'] for name in SETS for found in figures(place, name)
    }
    lines = [
        f'| action (poses) |{"".join(f" `{name}` |" for name in by_set)}',
        '|---|' + '---|' * len(by_set),
    ]
    for action, first in next(iter(by_set.values())).items():
        cells = [f'{actions[action]["n_mpjpe_mm"]:.1f}' for actions in by_set.values()]
        lines.append(f'| {action} ({first["n"]}) | {" | ".join(cells)} |')
    return '\n'.join(lines)


if __name__ == '__main__':
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLE / 'README.md'
    out.write_text(card(BUNDLE, ROOT / 'docs' / 'results'), encoding='utf-8')
    print(out)
