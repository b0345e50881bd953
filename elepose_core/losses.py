# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One function per term of the training loss, named after what it penalises."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

__all__ = [
    'AlternationWeights',
    'DiscoveryWeights',
    'DistillationWeights',
    'bone_ratio_loss',
    'bounded',
    'mean_distance',
    'pairwise_deformation_loss',
    'radius_surprise',
    'ranking_loss',
    'two_sided_surprise',
]


class DiscoveryWeights(BaseModel):
    """Weights of the first stage; in the end consistency dominates a lightly weighted likelihood.

    The likelihood starts at `likelihood_at_start` and falls in a straight line to `likelihood`
    over `likelihood_steps`. Without it the elevation runs to +-90 degrees, where a flat person
    turned in the image plane is consistent with itself but lies or stands on the head.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    likelihood: float = Field(0.1, ge=0)
    likelihood_at_start: float = Field(0.4, ge=0)
    likelihood_steps: int = Field(4000, ge=1)
    reprojection: float = Field(5.0, ge=0)
    consistency_3d: float = Field(5.0, ge=0)
    pairwise_deformation: float = Field(2.0, ge=0)
    bone_ratio: float = Field(10.0, ge=0)
    elevation_consistency: float = Field(1.0, ge=0)

    def at(self, step: int) -> dict[str, float]:
        """Return the weight of each term at a step."""
        terms = self.model_dump(exclude={'likelihood_at_start', 'likelihood_steps'})
        left = max(0.0, 1 - step / self.likelihood_steps)
        terms['likelihood'] += left * (self.likelihood_at_start - self.likelihood)
        return terms


class AlternationWeights(BaseModel):
    """Weights of the second stage."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    likelihood_ratio: float = Field(0.1, ge=0)
    reprojection: float = Field(5.0, ge=0)
    consistency_3d: float = Field(5.0, ge=0)
    pairwise_deformation: float = Field(2.0, ge=0)
    bone_ratio: float = Field(10.0, ge=0)
    elevation: float = Field(2.0, ge=0)


class DistillationWeights(BaseModel):
    """Weights of the third stage."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    completion: float = Field(4.0, ge=0)
    pose: float = Field(4.0, ge=0)
    place: float = Field(1.0, ge=0)
    elevation: float = Field(0.2, ge=0)
    roll: float = Field(0.2, ge=0)
    sigma: float = Field(0.05, ge=0)


def mean_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean Euclidean distance of points (..., D)."""
    distance: Tensor = torch.linalg.vector_norm(first - second, dim=-1)
    return distance.mean()


def pairwise_deformation_loss(pose: Tensor, lifted_again: Tensor) -> Tensor:
    """Penalise that two poses differ from each other in another way after the round trip.

    Args:
        pose: (B, J, 3) scaled poses; rows 2i and 2i+1 make a pair.
        lifted_again: The same poses after turning, projecting, lifting and turning back.

    Source: ElePose, section 3.4 (pairwise deformation).
    """
    pairs = len(pose) // 2 * 2
    first = pose[0:pairs:2] - pose[1:pairs:2]
    second = lifted_again[0:pairs:2] - lifted_again[1:pairs:2]
    return mean_distance(first, second)


def bone_ratio_loss(lengths: Tensor, ratios: Tensor) -> Tensor:
    """Penalise squared deviation of relative bone lengths (B, bones) from `ratios` (bones,).

    Source: ElePose, section 3.4 (bone lengths prior).
    """
    relative = lengths / lengths.mean(1, keepdim=True)
    return (relative - ratios).square().sum(1).mean()


# A turned pose that the prior finds absurd must not drown the batch.
_WORST_NAT = 500.0


def bounded(surprise: Tensor) -> Tensor:
    """Return the mean of -log p (B,), each at most 500 nat."""
    return surprise.clamp(max=_WORST_NAT).mean()


def two_sided_surprise(error: Tensor, deviation: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean of -log p of errors (B,) with two-sided exponential tails.

    Args:
        error: Of any sign.
        deviation: (B,) mean absolute error that is expected.
        weight: (B,) with mean 1.
    """
    surprise = error.abs() / deviation + torch.log(deviation)
    return surprise.mean() if weight is None else (surprise * weight).mean()


# Radius that holds 68 % of exponentially distributed distances, in units of their mean.
_RADIUS_OF_68_PERCENT = 1.139


def radius_surprise(distance: Tensor, radius: Tensor) -> Tensor:
    """Return the mean of -log p of distances (...) with an exponential tail.

    Args:
        distance: Of each joint from its truth.
        radius: The distance that 68 % should stay within, same shape and unit.
    """
    mean = radius / _RADIUS_OF_68_PERCENT
    return (distance / mean + torch.log(mean)).mean()


def ranking_loss(
    first: Tensor, second: Tensor, first_nearer: Tensor, confidence: Tensor
) -> Tensor:
    """Penalise depths whose order is not the labelled one; all arguments have one shape.

    Args:
        first: Depth of the first joint of each pair, in units in which 1 is a clear difference.
        second: Depth of the second.
        first_nearer: +1 = the first should be nearer, -1 = the second.
        confidence: 0..1, how much each pair counts.

    Source: log(1 + exp(-r (z_a - z_b))), usual for ordinal depth (Chen et al. 2016, Single-Image
        Depth Perception in the Wild) and for weakly supervised pre-training.
        Differs: weighted by confidence instead of a share of hard labels; ties get no label.
    """
    penalty = torch.nn.functional.softplus(first_nearer * (first - second))
    return (penalty * confidence).sum() / confidence.sum().clamp(min=1e-6)
