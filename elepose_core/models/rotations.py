# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation matrices from what networks give, of products and quotients alone."""

import torch
from torch import Tensor

__all__ = ['nearest_rotation', 'rotation_from_columns', 'shortest_rotation', 'skew']

_NEWTON_STEPS = 3


def nearest_rotation(matrices: Tensor, start: Tensor) -> Tensor:
    """Return the rotations R (..., 3, 3) with the largest trace of R^T M.

    Args:
        matrices: M (..., 3, 3).
        start: (..., 3, 3) rotations not far from the result: up to about half a radian.

    Source: Newton's method on SO(3); each step is a Cayley rotation.
    """
    rotations = start.expand_as(matrices)
    identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    for _ in range(_NEWTON_STEPS):
        aligned = rotations.transpose(-1, -2) @ matrices
        symmetric = (aligned + aligned.transpose(-1, -2)) / 2
        # The trace's slope and its bend over a further turn (..., 3).
        slope = aligned.flatten(-2) @ _generators(aligned).T
        bend = _trace(symmetric) * identity - symmetric
        rotations = rotations @ _cayley(_solved(bend, slope))
    return rotations


def rotation_from_columns(columns: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) whose first two columns are near those given.

    Args:
        columns: (..., 6) two vectors, not parallel.

    Source: Zhou et al. 2019, On the continuity of rotation representations, eq. 15.
    """
    first, second = columns[..., :3], columns[..., 3:]
    x = _unit(first)
    y = _unit(second - (x * second).sum(-1, keepdim=True) * x)
    z = (skew(x) @ y[..., None])[..., 0]
    return torch.stack([x, y, z], dim=-1)


def shortest_rotation(start: Tensor, end: Tensor) -> Tensor:
    """Return the smallest rotations (..., 3, 3) that take directions `start` to `end` (..., 3).

    Nearly opposite directions (172 degrees) give a finite matrix that is no rotation.
    """
    a, b = _unit(start), _unit(end)
    cosine = (a * b).sum(-1)[..., None, None]
    cross = skew((skew(a) @ b[..., None])[..., 0])
    identity = torch.eye(3, dtype=a.dtype, device=a.device)
    return identity + cross + cross @ cross / (1 + cosine).clamp(min=0.01)


def skew(vectors: Tensor) -> Tensor:
    """Return the matrices (..., 3, 3) of the cross products with vectors (..., 3)."""
    return (vectors @ _generators(vectors)).reshape(*vectors.shape, 3)


def _generators(like: Tensor) -> Tensor:
    """Return (3, 9): the cross product matrix of each axis, flat."""
    return like.new_tensor(
        [
            [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0],
            [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )


def _cayley(turn: Tensor) -> Tensor:
    """Return a rotation (..., 3, 3) by about the rotation vector (..., 3)."""
    cross = skew(turn)
    identity = torch.eye(3, dtype=turn.dtype, device=turn.device)
    factor = 4 / (4 + (turn * turn).sum(-1))[..., None, None]
    return identity + factor * (cross + cross @ cross / 2)


def _solved(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve H x = b for H (..., 3, 3) and b (..., 3) by Cayley and Hamilton."""
    square = matrices @ matrices
    trace = _trace(matrices)
    identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    adjugate = square - trace * matrices + (trace * trace - _trace(square)) / 2 * identity
    determinant = _trace(adjugate @ matrices) / 3
    return ((adjugate / determinant) @ right[..., None])[..., 0]


def _trace(matrices: Tensor) -> Tensor:
    """Return (..., 1, 1)."""
    identity = torch.eye(3, dtype=matrices.dtype, device=matrices.device)
    return (matrices * identity).sum((-1, -2), keepdim=True)


def _unit(vectors: Tensor) -> Tensor:
    # The bound keeps the gradient finite at 0.
    return vectors / torch.sqrt((vectors * vectors).sum(-1, keepdim=True).clamp(min=1e-12))
