# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the virtual camera sees of people, by hand."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.observation import back_project, observe, project  # noqa: E402


def _rays(count: int, seed: int = 0) -> 'torch.Tensor':
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 17, 2)))


def _ones(*shape: int) -> 'torch.Tensor':
    return torch.ones(shape, dtype=torch.float64)


def test_axis_goes_through_the_pelvis() -> None:
    seen = observe(_rays(5), _ones(5, 17))
    np.testing.assert_allclose(seen.pose_2d[:, 0], 0, atol=1e-12)


def test_axis_goes_through_the_mean_of_what_is_seen_without_the_pelvis() -> None:
    rays = torch.zeros(1, 17, 2, dtype=torch.float64)
    visible = torch.zeros(1, 17, dtype=torch.float64)
    rays[0, 0] = torch.tensor([9.0, 9.0])  # hidden
    for joint, place in ((4, (0.9, 0.0)), (5, (1.1, 0.0))):
        rays[0, joint], visible[0, joint] = torch.tensor(place), 1.0
    centre = observe(rays, visible).rotation[0, 2]
    # The mean ray (1, 0) stands 45 degrees to the right.
    np.testing.assert_allclose(centre, [math.sqrt(0.5), 0, math.sqrt(0.5)])


def test_angular_size_by_hand() -> None:
    rays = torch.zeros(1, 17, 2, dtype=torch.float64)
    rays[0, 5], rays[0, 6] = torch.tensor([0.0, 0.3]), torch.tensor([0.4, 0.3])
    visible = torch.zeros(1, 17, dtype=torch.float64)
    visible[0, [0, 5, 6]] = 1.0
    # Distances 0, 0.3 and 0.5 from the axis.
    assert math.isclose(observe(rays, visible).scale.item(), 0.8 / 3, rel_tol=1e-5)


def test_hidden_joints_do_not_count_for_axis_and_size() -> None:
    rays, visible = _rays(4), _ones(4, 17)
    visible[:, [3, 9]] = 0.0
    other = rays.clone()
    other[:, [3, 9]] = 50.0
    first, second = observe(rays, visible), observe(other, visible)
    torch.testing.assert_close(first.scale, second.scale)
    torch.testing.assert_close(first.rotation, second.rotation)


def test_back_projection_by_hand() -> None:
    pose_2d = torch.tensor([[[0.5, -0.25], [1.0, 1.0]]])
    joints = back_project(pose_2d, torch.tensor([[2.0, -1.0]]))
    # The second would lie behind the camera: it is kept 0.3 in front of it.
    np.testing.assert_allclose(joints[0], [[1.0, -0.5, 2.0], [0.3, 0.3, 0.3]], rtol=1e-6)


def test_projection_undoes_back_projection() -> None:
    pose_2d, depth = _rays(5), 1.0 + _rays(5)[..., 0]
    torch.testing.assert_close(project(back_project(pose_2d, depth)), pose_2d)


@pytest.mark.parametrize('place', [0.0, 0.4])
def test_gradient_stays_finite_when_all_joints_coincide(place: float) -> None:
    rays = torch.full((2, 17, 2), place, dtype=torch.float64, requires_grad=True)
    seen = observe(rays, _ones(2, 17))
    (seen.scale.sum() + seen.pose_2d.sum() + seen.rotation.sum()).backward()
    assert torch.isfinite(rays.grad).all()


def test_nothing_seen_gives_numbers() -> None:
    for count in (0, 3):
        seen = observe(_rays(count), torch.zeros(count, 17, dtype=torch.float64))
        assert seen.rotation.shape == (count, 3, 3)
        assert all(torch.isfinite(part).all() for part in (seen.scale, seen.rotation))
