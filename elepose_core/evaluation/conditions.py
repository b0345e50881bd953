# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What makes an evaluation harder or easier, and the view of the set that results."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import up_cam_from_elevation

__all__ = ['Conditions', 'View', 'view_of']

Array = NDArray[np.float64]
# Fewer joints than these say nothing about a pose.
_MOST_MISSING = 11


@dataclass(frozen=True)
class Conditions:
    """What makes the test harder or easier.

    Attributes:
        max_missing: Up to this many random joints of each pose are hidden.
        missing: Exactly this many random joints of each pose are hidden; in place of the former.
        noise_px: Standard deviation of Gaussian noise on each coordinate, pixels.
        noise_px_at_300: The same for somebody 300 pixels high, in proportion for others. Height
            is the longer side of the box round the keypoints, so that somebody who lies on the
            floor counts with their length.
        roll_deg: Each clip's image is turned about its principal point by a random angle within
            +- this; the truth turns with it.
        up_known: The lifter is told the true up direction.
        seed: Of everything random.
    """

    max_missing: int = 0
    missing: int = 0
    noise_px: float = 0.0
    noise_px_at_300: float = 0.0
    roll_deg: float = 0.0
    up_known: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ('max_missing', 'missing'):
            count = getattr(self, name)
            if not 0 <= count <= _MOST_MISSING:
                raise InputError(f'{name} is {count}; expected 0..{_MOST_MISSING} of 17 joints')
        if self.max_missing and self.missing:
            raise InputError(
                f'max_missing is {self.max_missing} and missing {self.missing}; expected one of '
                'the two'
            )
        for name in ('noise_px', 'noise_px_at_300'):
            noise = getattr(self, name)
            if not 0 <= noise < 1e4:
                raise InputError(f'{name} is {noise}; expected 0..10000 pixels')
        if not 0 <= self.roll_deg <= 180:
            raise InputError(f'roll_deg is {self.roll_deg}; expected 0..180')
        if self.seed < 0:
            raise InputError(f'seed is {self.seed}; expected 0 or more')


@dataclass(frozen=True)
class View:
    """A PoseSet under conditions: what the lifter is given, and the truth in the same frame.

    Attributes:
        rays: (N, 17, 2) x/z, y/z with noise; NaN = hidden or missing.
        scores: (N, 17) float32, 0 = hidden or missing.
        joints_cam_m: (N, 17, 3) truth.
        up_cam: (N, 3) truth, or None where the set has no elevation.
        roll_rad: (N,) truth.
    """

    rays: Array
    scores: NDArray[np.float32]
    joints_cam_m: Array
    up_cam: Array | None
    roll_rad: Array


def view_of(poses: PoseSet, conditions: Conditions) -> View:
    """Turn the images, then add noise and hide joints.

    Args:
        poses: Needs `joints_cam_m`.
        conditions: See there.
    """
    assert poses.joints_cam_m is not None
    roll = _roll(poses, conditions)
    cosine, sine = np.cos(roll), np.sin(roll)
    # The camera rolls clockwise: what it sees turns the other way.
    turn = np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], axis=-2)
    joints = poses.joints_cam_m.astype(np.float64)
    flat = np.einsum('nab,njb->nja', turn, joints[..., :2])
    rays = np.einsum('nab,njb->nja', turn, poses.rays)
    rays, scores = _spoilt(rays, poses, conditions)
    if poses.roll_rad is not None:
        roll = roll + poses.roll_rad
    elevation = poses.elevation_rad
    return View(
        rays=rays,
        scores=scores,
        joints_cam_m=np.concatenate([flat, joints[..., 2:]], axis=-1),
        up_cam=None if elevation is None else up_cam_from_elevation(elevation, roll),
        roll_rad=roll,
    )


def _roll(poses: PoseSet, conditions: Conditions) -> Array:
    """Draw one angle for each clip; returns (N,) radians."""
    random = np.random.default_rng(conditions.seed)
    clips, position = np.unique(poses.clip_index, return_inverse=True)
    limit = np.radians(conditions.roll_deg)
    return np.asarray(random.uniform(-limit, limit, len(clips))[position])


def _spoilt(
    rays: Array, poses: PoseSet, conditions: Conditions
) -> tuple[Array, NDArray[np.float32]]:
    """Add detector noise and hide joints."""
    random = np.random.default_rng(conditions.seed + 1)
    focal = poses.camera_matrix[poses.camera_index][:, [0, 1], [0, 1]]
    sigma_px = np.hypot(
        conditions.noise_px, conditions.noise_px_at_300 * _heights_px(poses) / 300.0
    )
    noise = random.normal(size=rays.shape) * sigma_px[:, None, None] / focal[:, None, :]
    scores = poses.scores.copy()
    if conditions.max_missing or conditions.missing:
        count = np.full(len(rays), conditions.missing)
        if conditions.max_missing:
            count = random.integers(0, conditions.max_missing + 1, len(rays))
        rank = random.random(scores.shape).argsort(1).argsort(1)
        scores[rank < count[:, None]] = 0.0
    return np.where(scores[..., None] > 0, rays + noise, np.nan), scores


def _heights_px(poses: PoseSet) -> Array:
    """Return (N,) the longer side of the box round each pose's keypoints, 0 without any."""
    points = poses.keypoints_px.astype(np.float64)
    seen = (poses.scores > 0)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    return np.asarray(np.maximum(high - low, 0.0).max(1))
