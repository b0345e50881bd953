# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter alone and in front of a lifter."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the adapter is a torch module')
pytest.importorskip('FrEIA', reason='the prior is built of FrEIA blocks')

from torch import Tensor, nn  # noqa: E402

from elepose_core.geometry.virtual_camera import rotated_rays  # noqa: E402
from elepose_core.models.adapter import AdapterConfig, PoseAdapter  # noqa: E402
from elepose_core.models.graph import LiftingGraph, unknown_up  # noqa: E402
from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> Tensor:
    joints = crowd_of(8, seed=9).joints_cam_m
    return torch.from_numpy((joints[..., :2] / joints[..., 2:]).astype(np.float32))


def _adapter(offset: Tensor | None = None) -> PoseAdapter:
    """Return an adapter that moves everybody by about `offset` (17, 2), by nothing without one."""
    torch.manual_seed(0)
    adapter = PoseAdapter(AdapterConfig(width=16, blocks=1))
    if offset is not None:
        adapter.head.bias.data = torch.atanh(offset.flatten() / 0.5) * 0.5
    return adapter


def _lifted(graph: LiftingGraph, rays: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return tuple(graph(rays, torch.ones(len(rays), 17), *unknown_up(rays)))


def test_at_first_nobody_is_moved(rays: Tensor) -> None:
    seen = observe(rays, torch.ones(8, 17))
    moved = _adapter()(seen)
    torch.testing.assert_close(moved.pose_2d, seen.pose_2d)
    torch.testing.assert_close(moved.scale, seen.scale)


def test_graph_with_an_adapter_that_moves_nothing_lifts_alike(
    tiny_graph: LiftingGraph, rays: Tensor
) -> None:
    adapted = copy.deepcopy(tiny_graph)
    adapted.adapter = _adapter()
    for found, wanted in zip(_lifted(adapted, rays), _lifted(tiny_graph, rays), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_moved_keypoints_are_lifted_where_they_were_moved_to(
    tiny_graph: LiftingGraph, rays: Tensor
) -> None:
    """Knees 0.2 sizes to the right: the same as if they had been seen there."""
    offset = torch.zeros(17, 2)
    offset[[H36M_17.index('left_knee'), H36M_17.index('right_knee')], 0] = 0.2
    adapted = copy.deepcopy(tiny_graph)
    adapted.adapter = _adapter(offset)
    seen = observe(rays, torch.ones(8, 17))
    pose_2d = seen.pose_2d + offset * seen.scale[:, None, None]
    there = rotated_rays(pose_2d, seen.rotation.transpose(1, 2))
    for found, wanted in zip(_lifted(adapted, rays), _lifted(tiny_graph, there), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_nothing_is_moved_far(rays: Tensor) -> None:
    adapter = _adapter()
    nn.init.normal_(adapter.head.weight, std=100.0)
    offsets = adapter.offsets(observe(rays, torch.ones(8, 17)))
    assert offsets.abs().max() <= 0.5


def test_size_in_the_image_does_not_matter(rays: Tensor) -> None:
    adapter = _adapter()
    nn.init.normal_(adapter.head.weight, std=0.1)
    near = rays[:, :1] + (rays - rays[:, :1]) * 0.5
    seen, far = (observe(points, torch.ones(8, 17)) for points in (rays, near))
    torch.testing.assert_close(adapter.offsets(seen), adapter.offsets(far), atol=0.02, rtol=0)


@pytest.mark.slow
def test_bundle_holds_the_adapter(
    tiny_graph: LiftingGraph,
    rays: Tensor,
    tmp_path: Path,
    crowd_of: Callable[..., Any],
    pose_set_of: Callable[..., Any],
    manifest_of: Callable[..., Any],
) -> None:
    from elepose_core.export.onnx import export_bundle
    from elepose_core.runtime.predictor import Predictor

    adapted = copy.deepcopy(tiny_graph)
    adapted.adapter = _adapter(torch.full((17, 2), 0.1))
    poses = pose_set_of(crowd_of(256))
    folder = tmp_path / 'adapted.elepose'
    export_bundle(adapted, folder, manifest_of(), poses.rays.astype(np.float32), poses.scores)
    found, *_ = Predictor(folder).lift(rays.numpy(), np.ones((8, 17), np.float32), None)
    np.testing.assert_allclose(found, _lifted(adapted, rays)[0], atol=2e-4)
