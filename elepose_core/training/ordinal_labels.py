# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which of two keypoints is nearer, from 2D annotations alone, with a confidence.

Two rules make such labels. `perspective_labels` knows how pictures of people come about:

- *level*: two joints that are about equally high above the floor (left and right of hips, knees,
  ankles, shoulders, elbows, wrists) lie on one horizontal plane. A point of it at depth z is seen
  at h = (height - camera height) / z, where h is the sine-like distance of its ray from the
  horizon: of two, **the one farther from the horizon is nearer**. A camera at the height of the
  plane sees both on the horizon and learns nothing.
- *upright*: of two joints one above the other on somebody upright (head and pelvis, shoulder and
  ankle) the **upper one is nearer to a camera that looks down**, the lower one to one that looks
  up, by the sine of the elevation at which this person is seen.
- *between people* (`nearer_person`): whoever has the larger torso in the picture is nearer.

`lifter_labels` asks a lifter that was itself learned from 2D only: the difference of its depths
over its sigma.

Nearer means the smaller depth in the virtual camera that looks at the pelvis. Confidence is the
probability of the order less that of the other one: 0 = toss-up, 1 = certain.

Source: Qiu, Qiu, Fu, Fu, weakly supervised pre-training for 3D human pose estimation via
perspective knowledge (arXiv 2211.11983): ordinal labels from 2D annotations and perspective.
    Differs: the text of their rules was not at hand; these are our own, with the confidence that
    follows from how far people really are from equally high or upright.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elepose_core.geometry.virtual_camera import elevation_and_roll, rotated
from elepose_core.models.observation import Observation, observe
from elepose_core.skeleton import H36M_17

__all__ = [
    'PAIRS',
    'PAIR_KINDS',
    'OrdinalLabels',
    'lifter_labels',
    'nearer_person',
    'perspective_labels',
]

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class _Level:
    """A left and a right joint: how their heights and their depths differ, in angular sizes."""

    part: str
    height: float
    depth: float


# Standard deviations in units of the person's angular size, about half a metre: a pelvis is stiff
# and level, feet are lifted. Chosen on val among round numbers.
_LEVEL = (
    _Level('hip', 0.03, 0.4),
    _Level('shoulder', 0.05, 0.6),
    _Level('knee', 0.1, 0.4),
    _Level('ankle', 0.4, 0.8),
    _Level('elbow', 0.15, 0.8),
    _Level('wrist', 0.2, 0.6),
)
# Depth explains a difference in height up to so many standard deviations; beyond, a foot is up.
_MOST_DEVIATIONS = 2.0
# Upper joint, lower joint, and by how much their line leans to or fro on somebody upright, deg.
_UPRIGHT = (
    ('head_top', 'pelvis', 8.0),
    ('thorax', 'pelvis', 8.0),
    ('head_top', 'left_ankle', 8.0),
    ('head_top', 'right_ankle', 8.0),
    ('left_shoulder', 'left_ankle', 10.0),
    ('right_shoulder', 'right_ankle', 10.0),
    ('left_hip', 'left_ankle', 12.0),
    ('right_hip', 'right_ankle', 12.0),
)
# A person's torso is as long as another's up to so much, as a natural logarithm; posture included.
_TORSO_DEVIATION = 0.12
# Keypoints are marked this well, in angular sizes.
_KEYPOINT_DEVIATION = 0.02
# Nothing is sure: motion that no rule foresees.
_MOST_CONFIDENCE = 0.98


def _pairs() -> list[tuple[int, int]]:
    index = H36M_17.index
    level = [(index(f'left_{kind.part}'), index(f'right_{kind.part}')) for kind in _LEVEL]
    return level + [(index(upper), index(lower)) for upper, lower, _ in _UPRIGHT]


# Pairs (P, 2) of joints that the perspective rule knows, and what to call each pair.
PAIRS = np.array(_pairs())
PAIR_KINDS = tuple(
    [f'left-right {kind.part}' for kind in _LEVEL]
    + [
        f'{upper}-{lower}'.replace('left_', '').replace('right_', '')
        for upper, lower, _ in _UPRIGHT
    ]
)


@dataclass(frozen=True)
class OrdinalLabels:
    """Order in depth of pairs of joints.

    Attributes:
        pairs: (P, 2) int64 first and second joint.
        first_nearer: (N, P) float32: +1 = the first joint is nearer, -1 = the second.
        confidence: (N, P) float32 in 0..1; 0 = no label.
    """

    pairs: Tensor
    first_nearer: Tensor
    confidence: Tensor


def perspective_labels(rays: Tensor, up_cam: Tensor) -> OrdinalLabels:
    """Label the pairs `PAIRS` by the rules *level* and *upright*.

    Args:
        rays: (N, 17, 2) normalised image coordinates x/z, y/z; NaN = missing.
        up_cam: (N, 3) unit vectors against gravity in the camera: where the horizon is.
    """
    visible = torch.isfinite(rays).all(-1).to(rays.dtype)
    seen = observe(torch.nan_to_num(rays), visible)
    up = rotated(up_cam, seen.rotation)
    surprise = torch.cat([_level_score(seen, up), _upright_score(seen, up)], dim=1)
    pairs = torch.from_numpy(PAIRS)
    return _labels(surprise, pairs, visible)


