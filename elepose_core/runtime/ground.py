# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How far people are by the ground under their feet and a camera at a known height above it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.averaging import MOST_NEARER
from elepose_core.skeleton import H36M_17

__all__ = ['GroundScale', 'scale_by_ground']

Array = NDArray[np.float64]

# Ankles stand so high above the ground, as a share of the stature: 0.039 barefoot (Drillis and
# Contini, 1966) and a sole of 2 cm; heels, tiptoe and where a detector marks them make it scatter.
_ANKLE_SHARE = 0.05
_ANKLE_SPREAD = 0.012
# Who walks has one foot in the air; feet that differ by less than so much both stand.
_FOOT_SHARE = 0.03
_PIXEL_SIGMA_PX = 1.5
# A joint's error is long along the viewing ray and short across it: standard deviations as shares
# of the radius that holds 68 %.
_ALONG_RAY, _ACROSS_RAY = 0.9, 0.35
_ANKLES = [H36M_17.index('left_ankle'), H36M_17.index('right_ankle')]


class GroundScale(NamedTuple):
    """Scale of N people by the ground, relative to what was expected.

    Attributes:
        inverse: (N,) expected scale over that of the ground: 1 = as expected, 2 = half as far
            away, 0 or less = the feet are seen above the horizon. Its error is normal, that of a
            distance is not: under the horizon it has no end.
        gradient: (N, 3) of `inverse` by the camera's elevation and roll (1 / rad) and by the
            relative error of its height, which all people have in common.
        variance: (N,) of what each person adds: joints, pixels, feet; infinite = feet not seen,
            or no ratio that a person could have.
    """

    inverse: Array
    gradient: Array
    variance: Array


def scale_by_ground(
    joints_m: Array,
    sigma_m: Array,
    seen: NDArray[np.bool_],
    stature_m: float,
    camera: tuple[float, float, float, float],
) -> GroundScale:
    """Compare the depth of the ground under people with the height of the camera above it.

    With the feet d below the camera, measured against gravity, and the ankles a above the ground,
    everything is (d + a) / height times too far: a ratio of lengths, for a person of any stature.

    Args:
        joints_m: (N, 17, 3) camera frame, scaled to `stature_m`.
        sigma_m: (N, 17) radii of their errors relative to the root.
        seen: (N, 17) joints that are not a guess.
        stature_m: Stature that the joints are scaled to, metres.
        camera: Elevation and roll (rad), height (m) and focal length (px).
    """
    elevation, roll, height_m, focal_px = camera
    feet, feet_seen = joints_m[:, _ANKLES], seen[:, _ANKLES]
    drop_m = -(feet @ up_cam_from_elevation(elevation, roll))
    lowest_m = np.where(feet_seen, drop_m, -np.inf).max(1, keepdims=True)
    nearness = (drop_m - np.where(np.isfinite(lowest_m), lowest_m, 0)) / (_FOOT_SHARE * stature_m)
    weight = np.where(feet_seen, np.exp(np.minimum(nearness, 0)), 0.0)
    weight = weight / np.maximum(weight.sum(1, keepdims=True), 1e-9)
    foot_m = (weight[..., None] * feet).sum(1)
    inverse = ((weight * drop_m).sum(1) + _ANKLE_SHARE * stature_m) / height_m
    turns = -(foot_m @ _up_derivatives(elevation, roll)) / height_m
    distance_m = np.maximum(np.linalg.norm(foot_m, axis=1), 1e-9)
    steepness2 = ((weight * drop_m).sum(1) / distance_m) ** 2
    radius_m = (weight * sigma_m[:, _ANKLES]).sum(1)
    variance = (
        radius_m**2 * (_ALONG_RAY**2 * steepness2 + _ACROSS_RAY**2 * (1 - steepness2))
        + (_ANKLE_SPREAD * stature_m) ** 2
        + (distance_m * _PIXEL_SIGMA_PX / focal_px) ** 2
    ) / height_m**2
    return GroundScale(
        inverse,
        np.concatenate([turns, -inverse[:, None]], axis=1),
        np.where(feet_seen.any(1) & (np.abs(inverse) < MOST_NEARER), variance, np.inf),
    )


def _up_derivatives(elevation: float, roll: float) -> Array:
    """Return (3, 2): how up in the camera frame changes with elevation and with roll."""
    sin_e, cos_e = math.sin(elevation), math.cos(elevation)
    sin_r, cos_r = math.sin(roll), math.cos(roll)
    return np.array(
        [[sin_e * sin_r, -cos_e * cos_r], [sin_e * cos_r, cos_e * sin_r], [-cos_e, 0.0]]
    )
