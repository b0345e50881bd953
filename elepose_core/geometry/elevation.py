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


def level_from_camera(up_cam: ArrayLike) -> Array:
    """Return the rotation (..., 3, 3) from the optical frame to the level frame.

    The level frame stands at the camera with z up, x the horizontal part of the optical axis and
    y left. Rows are its axes in the optical frame. A camera that looks straight up or down has no
    horizontal part of the axis; its image's top edge serves as forward instead.
    """
    up = np.asarray(up_cam, np.float64)
    z = up / np.linalg.norm(up, axis=-1, keepdims=True)
    axis = np.broadcast_to([0.0, 0.0, 1.0], z.shape)
    forward = axis - z * z[..., 2:]
    degenerate = np.linalg.norm(forward, axis=-1, keepdims=True) < 1e-6
    image_top = np.broadcast_to([0.0, -1.0, 0.0], z.shape)
    forward = np.where(degenerate, image_top - z * -z[..., 1:2], forward)
    x = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=-2)


def angle_between(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the angle (...) in radians between vectors (..., 3); exact for small angles too."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.arctan2(cross, (first * second).sum(-1)))
