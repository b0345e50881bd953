# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Loss terms by hand, their symmetries and their gradients."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='losses are torch functions')

from pydantic import ValidationError  # noqa: E402

from elepose_core import losses  # noqa: E402


def test_mean_distance_by_hand() -> None:
    first = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert losses.mean_distance(first, torch.zeros(2, 2)).item() == 2.5


def test_pairwise_deformation_by_hand() -> None:
    pose, again = torch.zeros(4, 2, 3), torch.zeros(4, 2, 3)
    pose[0, 1] = torch.tensor([1.0, 0.0, 0.0])  # pair (0, 1) differs by 1 at joint 1
    again[0, 1] = torch.tensor([1.0, 3.0, 4.0])  # and afterwards by another 5
    # One joint of four (two pairs, two joints) is off by 5.
    assert losses.pairwise_deformation_loss(pose, again).item() == 1.25


def test_pairwise_deformation_does_not_mind_a_common_change() -> None:
    torch.manual_seed(0)
    pose, change = torch.randn(6, 17, 3), torch.randn(1, 17, 3)
    assert losses.pairwise_deformation_loss(pose, pose + change).item() < 1e-6
    assert losses.pairwise_deformation_loss(pose, pose.flip(0)).item() > 0.1


def test_pairwise_deformation_leaves_an_odd_row_out() -> None:
    pose = torch.zeros(3, 2, 3)
    again = pose.clone()
    again[2] = 100.0
    assert losses.pairwise_deformation_loss(pose, again).item() == 0.0


def test_bone_ratio_by_hand() -> None:
    # Lengths 1 and 3 have the ratios 0.5 and 1.5; wanted are 1 and 1.
    found = losses.bone_ratio_loss(torch.tensor([[1.0, 3.0], [2.0, 2.0]]), torch.ones(2))
    assert found.item() == 0.25


def test_bone_ratio_does_not_mind_size() -> None:
    lengths, ratios = torch.rand(5, 16) + 0.5, torch.ones(16)
    first = losses.bone_ratio_loss(lengths, ratios)
    torch.testing.assert_close(losses.bone_ratio_loss(7.0 * lengths, ratios), first)


def test_completion_counts_hidden_joints_only() -> None:
    guess, truth = torch.zeros(2, 3, 2), torch.zeros(2, 3, 2)
    guess[0, 1] = torch.tensor([3.0, 4.0])
    guess[1, 2] = torch.tensor([60.0, 80.0])  # visible: does not count
    visible = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    assert math.isclose(losses.completion_loss(guess, truth, visible).item(), 2.5, rel_tol=1e-5)
    assert losses.completion_loss(guess, truth, torch.ones(2, 3)).item() == 0.0


def test_gradients_are_the_numerical_ones() -> None:
    random = np.random.default_rng(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.from_numpy(random.normal(size=shape)).requires_grad_(True)

    check = torch.autograd.gradcheck
    assert check(losses.mean_distance, (leaf(3, 4, 3), leaf(3, 4, 3)))
    assert check(losses.pairwise_deformation_loss, (leaf(4, 3, 3), leaf(4, 3, 3)))
    lengths = (leaf(3, 5).detach().abs() + 0.5).requires_grad_(True)
    assert check(losses.bone_ratio_loss, (lengths, torch.ones(5, dtype=torch.float64)))
    visible = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    assert check(losses.completion_loss, (leaf(1, 3, 2), leaf(1, 3, 2), visible))


def test_gradient_is_finite_where_guess_and_truth_coincide() -> None:
    guess = torch.zeros(1, 3, 2, requires_grad=True)
    losses.completion_loss(guess, torch.zeros(1, 3, 2), torch.zeros(1, 3)).backward()
    assert torch.isfinite(guess.grad).all()
    pose = torch.zeros(2, 3, 3, requires_grad=True)
    losses.mean_distance(pose, torch.zeros(2, 3, 3)).backward()
    assert torch.isfinite(pose.grad).all()


def test_likelihood_starts_heavy_and_falls_in_a_straight_line() -> None:
    weights = losses.LossWeights(likelihood=0.1, likelihood_at_start=0.5, likelihood_steps=100)
    found = [weights.at(step)['likelihood'] for step in (0, 25, 100, 1000)]
    np.testing.assert_allclose(found, [0.5, 0.4, 0.1, 0.1])
    assert weights.at(0)['reprojection'] == weights.at(1000)['reprojection'] == 5.0


@pytest.mark.parametrize('weights', [{'likelihood': -1.0}, {'likelyhood': 1.0}])
def test_wrong_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        losses.LossWeights(**weights)
