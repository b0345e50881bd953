# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Camera elevation, roll and the direction against gravity."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    'angle_between',
    'elevation_from_up_cam',
    'level_from_camera',
    'roll_from_up_cam',
    'up_cam_from_elevation',
    'without_roll',
]

Array = NDArray[np.float64]


def up_cam_from_elevation(elevation_rad: ArrayLike, roll_rad: ArrayLike = 0.0) -> Array:
    """Return the unit vector against gravity in the optical frame.

    Args:
        elevation_rad: (...) angle of the optical axis below the horizontal; positive = looks down.
        roll_rad: (...) turn of the camera about its optical axis, positive = clockwise as seen
            from behind the camera, so that the scene turns counter-clockwise in the image.

    Returns:
        (..., 3); elevation e without roll gives (0, -cos e, -sin e).
    """
    elevation, roll = np.broadcast_arrays(
        np.asarray(elevation_rad, np.float64), np.asarray(roll_rad, np.float64)
    )
    level = np.cos(elevation)
    return np.stack([-level * np.sin(roll), -level * np.cos(roll), -np.sin(elevation)], axis=-1)


def elevation_from_up_cam(up_cam: ArrayLike) -> Array:
    """Return the elevation (...) in radians, -pi/2..pi/2, of a vector (..., 3) of any length."""
    up = np.asarray(up_cam, np.float64)
    return np.arctan2(-up[..., 2], np.hypot(up[..., 0], up[..., 1]))


def roll_from_up_cam(up_cam: ArrayLike) -> Array:
    """Return the roll (...) in radians, -pi..pi; see `up_cam_from_elevation` for the sign."""
    up = np.asarray(up_cam, np.float64)
    return np.arctan2(-up[..., 0], -up[..., 1])


def without_roll(points: ArrayLike, roll_rad: ArrayLike) -> Array:
    """Turn rays (..., J, 2) or points (..., J, 3) to what the same camera sees when held level.

    Args:
        points: x and y across the image; z stays.
        roll_rad: (...) of the camera.
    """
    whole = np.asarray(points, np.float64)
    roll = np.asarray(roll_rad, np.float64)[..., None]
    cosine, sine = np.cos(roll), np.sin(roll)
    x, y = whole[..., 0], whole[..., 1]
    flat = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
    return np.concatenate([flat, whole[..., 2:]], axis=-1)


def level_from_camera(up_cam: ArrayLike) -> Array:
    """Return the rotation (..., 3, 3) from the optical frame to the level frame.

    The level frame stands at the camera with z up, x the horizontal part of the optical axis and
    y left. Rows are its axes in the optical frame. A camera that looks straight up or down has no
    horizontal part of the axis; its image's top edge serves as forward instead.
    """
    up = np.asarray(up_cam, np.float64)
    z = up / np.sqrt(np.square(up).sum(-1, keepdims=True))
    # Left is up x forward, whatever of the optical axis is vertical.
    across, down, along = z[..., 0], z[..., 1], z[..., 2]
    zero, length = np.zeros_like(along), np.hypot(across, down)
    degenerate = length < 1e-6
    left_x, left_z = np.where(degenerate, along, down), np.where(degenerate, -across, zero)
    left_y = np.where(degenerate, zero, -across)
    y = np.stack([left_x, left_y, left_z], axis=-1)
    y /= np.sqrt(np.square(y).sum(-1, keepdims=True))
    left_x, left_y, left_z = y[..., 0], y[..., 1], y[..., 2]
    x = [
        left_y * along - left_z * down,
        left_z * across - left_x * along,
        left_x * down - left_y * across,
    ]
    return np.stack([np.stack(x, axis=-1), y, z], axis=-2)


def angle_between(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the angle (...) in radians between vectors (..., 3); exact for small angles too."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.arctan2(cross, (first * second).sum(-1)))
