# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Adversarial terms: made poses shall be taken for real ones, one by one and two in a row.

Any recipe can use them: it hands in real and made pairs of poses, adds the terms to its own and
the parameters of the judges as a further group. Discriminators learn from made poses that are
detached, what makes the poses from discriminators that are frozen; so one optimiser does for both.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from elepose_core.models.discriminator import Discriminator, PoseJudges, motion_features
from elepose_core.priors.flow import scaled_pose
from elepose_core.training.loop import Group

__all__ = [
    'AdversarialWeights',
    'JudgedTeacher',
    'Pairs',
    'adversarial_terms',
    'fooling_loss',
    'gradient_penalty',
    'judged_terms',
]


AnyTeacher = TypeVar('AnyTeacher', bound=nn.Module)


class JudgedTeacher(nn.Module, Generic[AnyTeacher]):
    """Everything that learns in a stage with judges.

    Attributes:
        teacher: Lifter of complete poses or clips.
        judges: Discriminators of poses and motions.
    """

    def __init__(self, teacher: AnyTeacher, judges: PoseJudges) -> None:
        super().__init__()
        self.teacher = teacher
        self.judges = judges

    def groups(self, judge_rate: float) -> list[Group]:
        """Return the teacher and the judges, each with its own rate."""
        return [
            Group(list(self.teacher.parameters())),
            Group(list(self.judges.parameters()), judge_rate),
        ]


class AdversarialWeights(BaseModel):
    """Weights of what the judges say, and the penalty of their slope at real poses.

    With `frame` and `motion` 0 there is no adversary at all.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    frame: float = Field(1.0, ge=0)
    motion: float = Field(0.3, ge=0)
    gradient_penalty: float = Field(0.02, ge=0)

    def by_term(self) -> dict[str, float]:
        """Return the weight of each term of `adversarial_terms`."""
        named: dict[str, float] = {}
        for kind, weight in (('frame', self.frame), ('motion', self.motion)):
            if weight:
                named |= {
                    f'{kind}_adversarial': weight,
                    f'{kind}_discriminator': 1.0,
                    f'{kind}_gradient': self.gradient_penalty,
                }
        return named


@dataclass(frozen=True)
class Pairs:
    """Two complete poses of each person in a row, root-centred, as virtual cameras see them.

    Attributes:
        first: (B, 17, 2).
        second: (B, 17, 2) seen from the same side.
    """

    first: Tensor
    second: Tensor


def adversarial_terms(
    judges: PoseJudges, real: Pairs, made: Pairs, weights: AdversarialWeights
) -> dict[str, Tensor]:
    """Return scalars by the names of `AdversarialWeights.by_term`.

    Source: Chen et al. (CVPR 2019), sections 3.2 and 3.4.
        Differs: non-saturating logistic losses with a penalty on the slope of each discriminator
        at real poses (R1; Mescheder et al., ICML 2018), which was stable at once.
    """
    terms: dict[str, Tensor] = {}
    if weights.frame:
        alone = (scaled_pose(torch.cat([pairs.first, pairs.second])) for pairs in (real, made))
        terms |= judged_terms('frame', judges.frame, *alone)
    if weights.motion:
        in_a_row = (motion_features(pairs.first, pairs.second) for pairs in (real, made))
        terms |= judged_terms('motion', judges.motion, *in_a_row)
    return terms


def judged_terms(kind: str, judge: Discriminator, real: Tensor, made: Tensor) -> dict[str, Tensor]:
    """Return what one judge of features (B, inputs) says and learns, named after `kind`."""
    made = judge.whitened(made)
    seen, penalty = gradient_penalty(judge, judge.whitened(real))
    return {
        f'{kind}_adversarial': fooling_loss(judge.frozen(made)),
        f'{kind}_discriminator': fooling_loss(seen) + softplus(judge(made.detach())).mean(),
        f'{kind}_gradient': penalty,
    }


def fooling_loss(logits: Tensor) -> Tensor:
    """Return the mean of -log p that poses with these logits (B,) are real."""
    return softplus(-logits).mean()


def gradient_penalty(discriminator: Discriminator, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (B,) of real components (B, D), and half their mean squared slope.

    Source: R1 of Mescheder, Geiger, Nowozin (ICML 2018), equation 9.
    """
    real = real.detach().requires_grad_()
    logits = discriminator(real)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return logits, slope.square().sum(1).mean() / 2
