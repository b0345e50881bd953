# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Print the table of results in README.md from the JSON files of `elepose evaluate`.

python tools/results_table.py docs/results
"""

import json
import sys
from pathlib import Path

_SETS = {
    'test_h36m': 'looks down 8 to 20 degrees',
    'test_eye': 'eye level, about 0 degrees',
    'test_robot_low': '0.3 to 0.6 m high, looks slightly up',
    'test_ceiling': 'looks down 30 to 60 degrees',
}


def main(folder: Path) -> None:
    """Print one row per camera set."""
    print(
        '| camera set | N-MPJPE | strict PA | flips | elevation | per clip | N-MPJPE, up known |'
    )
    print('|---|---|---|---|---|---|---|')
    for name, text in _SETS.items():
        result = json.loads((folder / f'{name}.json').read_text(encoding='utf-8'))
        told = json.loads((folder / f'{name}_up_known.json').read_text(encoding='utf-8'))
        print(
            f'| `{name}`: {text} | {result["n_mpjpe_mm"]:.1f} mm | {result["pa_mpjpe_mm"]:.1f} mm '
            f'| {result["flip_rate"]:.2%} | {result["elevation_mae_deg"]:.1f}° '
            f'| {result["elevation_clip_mae_deg"]:.1f}° | {told["n_mpjpe_mm"]:.1f} mm |'
        )


if __name__ == '__main__':
    main(Path(sys.argv[1]))
