# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The deployed graph: geometry that must hold whatever the weights are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='the graph is a torch module')

from elepose_core.models.graph import LiftingGraph  # noqa: E402
from elepose_core.models.lifter import Lifter, LifterConfig  # noqa: E402

COUNT = 12


@pytest.fixture(scope='module')
def graph() -> LiftingGraph:
    torch.manual_seed(3)
    lifter = Lifter(LifterConfig(width=16, blocks=1, elevation_width=16, elevation_blocks=1))
    for head in (lifter.depth_head, lifter.elevation_head):
        torch.nn.init.normal_(head.weight, std=0.3)
    return LiftingGraph(lifter).double().eval()


@pytest.fixture(scope='module')
def rays(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    joints = crowd_of(COUNT).joints_cam_m
    return torch.from_numpy(joints[..., :2] / joints[..., 2:])


def _lift(
    graph: LiftingGraph,
    rays: 'torch.Tensor',
    scores: 'torch.Tensor | None' = None,
    up: 'torch.Tensor | None' = None,
) -> tuple['torch.Tensor', 'torch.Tensor']:
    count = len(rays)
    scores = torch.ones(count, 17, dtype=torch.float64) if scores is None else scores
    known = torch.full((count,), float(up is not None), dtype=torch.float64)
    told = torch.zeros(count, 3, dtype=torch.float64) if up is None else up
    with torch.no_grad():
        return graph(rays, scores, told, known)


def test_every_seen_joint_lies_on_its_ray(graph: LiftingGraph, rays: 'torch.Tensor') -> None:
    joints, _ = _lift(graph, rays)
    assert (joints[..., 2] > 0).all()
    torch.testing.assert_close(joints[..., :2] / joints[..., 2:], rays)


def test_root_is_one_away_and_up_is_a_unit_vector_without_roll(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    joints, up = _lift(graph, rays)
    np.testing.assert_allclose(joints[:, 0].norm(dim=-1), 1.0)
    np.testing.assert_allclose(up.norm(dim=-1), 1.0)
    np.testing.assert_allclose(up[:, 0], 0.0, atol=1e-9)


def _panned(rays: 'torch.Tensor') -> tuple['torch.Tensor', 'torch.Tensor']:
    """Pan the camera by 25 degrees: rays in the new camera, and the turn into it."""
    pan = torch.from_numpy(Rotation.from_euler('y', 25, degrees=True).as_matrix())
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], dim=-1) @ pan.T
    return points[..., :2] / points[..., 2:], pan


def test_person_at_the_edge_is_lifted_like_one_in_the_middle(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    edge, pan = _panned(rays)
    up = torch.tensor([[0.0, -0.96, -0.28]], dtype=torch.float64).expand(COUNT, 3)
    joints, _ = _lift(graph, rays, up=up)
    panned, _ = _lift(graph, edge, up=up @ pan.T)
    torch.testing.assert_close(panned, joints @ pan.T)


def test_person_at_the_edge_shows_the_same_elevation_of_the_virtual_camera(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    edge, _ = _panned(rays)
    along = []
    for seen in (rays, edge):
        axis = torch.cat([seen[:, 0], torch.ones(COUNT, 1, dtype=torch.float64)], dim=1)
        along.append((_lift(graph, seen)[1] * axis / axis.norm(dim=1, keepdim=True)).sum(1))
    torch.testing.assert_close(along[1], along[0])


def test_people_of_a_batch_do_not_meet(graph: LiftingGraph, rays: 'torch.Tensor') -> None:
    joints, up = _lift(graph, rays)
    for row in range(COUNT):
        one, one_up = _lift(graph, rays[row : row + 1])
        torch.testing.assert_close(one[0], joints[row])
        torch.testing.assert_close(one_up[0], up[row])


@pytest.mark.parametrize('hidden', [[0], [3, 6], list(range(1, 17))])
def test_missing_joint_may_hold_anything(
    hidden: list[int], graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    scores = torch.ones(COUNT, 17, dtype=torch.float64)
    scores[:, hidden] = 0.0
    wanted = _lift(graph, rays, scores)
    for content in (float('nan'), 1e9, -3.0):
        spoilt = rays.clone()
        spoilt[:, hidden] = content
        found = _lift(graph, spoilt, scores)
        torch.testing.assert_close(found, wanted)
        assert all(torch.isfinite(part).all() for part in found)
    # NaN alone says missing too.
    spoilt = rays.clone()
    spoilt[:, hidden] = float('nan')
    torch.testing.assert_close(_lift(graph, spoilt), wanted)


def test_nobody_seen_at_all_still_gives_numbers(graph: LiftingGraph) -> None:
    joints, up = _lift(graph, torch.full((2, 17, 2), float('nan'), dtype=torch.float64))
    assert torch.isfinite(joints).all()
    assert torch.isfinite(up).all()


def test_told_up_replaces_the_estimate_for_the_joints_only(
    graph: LiftingGraph, rays: 'torch.Tensor'
) -> None:
    joints, estimate = _lift(graph, rays)
    told = torch.tensor([[0.6, -0.8, 0.0]], dtype=torch.float64).expand(COUNT, 3)
    other, same_estimate = _lift(graph, rays, up=told)
    torch.testing.assert_close(same_estimate, estimate)
    assert (other - joints).abs().max() > 1e-3
    # Telling what it would have guessed changes nothing.
    again, _ = _lift(graph, rays, up=estimate)
    torch.testing.assert_close(again, joints)


def test_nobody_is_lifted_to_nobody(graph: LiftingGraph) -> None:
    joints, up = _lift(graph, torch.zeros(0, 17, 2, dtype=torch.float64))
    assert joints.shape == (0, 17, 3)
    assert up.shape == (0, 3)
