# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The limits of the soak benchmark: each one, when it is broken, is a sentence."""

import copy
import runpy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('elepose_ros.interfaces', reason='no ROS 2 sourced', exc_type=ImportError)

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'
GOOD: dict[str, Any] = {
    'frames': {
        'sent': 100,
        'skeletons': 98,
        'markers': 98,
        'dropped': 1,
        'lost in the middleware': 1,
        'refused': 0,
        'failed': 0,
    },
    'growth_after_warm_up': {'resident_mb': 1.9, 'open_files': 0, 'threads': 0},
    'troubles_in_log': [],
    'exit_code': 0,
}


@pytest.fixture(scope='module')
def soak() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return runpy.run_path(str(BENCHMARKS / 'soak.py'))


def test_a_run_within_its_limits_has_nothing_to_say(soak: Any) -> None:
    assert soak['broken_limits'](GOOD) == []


@pytest.mark.parametrize(
    ('group', 'key', 'value', 'sentence'),
    [
        ('frames', 'skeletons', 97, 'skeletons came for 97; expected these two to make up'),
        ('frames', 'markers', 99, '-1 are missing'),
        ('frames', 'refused', 3, '3 frames refused; expected none'),
        ('frames', 'failed', 1, '1 frames failed; expected none'),
        ('growth_after_warm_up', 'resident_mb', 2.1, 'memory grew by 2.1 MB after the warm-up'),
        ('growth_after_warm_up', 'open_files', 1, 'open_files grew by 1 after the warm-up'),
        ('growth_after_warm_up', 'threads', 2, 'threads grew by 2 after the warm-up'),
        (None, 'troubles_in_log', ['[ERROR] x'], 'the log holds 1 errors; expected none'),
        (None, 'exit_code', -9, 'the node ended with code -9; expected 0'),
    ],
)
def test_a_broken_limit_is_one_sentence(
    soak: Any, group: str | None, key: str, value: Any, sentence: str
) -> None:
    result = copy.deepcopy(GOOD)
    (result[group] if group else result)[key] = value
    (said,) = soak['broken_limits'](result)
    assert sentence in said


def test_growth_counts_from_the_end_of_the_warm_up(soak: Any) -> None:
    samples = [
        {'s': s, 'resident_mb': mb, 'open_files': 5, 'threads': 2}
        for s, mb in ((0.0, 100.0), (10.0, 140.0), (20.0, 141.5), (30.0, 141.0))
    ]
    assert soak['grown'](samples, 10.0) == {'resident_mb': 1.5, 'open_files': 0, 'threads': 0}
