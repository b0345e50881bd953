# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Loss terms by hand, their symmetries and their gradients."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

torch = pytest.importorskip('torch', reason='losses are torch functions')

from pydantic import BaseModel, ValidationError  # noqa: E402

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


def test_two_sided_surprise_by_hand() -> None:
    # |-2| / 1 + log 1 and 4 / 2 + log 2
    found = losses.two_sided_surprise(torch.tensor([-2.0, 4.0]), torch.tensor([1.0, 2.0]))
    assert math.isclose(found.item(), 2 + math.log(2) / 2, rel_tol=1e-6)


def _least(loss: Callable[[float], float]) -> float:
    """Return where a loss of one positive number is least."""
    return float(np.exp(minimize_scalar(lambda log: loss(float(np.exp(log)))).x))


def test_least_surprising_deviation_is_the_mean_absolute_error() -> None:
    error = torch.from_numpy(np.random.default_rng(0).laplace(scale=0.3, size=500))
    best = _least(lambda d: losses.two_sided_surprise(error, torch.full_like(error, d)).item())
    assert math.isclose(best, error.abs().mean().item(), rel_tol=1e-5)


def test_least_surprising_radius_holds_68_percent() -> None:
    distance = torch.from_numpy(np.random.default_rng(0).exponential(0.3, (20_000, 2)))
    best = _least(lambda r: losses.radius_surprise(distance, torch.full_like(distance, r)).item())
    assert 0.67 < (distance < best).double().mean() < 0.69


def test_gradients_are_the_numerical_ones() -> None:
    random = np.random.default_rng(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.from_numpy(random.normal(size=shape)).requires_grad_(True)

    check = torch.autograd.gradcheck
    assert check(losses.mean_distance, (leaf(3, 4, 3), leaf(3, 4, 3)))
    assert check(losses.pairwise_deformation_loss, (leaf(4, 3, 3), leaf(4, 3, 3)))
    lengths = (leaf(3, 5).detach().abs() + 0.5).requires_grad_(True)
    assert check(losses.bone_ratio_loss, (lengths, torch.ones(5, dtype=torch.float64)))
    deviation = (leaf(4).detach().abs() + 0.5).requires_grad_(True)
    assert check(losses.two_sided_surprise, (leaf(4), deviation))
    distance = leaf(4).detach().abs().requires_grad_(True)
    assert check(losses.radius_surprise, (distance, deviation))


def test_gradient_is_finite_where_both_poses_coincide() -> None:
    pose = torch.zeros(2, 3, 3, requires_grad=True)
    losses.mean_distance(pose, torch.zeros(2, 3, 3)).backward()
    assert torch.isfinite(pose.grad).all()


def test_likelihood_starts_heavy_and_falls_in_a_straight_line() -> None:
    weights = losses.DiscoveryWeights(
        likelihood=0.1, likelihood_at_start=0.5, likelihood_steps=100
    )
    found = [weights.at(step)['likelihood'] for step in (0, 25, 100, 1000)]
    np.testing.assert_allclose(found, [0.5, 0.4, 0.1, 0.1])
    assert weights.at(0)['reprojection'] == weights.at(1000)['reprojection'] == 5.0


@pytest.mark.parametrize(
    'kind', [losses.DiscoveryWeights, losses.AlternationWeights, losses.DistillationWeights]
)
@pytest.mark.parametrize('wrong', [-1.0, math.inf, math.nan])
def test_wrong_weights_are_refused(kind: type[BaseModel], wrong: float) -> None:
    for name in kind.model_fields:
        with pytest.raises(ValidationError):
            kind(**{name: wrong})
    with pytest.raises(ValidationError):
        kind(likelyhood=1.0)


def test_ranking_loss_is_the_one_worked_out_by_hand_and_its_gradient_pulls_them_apart() -> None:
    first = torch.tensor([[1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([[3.0, 0.0]], dtype=torch.float64, requires_grad=True)
    nearer = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    confidence = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    loss = losses.ranking_loss(first, second, nearer, confidence)
    # Right by 2: log(1 + exp(-2)); undecided: log 2.
    expected = (0.5 * math.log1p(math.exp(-2)) + math.log(2)) / 1.5
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert first.grad is not None
    assert first.grad[0, 0] > 0  # nearer: its depth shall fall
    assert first.grad[0, 1] < 0
    assert torch.autograd.gradcheck(
        lambda a, b: losses.ranking_loss(a, b, nearer, confidence), (first, second)
    )
    nothing = losses.ranking_loss(first, second, nearer, torch.zeros_like(confidence))
    assert nothing.item() == 0.0
