# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""docs/tuning.md: the text of tools/tuning.md with the figures of docs/results."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'docs' / 'results'


class Figures(dict[str, Any]):
    """A dictionary whose keys may look like numbers in a format string."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(str(key))


def tuning_page() -> str:
    """Return the text of docs/tuning.md.

    Raises:
        KeyError: A result has no such figure.
    """
    speed = _result('detector_speed.json')
    camera = {'camera': '640x480', 'num_threads': 1}
    detect_ms = {
        str(row['input_long_side']): row['detect_ms']
        for row in speed['network']
        if camera.items() <= row.items()
    }
    # A key in a format string ends at the first bracket.
    stages = _result('replay_latency.json')['stages']['/pipeline']
    template = (ROOT / 'tools' / 'tuning.md').read_text(encoding='utf-8')
    return template.format(
        people_over_time=_result('people_over_time.json'),
        pipeline_ms={stage: stages[f'{stage} p50 [ms]'] for stage in ('total', 'detect')},
        lift_latency=_result('lift_latency.json'),
        keypoint_latency=_result('keypoint_latency.json'),
        root=_result('root_position.json')['camera_height_m'],
        tilt=_result('camera_elevation.json')['people'],
        robot_low=_result('default/test_robot_low.json'),
        robot_low_up=_result('default/test_robot_low_up_known.json'),
        eye=_result('default/test_eye.json'),
        detect_ms=Figures(detect_ms),
        roi=speed['regions_of_interest'][0],
        decode=next(row for row in speed['decode'] if row['camera'] == '1280x720'),
    )


def _result(name: str) -> Any:
    text = (RESULTS / name).read_text(encoding='utf-8')
    return json.loads(text, object_hook=Figures)
