# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle `geometric` that the package ships beside the default one."""

from pathlib import Path

import pytest

from elepose_core.bundle import open_bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Conditions, evaluate
from elepose_core.files import sha256_of
from elepose_core.runtime.predictor import Predictor

TRUTH = Path(__file__).parents[1] / 'data' / 'poses_3d.npz'
TEST_SETS = ('test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')


def test_it_is_whole_small_and_says_what_it_is() -> None:
    bundle = open_bundle('geometric')
    assert bundle.manifest.sha256 == sha256_of(bundle.onnx_path)
    assert bundle.manifest.method == 'geometric'
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 4e6
    assert bundle.manifest.training['data'] == ['train_2d.npz']


def test_its_page_states_the_figures_of_the_manifest() -> None:
    bundle = open_bundle('geometric')
    page = (bundle.folder / 'README.md').read_text(encoding='utf-8')
    for name in TEST_SETS:
        figures = bundle.manifest.metrics[name]
        row = (
            f'| `{name}` | {figures["n_mpjpe_mm"]:.1f} mm | {figures["pa_mpjpe_mm"]:.1f} mm '
            f'| {figures["flip_rate"]:.2%} | {figures["elevation_mae_deg"]:.1f}° '
        )
        assert row in page, row


def test_people_of_the_test_data_are_lifted_as_stated() -> None:
    figures = evaluate(Predictor('geometric').lift, PoseSet.load(TRUTH), Conditions())
    # 52.7 mm when it was shipped; another version of onnxruntime rounds otherwise.
    assert figures['n_mpjpe_mm'] == pytest.approx(52.7, abs=0.5)
    assert figures['flip_rate'] < 0.01
