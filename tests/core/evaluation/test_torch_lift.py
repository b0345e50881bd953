# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Torch and the exported bundle are one lifter to the evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch', reason='this is the lifter in torch')

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Conditions, evaluate
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.runtime.predictor import Predictor


@pytest.mark.parametrize(
    'conditions',
    [Conditions(), Conditions(max_missing=5, noise_px=3, roll_deg=30, up_known=True, seed=1)],
)
def test_run_and_bundle_have_the_same_figures(
    conditions: Conditions,
    tiny_graph: Any,
    tiny_bundle: Bundle,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., PoseSet],
) -> None:
    poses = pose_set_of(crowd_of(50, seed=9))
    run = evaluate(torch_lift(tiny_graph), poses, conditions)
    bundle = evaluate(Predictor(tiny_bundle.folder).lift, poses, conditions)
    assert run.keys() == bundle.keys()
    assert {'sigma_within', 'plausibility_correlation'} <= run.keys()
    for name, value in run.items():
        if isinstance(value, float):
            np.testing.assert_allclose(bundle[name], value, rtol=1e-3, atol=1e-3)
