# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the lifter sees, by hand, and what must hold of it whatever its weights are."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.lifter import Lifter, LifterConfig, back_project, observe  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402

TINY = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)


def _rays(count: int, seed: int = 0) -> 'torch.Tensor':
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 17, 2)))


def _lifter() -> Lifter:
    torch.manual_seed(1)
    lifter = Lifter(TINY).double()
    # The heads start near zero; larger ones let a mistake show.
    for head in (lifter.depth_head, lifter.elevation_head):
        torch.nn.init.normal_(head.weight, std=0.3)
    return lifter


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


def test_untrained_lifter_sees_flat_people_and_a_level_camera() -> None:
    torch.manual_seed(0)
    lifter = Lifter(LifterConfig())
    seen = observe(_rays(20).float(), torch.ones(20, 17))
    lifted = lifter(seen, torch.tensor([[0.0, -1.0, 0.0]]).expand(20, 3))
    assert (lifted.depth - 1).abs().max() < 0.05
    assert lifter.elevation(seen).abs().max() < math.radians(5)


def test_root_is_at_depth_one_and_elevation_below_ninety_degrees() -> None:
    lifter = _lifter()
    seen = observe(_rays(50), _ones(50, 17))
    lifted = lifter(seen, torch.nn.functional.normalize(_rays(50)[:, :3, 0], dim=1))
    np.testing.assert_array_equal(lifted.depth[:, 0].detach(), 1.0)
    assert lifted.depth[:, 1:].std() > 0
    assert lifted.completion.shape == (50, 17, 2)
    assert lifter.elevation(seen).abs().max() < math.pi / 2


def test_depth_offsets_grow_with_the_angular_size() -> None:
    """The shape of a person keeps its proportions near and far."""
    lifter = _lifter()
    lifter.trunk[0].weight.data[:, 51] = 0.0  # forget the logarithm of the size
    rays, up = _rays(3) * 0.1, _ones(3, 3)
    rays = rays - rays[:, :1]
    near, far = observe(rays, _ones(3, 17)), observe(rays * 0.5, _ones(3, 17))
    np.testing.assert_allclose(near.scale / far.scale, 2.0, rtol=1e-4)
    offsets = [lifter(seen, up).depth.detach() - 1 for seen in (near, far)]
    np.testing.assert_allclose(offsets[0], 2.0 * offsets[1], rtol=1e-4)


def test_gradients_are_the_numerical_ones() -> None:
    lifter = _lifter()
    rays = _rays(2).requires_grad_(True)
    visible = _ones(2, 17)
    visible[0, 5] = 0.0

    def loss(rays: 'torch.Tensor') -> tuple['torch.Tensor', ...]:
        seen = observe(rays, visible)
        elevation = lifter.elevation(seen)
        up = torch.stack([0 * elevation, -torch.cos(elevation), -torch.sin(elevation)], dim=1)
        lifted = lifter(seen, up)
        return back_project(seen.pose_2d, lifted.depth), lifted.completion, elevation

    assert torch.autograd.gradcheck(loss, (rays,))


@pytest.mark.parametrize('place', [0.0, 0.4])
def test_gradient_stays_finite_when_all_joints_coincide(place: float) -> None:
    rays = torch.full((2, 17, 2), place, dtype=torch.float64, requires_grad=True)
    seen = observe(rays, _ones(2, 17))
    lifted = _lifter()(seen, _ones(2, 3))
    (lifted.depth.sum() + lifted.completion.sum() + seen.scale.sum()).backward()
    assert torch.isfinite(rays.grad).all()


def test_nobody_and_nothing_seen_give_numbers() -> None:
    lifter = _lifter()
    for count in (0, 3):
        seen = observe(_rays(count), torch.zeros(count, 17, dtype=torch.float64))
        lifted = lifter(seen, _ones(count, 3))
        assert lifted.depth.shape == (count, len(H36M_17))
        assert torch.isfinite(lifted.depth).all()


def test_same_seed_makes_the_same_lifter() -> None:
    first, second = _lifter().state_dict(), _lifter().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
