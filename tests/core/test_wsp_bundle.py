# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle `wsp` that the package ships: depths that a picture shows."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from elepose_core.bundle import open_bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.files import sha256_of
from elepose_core.runtime.depth_fusion import angular_sizes
from elepose_core.runtime.ordering import Ordering

ROOT = Path(__file__).parents[2]
TEST_SETS = ('test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')


def test_it_is_whole_small_and_says_what_it_is() -> None:
    bundle = open_bundle('wsp')
    assert bundle.manifest.sha256 == sha256_of(bundle.onnx_path)
    assert bundle.manifest.method == 'wsp'
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) < 4e6
    assert (bundle.manifest.input_names, bundle.manifest.output_names) == (
        ('crops',),
        ('depth', 'sigma'),
    )


def test_its_page_states_the_figures_of_the_manifest_and_of_the_fusion() -> None:
    bundle = open_bundle('wsp')
    page = (bundle.folder / 'README.md').read_text(encoding='utf-8')
    fused = json.loads((ROOT / 'docs/results/picture_depths.json').read_text())['sets']
    for name in TEST_SETS:
        figures, clean = bundle.manifest.metrics[name], fused[name]['clean']
        row = (
            f'| `{name}` | {figures["n_mpjpe_mm"]:.1f} mm | {figures["pa_mpjpe_mm"]:.1f} mm '
            f'| {figures["flip_rate"]:.2%} | {clean["picture_depth_mm"]:.0f} mm '
            f'| {clean["lifter_depth_mm"]:.0f} mm |'
        )
        assert row in page, row


def test_it_sees_more_than_a_flat_person_in_new_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('torch', reason='the body model needs torch')
    pytest.importorskip('cv2', reason='OpenCV is not installed')
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import render_people

    poses = PoseSet.load(ROOT / 'tests' / 'data' / 'poses_3d.npz')
    poses = poses.select(np.arange(0, len(poses), 12))
    crops, _ = render_people.rendered(poses, 64, [], np.random.default_rng(0))
    for name in ('render_people', 'people_looks'):
        sys.modules.pop(name, None)
    network = Ordering('wsp')
    assert network.side == 64
    # The square of a picture that is the crop itself.
    found = []
    for crop in crops:
        corners = np.array([[[-0.5, -0.5], [63.5, 63.5]]]) * 0.8 + 6.3
        keypoints = np.repeat(corners[:, :1], 17, axis=1)
        keypoints[:, 1] = corners[:, 1]
        found.append(network.depths(crop, keypoints.astype(np.float32), np.ones((1, 17), bool)))
    depth = np.concatenate([depth for depth, _ in found])
    sigma = np.concatenate([sigma for _, sigma in found])
    assert poses.joints_cam_m is not None
    axis, size = angular_sizes(poses.rays)
    true = np.einsum('njc,nc->nj', poses.joints_cam_m.astype(np.float64), axis)
    truth = (true / true[:, :1] - 1) / size[:, None]
    error = np.abs(depth - truth)[:, 1:]
    assert error.mean() < 0.75 * np.abs(truth[:, 1:]).mean()
    assert 0.5 < (error < sigma[:, 1:]).mean() < 0.85
