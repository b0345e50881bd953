# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What judges are taught and say, against numbers by hand and toy distributions."""

import math
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='training needs torch')
pytest.importorskip('FrEIA', reason='the scale of poses stands beside the prior')

from torch import Tensor, nn  # noqa: E402

from elepose_core.models.discriminator import (  # noqa: E402
    Discriminator,
    DiscriminatorConfig,
    PoseJudges,
)
from elepose_core.training.adversarial import (  # noqa: E402
    AdversarialWeights,
    Pairs,
    adversarial_terms,
    fooling_loss,
    gradient_penalty,
)

SMALL = DiscriminatorConfig(width=16, blocks=1)


def test_gradient_penalty_of_a_plane_by_hand() -> None:
    class Plane(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.tensor([3.0, -4.0]) + 7.0

    logits, penalty = gradient_penalty(Plane(), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))  # type: ignore[arg-type]
    torch.testing.assert_close(logits, torch.tensor([10.0, 3.0]))
    assert penalty.item() == pytest.approx(25 / 2)


def test_gradient_penalty_is_the_numerical_slope_and_can_be_learned_from() -> None:
    torch.manual_seed(0)
    judge = Discriminator(3, 3, SMALL).double()
    real = torch.randn(4, 3, dtype=torch.float64)
    squares = 0.0
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-6
        with torch.no_grad():
            slope = (judge(real + step) - judge(real - step)) / 2e-6
        squares += slope.square().mean().item()
    _, penalty = gradient_penalty(judge, real)
    assert penalty.item() == pytest.approx(squares / 2, rel=1e-5)
    penalty.backward()
    assert judge.head.weight.grad is not None
    assert judge.head.weight.grad.abs().max() > 0


def test_fooling_loss_by_hand() -> None:
    assert fooling_loss(torch.tensor([0.0, 0.0])).item() == pytest.approx(math.log(2))
    assert fooling_loss(torch.tensor([math.log(3.0)])).item() == pytest.approx(math.log(4 / 3))


def test_discriminator_learns_which_of_two_distributions_points_are_from() -> None:
    """Two normal distributions, 2 deviations apart: the best judge's logit is 2 x."""
    torch.manual_seed(0)
    judge = Discriminator(1, 1, SMALL)
    optimiser = torch.optim.Adam(judge.parameters(), 5e-3)
    for _ in range(400):
        real, made = torch.randn(256, 1) + 1, torch.randn(256, 1) - 1
        logits, penalty = gradient_penalty(judge, real)
        loss = fooling_loss(logits) + fooling_loss(-judge(made)) + 0.001 * penalty
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    places = torch.tensor([[-1.0], [0.0], [1.0]])
    torch.testing.assert_close(judge(places), 2 * places[:, 0], atol=0.5, rtol=0)


@pytest.fixture(scope='module')
def judges() -> PoseJudges:
    torch.manual_seed(0)
    return PoseJudges(SMALL)


def _pairs(seed: int) -> Pairs:
    generator = torch.Generator().manual_seed(seed)
    return Pairs(*torch.randn(2, 6, 17, 2, generator=generator))


def test_who_learns_from_which_term(judges: PoseJudges) -> None:
    """Makers learn from frozen judges, judges from detached poses."""
    weights = AdversarialWeights()
    made = _pairs(1)
    for pose in (made.first, made.second):
        pose.requires_grad_()
    terms = adversarial_terms(judges, _pairs(0), made, weights)
    assert set(terms) == set(weights.by_term())
    for kind in ('frame', 'motion'):
        judge = getattr(judges, kind)
        made.first.grad = None
        judges.zero_grad()
        terms[f'{kind}_adversarial'].backward()
        assert made.first.grad is not None
        assert all(p.grad is None for p in judges.parameters())
        made.first.grad = None
        (terms[f'{kind}_discriminator'] + terms[f'{kind}_gradient']).backward()
        assert made.first.grad is None
        assert all(p.grad is not None for p in judge.parameters())


@pytest.mark.parametrize(
    ('off', 'left'),
    [(('frame',), {'motion'}), (('motion',), {'frame'}), (('frame', 'motion'), set())],
)
def test_a_judge_without_weight_is_left_out(
    off: tuple[str, ...], left: set[str], judges: PoseJudges
) -> None:
    weights = AdversarialWeights(**dict.fromkeys(off, 0.0))
    terms: dict[str, Any] = adversarial_terms(judges, _pairs(0), _pairs(1), weights)
    assert {name.split('_')[0] for name in terms} == left
    assert set(terms) == set(weights.by_term())


def test_real_and_made_alike_cannot_be_told_apart(judges: PoseJudges) -> None:
    terms = adversarial_terms(judges, _pairs(0), _pairs(0), AdversarialWeights())
    for kind in ('frame', 'motion'):
        assert terms[f'{kind}_discriminator'] >= 2 * math.log(2) - 1e-6


def test_toy_maker_is_drawn_to_the_real_poses(judges: PoseJudges) -> None:
    """A maker of one parameter, how long everybody's arm is, finds that of the real ones."""
    generator = torch.Generator().manual_seed(0)
    long = torch.tensor(0.3, requires_grad=True)
    judge = PoseJudges(DiscriminatorConfig(width=16, blocks=1))

    def people(length: Tensor) -> Pairs:
        poses = torch.randn(2, 64, 17, 2, generator=generator) * 0.05
        poses = poses + torch.linspace(-1, 1, 17)[:, None]
        reach = torch.zeros(17, 2)
        reach[13, 0] = 1.0
        return Pairs(*(poses + reach * length))

    weights = AdversarialWeights(gradient_penalty=1.0)
    optimiser = torch.optim.Adam(
        [{'params': judge.parameters(), 'lr': 3e-3}, {'params': [long], 'lr': 2e-2}]
    )
    for _ in range(250):
        terms = adversarial_terms(judge, people(torch.tensor(1.0)), people(long), weights)
        total = sum(weights.by_term()[name] * term for name, term in terms.items())
        optimiser.zero_grad()
        total.backward()  # type: ignore[union-attr]
        optimiser.step()
    assert long.item() == pytest.approx(1.0, abs=0.2)
