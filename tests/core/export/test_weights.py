# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle gives back the lifter that it was made of."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='export needs torch')
pytest.importorskip('onnx', reason='export needs onnx')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.export.onnx import export_bundle  # noqa: E402
from elepose_core.export.weights import start_from_bundle  # noqa: E402
from elepose_core.models.adapter import AdapterConfig, PoseAdapter  # noqa: E402
from elepose_core.models.lifter import Lifter, LifterConfig  # noqa: E402


@pytest.fixture(scope='module')
def graph(tiny_graph: Any) -> Any:
    """Return a graph whose parameters all differ: the exporter joins those that are equal."""
    graph = copy.deepcopy(tiny_graph)
    torch.manual_seed(0)
    for parameter in graph.lifter.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return graph


@pytest.mark.parametrize(('precision', 'tolerance'), [('float32', 0.0), ('float16', 1e-3)])
def test_weights_come_back(
    precision: Any,
    tolerance: float,
    graph: Any,
    manifest_of: Any,
    crowd_of: Any,
    tmp_path: Path,
) -> None:
    joints = crowd_of(64, seed=2).joints_cam_m
    rays = (joints[..., :2] / joints[..., 2:]).astype(np.float32)
    folder = tmp_path / 'a.elepose'
    export_bundle(graph, folder, manifest_of(), rays, np.ones((64, 17), np.float32), precision)
    lifter = Lifter(graph.lifter.config)
    start_from_bundle(lifter, str(folder))
    for name, values in graph.lifter.state_dict().items():
        found = lifter.state_dict()[name]
        torch.testing.assert_close(found, values, rtol=tolerance, atol=tolerance / 100)


def test_another_size_is_refused() -> None:
    other = Lifter(LifterConfig(width=20, completion_width=20))
    with pytest.raises(InputError, match=r'where completion\..* is of shape .*; expected \(20,'):
        start_from_bundle(other, 'default')


def test_the_lifter_behind_an_adapter_is_refused(
    graph: Any, manifest_of: Any, crowd_of: Any, tmp_path: Path
) -> None:
    adapted = copy.deepcopy(graph)
    adapted.adapter = PoseAdapter(AdapterConfig(width=8, blocks=1))
    joints = crowd_of(64, seed=2).joints_cam_m
    rays = (joints[..., :2] / joints[..., 2:]).astype(np.float32)
    folder = tmp_path / 'a.elepose'
    export_bundle(adapted, folder, manifest_of(), rays, np.ones((64, 17), np.float32))
    with pytest.raises(InputError, match='what its domain adapter moved'):
        start_from_bundle(Lifter(graph.lifter.config), str(folder))
