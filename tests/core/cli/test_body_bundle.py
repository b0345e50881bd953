# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle of bodies is calibrated on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='bundles are written from torch')
pytest.importorskip('onnx', reason='export needs onnx')

from elepose_core.cli.methods import body_bundle  # noqa: E402
from elepose_core.cli.methods.method import BundleRequest  # noqa: E402
from elepose_core.training.joint_bodies import JointParts  # noqa: E402


def test_sigma_is_calibrated_on_the_truth_of_the_last_frame(
    monkeypatch: pytest.MonkeyPatch,
    manifest_of: Callable[..., Any],
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., Any],
) -> None:
    poses = pose_set_of(crowd_of(40), clip_length=5)
    training = {'config': {'windows': {'frames': 4}}, 'fps': poses.fps * 1.001}
    manifest = manifest_of().model_copy(update={'training': training})
    given: list[Any] = []
    monkeypatch.setattr(body_bundle, 'calibrate_sigma', lambda *what: given.extend(what[1:]))
    monkeypatch.setattr(body_bundle, 'calibrate_plausibility', lambda *_: None)
    monkeypatch.setattr(body_bundle, 'export_bundle', lambda *what: what[2])
    parts: Any = JointParts(torch.nn.Identity(), torch.nn.Identity())
    request = BundleRequest(Path('a.elepose'), manifest, poses, 'float32')
    written: Any = body_bundle.write_body_bundle(parts, request)
    assert (written.frames, written.fps) == (4, training['fps'])
    rays, _, joints = given
    # Two windows in each clip of five frames; they end with its last two.
    ends = np.array([row for row in range(40) if row % 5 >= 3])
    np.testing.assert_allclose(rays[:, -1], poses.rays[ends], atol=1e-6)
    np.testing.assert_array_equal(joints, poses.joints_cam_m[ends])
