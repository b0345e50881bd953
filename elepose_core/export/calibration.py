# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a trained graph says of its own errors, brought in line with errors that were measured."""

import numpy as np
import torch
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.alignment import scale_aligned
from elepose_core.metrics import joint_errors_mm, root_centred
from elepose_core.models.body_graph import BodyGraph
from elepose_core.models.graph import LiftingGraph, unknown_up
from elepose_core.skeleton import H36M_17

__all__ = ['calibrate_plausibility', 'calibrate_sigma']

Float32 = NDArray[np.float32]
Calibrated = LiftingGraph | BodyGraph

# Share of errors that sigma is to hold.
_WITHIN = 0.68
_ROOT = H36M_17.index('pelvis')
# What a detector does to poses, in units of the person's angular size, and how many joints hide.
_NOISE = 0.04
_HIDDEN_SHARE = 0.05
# Fewer do not say where 68 % end.
_ENOUGH_POSES = 256


@torch.no_grad()
def calibrate_sigma(graph: Calibrated, rays: Float32, scores: Float32, joints: Float32) -> None:
    """Set one factor per joint so that 68 % of its errors lie within its sigma.

    Args:
        graph: Its `sigma_factor` is set.
        rays: (N, 17, 2) poses that training did not see, or (N, T, 17, 2) windows of a graph of
            bodies, whose last frames count.
        scores: (N, 17) or (N, T, 17).
        joints: (N, 17, 3) their truth, camera frame, any unit; NaN = unknown.

    Raises:
        InputError: Too few poses have all joints in 2D and 3D.
    """
    graph.sigma_factor.fill_(1.0)
    rows = _complete(rays, scores) & np.isfinite(joints).all((1, 2))
    rays, scores, joints = _enough(rows, rays, scores, joints)
    seen = torch.from_numpy(rays)
    outputs = graph(seen, torch.from_numpy(scores), *unknown_up(seen))
    lifted, sigma = (outputs[index].double().numpy() for index in (0, 2))
    pose, truth = root_centred(lifted), root_centred(joints.astype(np.float64))
    aligned = scale_aligned(pose, truth)
    factor = np.linalg.norm(aligned, axis=(1, 2)) / np.linalg.norm(pose, axis=(1, 2))
    relative = joint_errors_mm(aligned, truth) / (sigma * factor[:, None])
    factors = np.quantile(relative, _WITHIN, axis=0)
    # The pelvis is where poses are laid together: it has no error to learn from.
    factors[_ROOT] = np.median(np.delete(factors, _ROOT))
    graph.sigma_factor.copy_(torch.from_numpy(factors))


@torch.no_grad()
def calibrate_plausibility(graph: Calibrated, rays: Float32, scores: Float32) -> None:
    """Set the quantiles that plausibility counts by, from usual poses as detectors see them.

    Args:
        graph: Its `surprise_quantiles` are set.
        rays: (N, 17, 2) usual poses, or (N, T, 17, 2) windows that end with them.
        scores: (N, 17) or (N, T, 17).

    Raises:
        InputError: Too few poses have all joints.
    """
    rays, scores = _enough(_complete(rays, scores), rays, scores)
    random = np.random.default_rng(0)
    size = np.linalg.norm(rays - rays[..., :1, :], axis=-1).mean(-1)[..., None, None]
    spread = random.uniform(0, _NOISE, size.shape) * size
    shaken = rays + np.float32(random.normal(size=rays.shape) * spread)
    hidden = random.random(scores.shape) < _HIDDEN_SHARE
    surprise = graph.surprise(
        torch.from_numpy(shaken), torch.from_numpy(np.where(hidden, np.float32(0), scores))
    )
    shares = torch.linspace(0.0, 1.0, len(graph.surprise_quantiles))
    graph.surprise_quantiles.copy_(torch.quantile(surprise, shares))


def _complete(rays: Float32, scores: Float32) -> NDArray[np.bool_]:
    rays, scores = (values.reshape(len(rays), -1) for values in (rays, scores))
    return np.asarray(np.isfinite(rays).all(1) & (scores > 0).all(1))


def _enough(rows: NDArray[np.bool_], *columns: Float32) -> tuple[Float32, ...]:
    if (count := int(rows.sum())) < _ENOUGH_POSES:
        raise InputError(
            f'{count} poses have all joints; expected {_ENOUGH_POSES} or more to calibrate on'
        )
    return tuple(column[rows] for column in columns)
