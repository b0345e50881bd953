# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A camera from points whose place and picture are both known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rq
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from elepose_core.errors import InputError
from elepose_core.geometry.camera import FOCAL_PX, MAX_DISTORTION, Camera, pixels_from_rays

__all__ = ['FittedCamera', 'camera_from_points']

Array = NDArray[np.float64]

# More points than these make a camera of 15 numbers no better.
_MOST_POINTS = 20_000
_FEWEST_POINTS = 50
# Residuals beyond this count less and less: detectors swap legs.
_SOFT_PX = 2.0
_INTRINSICS = 9  # fx, fy, cx, cy and the five coefficients of `plumb_bob`


@dataclass(frozen=True)
class FittedCamera:
    """A camera and where it stands.

    Attributes:
        camera: Its K and lens, model `plumb_bob`.
        camera_from_world: (3, 3) rotation.
        translation_m: (3,) what is added after the rotation: the world's origin in its frame.
        residual_px: Median distance of the points' pictures from where this camera has them.
    """

    camera: Camera
    camera_from_world: Array
    translation_m: Array
    residual_px: float

    def in_camera(self, points_world_m: Array) -> Array:
        """Return points (..., 3) in the optical frame."""
        return points_world_m @ self.camera_from_world.T + self.translation_m


def camera_from_points(
    points_m: Array, points_px: Array, size: tuple[int, int], in_camera_frame: bool = False
) -> FittedCamera:
    """Find the camera that took these points, by least squares over K, lens and place.

    Args:
        points_m: (N, 3) the points, which must not lie in one plane.
        points_px: (N, 2) their pictures; rows with NaN are left out.
        size: Width and height of the image, px.
        in_camera_frame: The points are in the camera's own frame: only K and lens are unknown.

    Raises:
        InputError: There are too few points, or no camera in front of which they lie fits them.

    Source: direct linear transformation as the start (Hartley and Zisserman, Multiple View
        Geometry, algorithm 7.1), then their "gold standard" refinement.
        Differs: the refinement has a lens and a loss that gives way to outliers.
    """
    finite = np.isfinite(points_m).all(-1) & np.isfinite(points_px).all(-1)
    world, pixels = points_m[finite].astype(np.float64), points_px[finite].astype(np.float64)
    if len(world) < _FEWEST_POINTS:
        raise InputError(
            f'{len(world)} points are known in 2D and 3D; expected {_FEWEST_POINTS} or more'
        )
    few = np.unique(np.linspace(0, len(world) - 1, _MOST_POINTS).astype(np.int64))
    try:
        start = (_lens_start if in_camera_frame else _linear_start)(world[few], pixels[few])
        found = least_squares(
            _residuals, start, loss='soft_l1', f_scale=_SOFT_PX, x_scale='jac',
            args=(world[few], pixels[few]),
        ).x  # fmt: skip
        fitted = _fitted(found, size)
    except (ValueError, np.linalg.LinAlgError):
        # What is fitted to points that no camera took has infinities, or a focal length below 0.
        raise InputError(
            'no camera fits the points in 2D and 3D; expected pairs of one view'
        ) from None
    off = np.linalg.norm(_residuals(found, world, pixels).reshape(-1, 2), axis=1)
    return FittedCamera(*fitted, float(np.median(off)))


def _fitted(found: Array, size: tuple[int, int]) -> tuple[Camera, Array, Array]:
    fx, fy, cx, cy = found[:4]
    camera = Camera(
        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), *size, 'plumb_bob', tuple(found[4:9])
    )
    if len(found) == _INTRINSICS:
        return camera, np.eye(3), np.zeros(3)
    return camera, Rotation.from_rotvec(found[9:12]).as_matrix(), found[12:]


def _residuals(found: Array, world: Array, pixels: Array) -> Array:
    points = world
    if len(found) > _INTRINSICS:
        points = Rotation.from_rotvec(found[9:12]).apply(world) + found[12:]
    # A step of the solver may leave what a camera can be; there it is led back by large residuals.
    low, high = FOCAL_PX
    focal = np.clip(found[:2], low, high)
    lens = tuple(np.clip(found[4:9], -MAX_DISTORTION, MAX_DISTORTION))
    k = np.array([[focal[0], 0, found[2]], [0, focal[1], found[3]], [0, 0, 1]])
    depth = np.maximum(points[:, 2:], 1e-3)
    off = pixels_from_rays(points[:, :2] / depth, Camera(k, 0, 0, 'plumb_bob', lens)) - pixels
    return np.asarray(np.clip(off, -1e9, 1e9).ravel())


def _lens_start(points: Array, pixels: Array) -> Array:
    """Return K without a lens from points (N, 3) in the camera's frame."""
    if (points[:, 2] <= 0).any():
        raise ValueError('behind the camera')
    rays = points[:, :2] / points[:, 2:]
    one = np.ones(len(rays))
    (fx, cx), (fy, cy) = (
        np.linalg.lstsq(np.stack([rays[:, i], one], 1), pixels[:, i], rcond=None)[0]
        for i in (0, 1)
    )
    return np.array([fx, fy, cx, cy, 0, 0, 0, 0, 0])


def _linear_start(world: Array, pixels: Array) -> Array:
    """Return K, no lens, rotation and translation by the direct linear transformation."""
    to_unit_3d, to_unit_2d = _normaliser(world), _normaliser(pixels)
    x = np.column_stack([world, np.ones(len(world))]) @ to_unit_3d.T
    u, v, _ = (np.column_stack([pixels, np.ones(len(pixels))]) @ to_unit_2d.T).T
    zero = np.zeros_like(x)
    rows = np.concatenate(
        [
            np.concatenate([x, zero, -u[:, None] * x], axis=1),
            np.concatenate([zero, x, -v[:, None] * x], axis=1),
        ]
    )
    # The smallest eigenvector of the normal equations: 12 by 12, whatever the number of points.
    _, vectors = np.linalg.eigh(rows.T @ rows)
    projection = np.linalg.inv(to_unit_2d) @ vectors[:, 0].reshape(3, 4) @ to_unit_3d
    k, rotation = rq(projection[:, :3])
    signs = np.diag(np.sign(np.diag(k)))
    k, rotation = k @ signs, signs @ rotation
    scale = k[2, 2]
    translation = np.linalg.solve(k, projection[:, 3])
    if np.linalg.det(rotation) < 0:  # the projection is known up to its sign
        rotation, translation = -rotation, -translation
    k = k / scale
    return np.array(
        [
            *(k[0, 0], k[1, 1], k[0, 2], k[1, 2], 0, 0, 0, 0, 0),
            *Rotation.from_matrix(rotation).as_rotvec(),
            *translation,
        ]
    )


def _normaliser(points: Array) -> Array:
    """Return the matrix that brings points (N, D) to mean 0 and a mean distance of sqrt(D)."""
    mean, count = points.mean(0), points.shape[1]
    spread = np.linalg.norm(points - mean, axis=1).mean()
    if not 0 < spread < np.inf:
        raise ValueError('all points in one place')
    scale = np.sqrt(count) / spread
    matrix = np.diag([scale] * count + [1.0])
    matrix[:-1, -1] = -scale * mean
    return matrix