def lifter_labels(joints: Float32, sigma: Float32, rays: Float32) -> OrdinalLabels:
    """Label all pairs of joints by what a lifter says.

    Args:
        joints: (N, 17, 3) in the camera, as `runtime.Predictor` gives them.
        sigma: (N, 17) in the same unit.
        rays: (N, 17, 2) that were lifted; NaN = missing, which gets no label.
    """
    seen = torch.isfinite(torch.from_numpy(rays)).all(-1).float()
    observed = observe(torch.nan_to_num(torch.from_numpy(rays)), seen)
    depth = (torch.from_numpy(joints) * observed.rotation[:, 2][:, None]).sum(-1)
    pairs = torch.combinations(torch.arange(len(H36M_17)), 2)
    first, second = pairs.unbind(1)
    spread = torch.from_numpy(sigma)
    deviation = torch.hypot(spread[:, first], spread[:, second]).clamp(min=1e-6)
    return _labels((depth[:, second] - depth[:, first]) / deviation, pairs, seen)


def nearer_person(rays: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Tell which of two people whom one lens sees is nearer.

    Args:
        rays: (N, 17, 2) of the first person.
        others: (N, 17, 2) of the second.

    Returns:
        (N,) +1 where the first is nearer, else -1, and the confidence (N,).
    """
    ratio = torch.log(_torso(rays) / _torso(others))
    confidence = torch.erf(ratio.abs() / (2 * _TORSO_DEVIATION)).nan_to_num(0.0)
    return torch.where(ratio > 0, 1.0, -1.0), confidence.clamp(max=_MOST_CONFIDENCE)


def _labels(score: Tensor, pairs: Tensor, visible: Tensor) -> OrdinalLabels:
    """Make labels of scores (N, P): how many deviations the first joint is nearer."""
    both = visible[:, pairs[:, 0]] * visible[:, pairs[:, 1]]
    confidence = torch.erf(score.abs() / math.sqrt(2)).clamp(max=_MOST_CONFIDENCE) * both
    return OrdinalLabels(pairs, torch.where(score > 0, 1.0, -1.0), confidence.float())


def _level_score(seen: Observation, up: Tensor) -> Tensor:
    """Return (N, pairs) by how many deviations the left joint is nearer than the right.

    With heights that differ by N(0, s_h) and depths by N(0, s_d), the difference v that is seen
    of two points at the slope t from the horizon is that of the heights plus t times that of the
    depths; given v, the depths differ by t s_d v / (s_h sqrt(s_h^2 + t^2 s_d^2)) deviations.
    """
    height = _above_horizon(seen, up)
    scores = []
    for kind in _LEVEL:
        left, right = H36M_17.index(f'left_{kind.part}'), H36M_17.index(f'right_{kind.part}')
        slope = (height[:, left] + height[:, right]) / 2
        # Below the horizon (slope < 0) the nearer is the lower one.
        difference = (height[:, left] - height[:, right]) / seen.scale
        uneven = math.hypot(kind.height, _KEYPOINT_DEVIATION)
        explained = slope.abs() * kind.depth
        whole = torch.sqrt(explained**2 + uneven**2)
        score = slope * kind.depth * difference / (uneven * whole)
        scores.append(torch.where(difference.abs() < _MOST_DEVIATIONS * whole, score, 0.0))
    return torch.stack(scores, dim=1)


def _upright_score(seen: Observation, up: Tensor) -> Tensor:
    """Return (N, pairs) by how many deviations the upper joint is nearer than the lower."""
    elevation, _ = elevation_and_roll(up)
    # Where up points to in the picture of the virtual camera.
    skywards = up[:, :2] / up[:, :2].norm(dim=1, keepdim=True).clamp(min=1e-6)
    scores = []
    for upper, lower, lean_deg in _UPRIGHT:
        line = seen.pose_2d[:, H36M_17.index(upper)] - seen.pose_2d[:, H36M_17.index(lower)]
        along = (line * skywards).sum(1)
        across = line[:, 0] * skywards[:, 1] - line[:, 1] * skywards[:, 0]
        # Who leans to the side may as well lean to or fro.
        sideways = torch.atan2(across.abs(), along)
        deviation = torch.sqrt(math.radians(lean_deg) ** 2 + sideways**2)
        scores.append(torch.where(along > 0, elevation / deviation, 0.0))
    return torch.stack(scores, dim=1)


def _above_horizon(seen: Observation, up: Tensor) -> Tensor:
    """Return (N, 17) how far rays point above the horizon: (height - camera's) / depth."""
    return torch.einsum('nja,na->nj', seen.pose_2d, up[:, :2]) + up[:, 2:]


def _torso(rays: Tensor) -> Tensor:
    """Return the length (N,) of the line from pelvis to thorax in the picture."""
    line = rays[:, H36M_17.index('thorax')] - rays[:, H36M_17.index('pelvis')]
    return torch.as_tensor(line.norm(dim=1).clamp(min=1e-6))
