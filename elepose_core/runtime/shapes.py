# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People whom the lifter knows up to one scale, and what ground and depth say of that scale."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.depth import MeasuredScale, scale_by_depth
from elepose_core.runtime.ground import GroundScale, scale_by_ground
from elepose_core.runtime.people import Elevation, Surroundings

__all__ = ['Shapes']

Array = NDArray[np.float64]

# A lifted person seems a little taller or shorter than they are, the more so the less certain the
# joints are: relative deviation, and per mean sigma of the joints over the stature (on val).
_SHAPE_SPREAD, _SHAPE_SHARE = 0.012, 0.8


class Shapes(NamedTuple):
    """N people whom the lifter knows up to one scale, scaled to the assumed stature.

    Attributes:
        joints_m: (N, 17, 3) float64, camera frame.
        sigma_m: (N, 17) radii of error.
        seen: (N, 17) joints that are not a guess.
        keypoints_px: (N, 17, 2) where they were seen, NaN = not seen.
        stature_m: What they are scaled to.
    """

    joints_m: Array
    sigma_m: Array
    seen: NDArray[np.bool_]
    keypoints_px: NDArray[np.float32]
    stature_m: float

    def by_ground(
        self, camera: Camera, elevation: Elevation | None, surroundings: Surroundings
    ) -> GroundScale | None:
        """Return what the ground says; None until tilt and height of the camera are known."""
        if elevation is None or not elevation.converged or not surroundings.camera_height_m:
            return None
        focal_px = math.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1])
        height_m = surroundings.camera_height_m
        return scale_by_ground(
            self.joints_m,
            self.sigma_m,
            self.seen,
            self.stature_m,
            (elevation.elevation_rad, elevation.roll_rad, height_m, focal_px),
        )

    def by_depth(self, camera: Camera, surroundings: Surroundings) -> MeasuredScale | None:
        """Return what the depth image says; None without one."""
        if surroundings.depth is None:
            return None
        return scale_by_depth(
            self.joints_m,
            self.sigma_m,
            self.keypoints_px,
            surroundings.depth,
            (camera.width, camera.height),
        )

    def variance(self) -> Array:
        """Return (N,) by how much the lifter misjudges the stature, relative."""
        share = self.sigma_m.mean(1) / self.stature_m
        return np.asarray(_SHAPE_SPREAD**2 + (_SHAPE_SHARE * share) ** 2)
