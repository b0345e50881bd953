# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Choosing a detector by name, and settings out of range."""

import sys
from pathlib import Path
from typing import Any

import pytest

from elepose_core.detect import DETECTORS, DetectorOptions, make_detector
from elepose_core.errors import InputError, MissingDependency


def test_none_makes_no_detector() -> None:
    with pytest.raises(InputError, match="detector is 'none', which makes no detector; feed"):
        make_detector('none')


@pytest.mark.parametrize('name', ['', 'MoveNet', 'movenet_topdown', 'openpose'])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match='expected none or one of movenet_multipose, rtmlib'):
        make_detector(name)


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (
            {'input_long_side': 250},
            'is 250; expected a multiple of 32 in 256..512',
        ),
        ({'input_long_side': 224}, 'input_long_side is 224'),
        ({'input_long_side': 544}, 'input_long_side is 544'),
        ({'num_threads': 0}, 'num_threads is 0; expected 1..64'),
        ({'min_person_score': 1.5}, 'min_person_score is 1.5; expected 0..1'),
        ({'min_person_score': float('nan')}, 'min_person_score is nan'),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        DetectorOptions(**settings)


@pytest.mark.parametrize(
    ('name', 'package', 'install'),
    [
        ('movenet_multipose', 'cv2', 'apt install python3-opencv'),
        ('rtmlib', 'rtmlib', 'pip install --no-deps rtmlib'),
        ('mediapipe', 'mediapipe', 'pip install mediapipe'),
    ],
)
def test_a_missing_package_is_named(
    name: str, package: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in DETECTORS
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match='needs') as caught:
        make_detector(name, DetectorOptions(model_path=Path('model.onnx')))
    assert install in str(caught.value)
    assert '\n' not in str(caught.value)
