# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The published lifter: its size, its camera, and how the evaluation calls it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the lifter is a torch module')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.models.elepose_paper import (  # noqa: E402
    ElePoseLifter,
    ElePoseLifterConfig,
    published_lift,
)

SMALL = ElePoseLifterConfig(width=16)


def _lifter() -> ElePoseLifter:
    torch.manual_seed(0)
    return ElePoseLifter(SMALL)


def _flat(elevation_rad: float = 0.0) -> ElePoseLifter:
    """Return a lifter that gives everybody depth offset 0 and one elevation."""
    lifter = _lifter()
    for head in (lifter.depth_head, lifter.elevation_head):
        torch.nn.init.zeros_(head[-1].weight)
        torch.nn.init.zeros_(head[-1].bias)
    torch.nn.init.constant_(lifter.elevation_head[-1].bias, elevation_rad)
    return lifter


@pytest.fixture
def rays(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    joints = torch.from_numpy(crowd_of(40).joints_cam_m).float()
    return joints[..., :2] / joints[..., 2:]


def test_full_size_has_the_published_number_of_used_parameters() -> None:
    lifter = ElePoseLifter(ElePoseLifterConfig())
    assert sum(p.numel() for p in lifter.parameters()) == 10_550_290


def test_normalised_poses_have_their_head_at_a_tenth_on_the_average(rays: 'torch.Tensor') -> None:
    lifter = _lifter()
    lifter.fit_scale(rays)
    pose_2d = lifter.normalised(rays)
    assert not pose_2d[:, 0].any()
    assert math.isclose(pose_2d[:, 10].norm(dim=-1).mean().item(), 0.1, rel_tol=1e-5)
    # One scale for all: near people stay larger than far ones.
    ratio = pose_2d[:, 10].norm(dim=-1) / (rays[:, 10] - rays[:, 0]).norm(dim=-1)
    torch.testing.assert_close(ratio, ratio[:1].expand(40))


@pytest.mark.parametrize('count', [1, 5])
def test_joints_lie_on_their_rays_and_the_root_in_the_origin(count: int) -> None:
    lifter = _lifter()
    pose_2d = 0.1 * torch.randn(count, 17, 2)
    pose_2d[:, 0] = 0.0
    joints, elevation = lifter(pose_2d)
    assert joints.shape == (count, 17, 3)
    assert elevation.shape == (count,)
    assert not joints[:, 0].any()
    torch.testing.assert_close(lifter.project(joints), pose_2d)
    torch.testing.assert_close(lifter.joints(pose_2d), joints)


def test_depth_of_a_joint_is_bounded_and_its_place_worked_by_hand() -> None:
    lifter = _flat()
    offset = torch.zeros(17)
    offset[0], offset[3], offset[6] = 7.0, 2.0, -50.0
    lifter.depth_head[-1].bias.data.copy_(offset)
    pose_2d = torch.zeros(1, 17, 2)
    pose_2d[0, 3] = torch.tensor([0.1, -0.2])
    pose_2d[0, 6] = torch.tensor([0.1, 0.3])
    joints = lifter(pose_2d)[0][0]
    # Depth 10 + 2; depth 1 instead of 10 - 50; the root stays at 10.
    np.testing.assert_allclose(joints[3].detach(), [1.2, -2.4, 2.0], atol=1e-5)
    np.testing.assert_allclose(joints[6].detach(), [0.1, 0.3, -9.0], atol=1e-5)


def test_projection_of_what_is_behind_the_lens_stays_finite() -> None:
    joints = torch.tensor([[[1.0, 2.0, -10.0], [1.0, 2.0, 10.0]]])
    expected = torch.tensor([[[1.0, 2.0], [0.05, 0.1]]])
    torch.testing.assert_close(_lifter().project(joints), expected)


def test_scale_travels_with_the_weights(rays: 'torch.Tensor') -> None:
    lifter, other = _lifter(), _lifter()
    lifter.fit_scale(rays)
    other.load_state_dict(lifter.state_dict())
    torch.testing.assert_close(other.normalised(rays), lifter.normalised(rays))


def test_evaluation_sees_everybody_where_the_camera_does(rays: 'torch.Tensor') -> None:
    lifter = _flat(elevation_rad=math.radians(20))
    lifter.fit_scale(rays)
    joints, up = published_lift(lifter)(rays.numpy(), np.ones((40, 17), np.float32), None)
    assert joints.shape == (40, 17, 3)
    np.testing.assert_allclose(joints[..., :2] / joints[..., 2:], rays, atol=1e-6)
    # A camera that looks 20 degrees down sees "up" tilted towards itself.
    wanted = [0.0, -math.cos(math.radians(20)), -math.sin(math.radians(20))]
    np.testing.assert_allclose(up, np.tile(wanted, (40, 1)), atol=1e-6)


@pytest.mark.parametrize('how', ['score', 'nan'])
def test_missing_joint_is_refused_by_name(how: str, rays: 'torch.Tensor') -> None:
    seen, scores = rays.numpy().copy(), np.ones((40, 17), np.float32)
    if how == 'nan':
        seen[7, 6] = np.nan
    else:
        scores[7, 6] = 0.0
    with pytest.raises(InputError, match=r'pose 7 has no left_ankle; .* expects all 17 joints'):
        published_lift(_lifter())(seen, scores, None)


def test_true_up_direction_is_refused(rays: 'torch.Tensor') -> None:
    with pytest.raises(InputError, match=r'up is told; .* its own estimate'):
        published_lift(_lifter())(
            rays.numpy(), np.ones((40, 17), np.float32), np.zeros((40, 3), np.float32)
        )
