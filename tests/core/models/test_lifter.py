# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lifter and teacher: what must hold of them whatever their weights are."""

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.lifter import Lifted, Lifter, LifterConfig  # noqa: E402
from elepose_core.models.observation import Observation, observe, project  # noqa: E402
from elepose_core.models.teacher import Teacher, TeacherGraph  # noqa: E402

TINY = LifterConfig(width=8, blocks=1, elevation_width=8, elevation_blocks=1)


def _rays(count: int, seed: int = 0) -> 'torch.Tensor':
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 17, 2)))


def _ones(*shape: int) -> 'torch.Tensor':
    return torch.ones(shape, dtype=torch.float64)


def _seen(count: int, hidden: tuple[int, ...] = ()) -> Observation:
    visible = _ones(count, 17)
    visible[:, list(hidden)] = 0.0
    return observe(_rays(count), visible)


def _larger_heads(model: Any) -> Any:
    """Return the model in double; the heads start near zero, larger ones let a mistake show."""
    for name, module in model.named_modules():
        if name.endswith('_head'):
            torch.nn.init.normal_(module.weight, std=0.3)
    return model.double()


def _lifter() -> Lifter:
    torch.manual_seed(1)
    return _larger_heads(Lifter(TINY))


def _lift(
    lifter: Lifter,
    seen: Observation,
    elevation: float = 0.2,
    roll: float = 0.0,
    deviation: float = 0.0,
) -> Lifted:
    count = len(seen.scale)
    angles = (torch.full((count,), v, dtype=torch.float64) for v in (elevation, roll, deviation))
    with torch.no_grad():
        return lifter(seen, *angles)


def test_untrained_lifter_sees_flat_people_and_a_level_camera() -> None:
    torch.manual_seed(0)
    lifter = Lifter(LifterConfig())
    seen = observe(_rays(20).float(), torch.ones(20, 17))
    nothing = torch.zeros(20)
    lifted, own = lifter(seen, nothing, nothing, nothing), lifter.up(seen)
    assert (lifted.joints[..., 2] - 1).abs().max() < 0.05
    torch.testing.assert_close(project(lifted.joints), seen.pose_2d, atol=0.02, rtol=0)
    for angle in own[:2]:
        assert angle.abs().max() < math.radians(5)
    for deviation in own[2:]:
        np.testing.assert_allclose(deviation.detach(), math.exp(-2.0), rtol=0.05)


def test_root_is_at_depth_one_and_angles_below_ninety_degrees() -> None:
    lifter, seen = _lifter(), _seen(50)
    lifted = _lift(lifter, seen)
    np.testing.assert_array_equal(lifted.joints[:, 0, 2], 1.0)
    assert lifted.joints[:, 1:, 2].std() > 0
    assert (lifted.sigma > 0).all()
    own = lifter.up(seen)
    assert max(angle.abs().max() for angle in own[:2]) < math.pi / 2


def test_lifter_is_told_which_joints_were_guessed() -> None:
    lifter, seen = _lifter(), _seen(4)
    guessed = Observation(seen.pose_2d, seen.visible.clone(), seen.scale, seen.rotation)
    guessed.visible[:, [3, 9]] = 0.0
    assert (_lift(lifter, seen).joints - _lift(lifter, guessed).joints).abs().max() > 1e-3


@pytest.mark.parametrize('turn_rad', [-2.0, 0.3])
def test_roll_that_is_told_turns_what_comes_out(turn_rad: float) -> None:
    """The network never sees a rolled person: turning input and roll turns the joints."""
    lifter, seen = _lifter(), _seen(6)
    cosine, sine = math.cos(turn_rad), math.sin(turn_rad)
    # A camera that rolls clockwise sees the scene turn the other way.
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    rolled = Observation(seen.pose_2d @ turn.T, seen.visible, seen.scale, seen.rotation)
    straight, found = _lift(lifter, seen), _lift(lifter, rolled, roll=turn_rad)
    torch.testing.assert_close(found.joints[..., :2], straight.joints[..., :2] @ turn.T)
    torch.testing.assert_close(found.joints[..., 2], straight.joints[..., 2])
    torch.testing.assert_close(found.sigma, straight.sigma)


