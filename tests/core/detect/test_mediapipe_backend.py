# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MediaPipe itself; a model for the real run is named by ELEPOSE_MEDIAPIPE_MODEL."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.detect import DetectorOptions, make_detector
from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import similarity_matrix

pytest.importorskip('mediapipe', reason='the optional package mediapipe is not installed')

# Of the 33 landmarks, those that COCO has too.
COCO_OF_33 = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def test_models_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='model_path is not set; detector mediapipe needs'):
        make_detector('mediapipe')
    with pytest.raises(InputError, match='which is not a file'):
        make_detector('mediapipe', DetectorOptions(model_path=tmp_path / 'absent.task'))
    text = tmp_path / 'text.task'
    text.write_text('no model')
    with pytest.raises(InputError, match='which MediaPipe refuses'):
        make_detector('mediapipe', DetectorOptions(model_path=text))


def test_finds_the_skier(skier: Any) -> None:
    if 'ELEPOSE_MEDIAPIPE_MODEL' not in os.environ:
        pytest.skip('ELEPOSE_MEDIAPIPE_MODEL is not set; expected a pose landmarker .task file')
    model = Path(os.environ['ELEPOSE_MEDIAPIPE_MODEL'])
    detector = make_detector('mediapipe', DetectorOptions(model_path=model))
    assert detector.layout == 'mediapipe_33'
    (found,) = detector.detect(skier.rgb)
    assert found.keypoints_px.shape == (33, 2)
    assert found.keypoints_px.dtype == found.scores.dtype == np.float32
    assert similarity_matrix([found.keypoints_px[COCO_OF_33]], skier.people)[0, 0] > 0.85
    assert detector.detect(np.full((200, 300, 3), 90, np.uint8)) == []
