# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Guesses of missing joints: what must hold whatever the weights are, and that they get better."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.completion import Completion, assumed_roll, whole  # noqa: E402
from elepose_core.models.observation import Observation, observe  # noqa: E402

HIDDEN = [0, 3, 9]


def _rays(count: int, seed: int = 0) -> 'torch.Tensor':
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 17, 2)))


def _zeros(count: int) -> 'torch.Tensor':
    return torch.zeros(count, dtype=torch.float64)


def _visible(count: int) -> 'torch.Tensor':
    visible = torch.ones(count, 17, dtype=torch.float64)
    visible[:, HIDDEN] = 0.0
    return visible


@pytest.fixture(scope='module')
def completion() -> Completion:
    torch.manual_seed(0)
    network = Completion(width=8, blocks=1).double()
    torch.nn.init.normal_(network.head.weight, std=0.3)
    return network.requires_grad_(False)


def test_visible_joints_stay_and_missing_ones_move(completion: Completion) -> None:
    seen = observe(_rays(5), _visible(5))
    found = completion(seen, _zeros(5))
    kept = [j for j in range(17) if j not in HIDDEN]
    np.testing.assert_array_equal(found[:, kept], seen.pose_2d[:, kept])
    assert found[:, HIDDEN].abs().min() > 1e-6


def test_missing_joints_may_hold_anything(completion: Completion) -> None:
    rays, other = _rays(5), _rays(5)
    other[:, HIDDEN] = 0.123
    found = [completion(observe(r, _visible(5)), _zeros(5)) for r in (rays, other)]
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize('roll_rad', [-2.0, 0.3])
def test_guesses_turn_with_a_roll_that_is_known(completion: Completion, roll_rad: float) -> None:
    seen = observe(_rays(5), _visible(5))
    cosine, sine = math.cos(roll_rad), math.sin(roll_rad)
    # A camera that rolls clockwise sees the scene turn the other way.
    turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    rolled = Observation(seen.pose_2d @ turn.T, seen.visible, seen.scale, seen.rotation)
    straight = completion(seen, _zeros(5))
    found = completion(rolled, torch.full((5,), roll_rad, dtype=torch.float64))
    torch.testing.assert_close(found, straight @ turn.T)


def test_whole_person_is_observed_as_if_all_joints_had_been_seen() -> None:
    rays = _rays(5)
    partly, complete = observe(rays, _visible(5)), observe(rays, torch.ones_like(_visible(5)))
    # The truth in place of a guess.
    found = whole(partly, partly.pose_2d)
    torch.testing.assert_close(found.pose_2d, complete.pose_2d)
    torch.testing.assert_close(found.scale, complete.scale)
    torch.testing.assert_close(found.rotation, complete.rotation)
    np.testing.assert_array_equal(found.visible, partly.visible)
    assert (partly.pose_2d[:, 0].abs() > 1e-3).any(), 'the axis was elsewhere before'


def test_assumed_roll_follows_what_is_certain_and_ignores_what_is_not() -> None:
    told = torch.tensor([2.0, 2.0, 2.0])
    found = assumed_roll(told, torch.tensor([0.0, math.radians(10) ** 2, torch.inf]))
    assert found[0] == 2.0
    assert 0.5 < found[1] < 1.5
    assert found[2] == 0.0


def test_completion_learns_the_middle_of_two_joints() -> None:
    """In these people joint 3 is the middle of 1 and 2, 9 that of 8 and 10, 0 that of all."""
    torch.manual_seed(0)
    network = Completion(width=32, blocks=1).double()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)

    def step(seed: int) -> 'torch.Tensor':
        rays = _rays(128, seed)
        rays[:, 3] = (rays[:, 1] + rays[:, 2]) / 2
        rays[:, 9] = (rays[:, 8] + rays[:, 10]) / 2
        rays[:, 0] = rays[:, 1:].mean(1)
        seen = observe(rays, _visible(128))
        error = network(seen, _zeros(128)) - seen.pose_2d
        return (torch.linalg.vector_norm(error, dim=-1).mean(1) / seen.scale).mean()

    untrained = step(999).item()
    for seed in range(300):
        optimiser.zero_grad()
        step(seed).backward()
        optimiser.step()
    assert step(999).item() < 0.4 * untrained