def test_depth_offsets_and_sigma_grow_with_the_angular_size() -> None:
    """The shape of a person keeps its proportions near and far."""
    lifter = _lifter()
    lifter.trunk.entry.weight.data[:, 51] = 0.0  # forget the logarithm of the size
    rays = _rays(3) * 0.1
    rays = rays - rays[:, :1]
    near, far = observe(rays, _ones(3, 17)), observe(rays * 0.5, _ones(3, 17))
    np.testing.assert_allclose(near.scale / far.scale, 2.0, rtol=1e-4)
    first, second = (_lift(lifter, seen) for seen in (near, far))
    np.testing.assert_allclose(
        first.joints[..., 2] - 1, 2.0 * (second.joints[..., 2] - 1), rtol=1e-4, atol=1e-12
    )
    np.testing.assert_allclose(first.sigma, 2.0 * second.sigma, rtol=1e-4)


def test_lifter_hears_elevation_and_how_sure_it_is() -> None:
    lifter, seen = _lifter(), _seen(5)
    wanted = _lift(lifter, seen).joints
    for other in ({'elevation': 0.5}, {'deviation': 0.3}):
        assert (_lift(lifter, seen, **other).joints - wanted).abs().max() > 1e-3


def test_gradients_are_the_numerical_ones() -> None:
    lifter = _lifter()
    rays = _rays(2).requires_grad_(True)
    visible = _ones(2, 17)
    visible[0, 5] = 0.0

    def outputs(rays: 'torch.Tensor') -> tuple['torch.Tensor', ...]:
        seen = observe(rays, visible)
        own = lifter.up(seen)
        lifted = lifter(seen, own.elevation_rad, own.roll_rad, own.elevation_deviation_rad)
        return (*lifted, *own)

    assert torch.autograd.gradcheck(outputs, (rays,))


@pytest.mark.parametrize('place', [0.0, 0.4])
def test_gradient_stays_finite_when_all_joints_coincide(place: float) -> None:
    rays = torch.full((2, 17, 2), place, dtype=torch.float64, requires_grad=True)
    lifter, seen = _lifter(), observe(rays, _ones(2, 17))
    own = lifter.up(seen)
    lifted = lifter(seen, own.elevation_rad, own.roll_rad, own.elevation_deviation_rad)
    (lifted.joints.sum() + lifted.sigma.sum()).backward()
    assert torch.isfinite(rays.grad).all()


def test_nobody_and_nothing_seen_give_numbers() -> None:
    lifter = _lifter()
    for count in (0, 3):
        seen = observe(_rays(count), torch.zeros(count, 17, dtype=torch.float64))
        lifted = _lift(lifter, seen)
        assert lifted.joints.shape == (count, 17, 3)
        assert all(torch.isfinite(part).all() for part in (*lifted, *lifter.up(seen)))


def test_same_seed_makes_the_same_lifter() -> None:
    first, second = _lifter().state_dict(), _lifter().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_lifter_starts_from_what_the_teacher_knows() -> None:
    """Same elevation, same depths: told up at any elevation, and without an own correction."""
    torch.manual_seed(2)
    teacher, lifter = _larger_heads(Teacher(TINY)), _lifter()
    lifter.start_from(teacher)
    for head in (lifter.pose_head.weight, lifter.pose_head.bias):
        torch.nn.init.zeros_(head)
    seen = _seen(7)
    torch.testing.assert_close(lifter.up(seen).elevation_rad, teacher.elevation(seen))
    for elevation in (-0.4, 0.0, 0.7):
        up = torch.tensor([0.0, -math.cos(elevation), -math.sin(elevation)], dtype=torch.float64)
        wanted = teacher(seen, up.expand(7, 3))
        for deviation in (0.0, 0.5):  # a spread that the teacher knows nothing of
            found = _lift(lifter, seen, elevation, deviation=deviation).joints
            torch.testing.assert_close(found, wanted)


def test_teacher_puts_joints_on_their_rays_and_takes_the_camera_to_have_no_roll() -> None:
    torch.manual_seed(2)
    graph = TeacherGraph(_larger_heads(Teacher(TINY))).eval()
    rays, scores = _rays(9), _ones(9, 17)
    up = torch.tensor([[0.6, -0.8, 0.0]], dtype=torch.float64).expand(9, 3)
    with torch.no_grad():
        joints, estimate = graph(rays, scores, up, torch.full((9,), math.inf).double())
        told, same = graph(rays, scores, up, torch.zeros(9).double())
        again, _ = graph(rays, scores, estimate, torch.zeros(9).double())
    torch.testing.assert_close(joints[..., :2] / joints[..., 2:], rays)
    np.testing.assert_allclose(estimate[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(estimate.norm(dim=1), 1)
    torch.testing.assert_close(same, estimate)
    assert (told - joints).abs().max() > 1e-3
    torch.testing.assert_close(again, joints)
