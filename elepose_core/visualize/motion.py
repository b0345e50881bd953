# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What the figures show: people over time, turned upright."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from elepose_core.body.surface import MovingBodies
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import level_from_camera
from elepose_core.skeleton import H36M_17, Skeleton

__all__ = [
    'LEFT_COLOUR',
    'MIDDLE_COLOUR',
    'RIGHT_COLOUR',
    'SIDES',
    'Motion',
    'Still',
    'bones_by_side',
]

LEFT_COLOUR, RIGHT_COLOUR, MIDDLE_COLOUR = '#d95f02', '#1f78b4', '#555555'
SIDES = {'left': LEFT_COLOUR, 'right': RIGHT_COLOUR, 'middle': MIDDLE_COLOUR}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Still:
    """A camera frame with its detections.

    Attributes:
        frame: Position in the `Motion`.
        image_rgb: (H, W, 3) uint8.
        keypoints_px: (K, J, 2) of K people, NaN = missing.
        skeleton: Layout of the keypoints.
    """

    frame: int
    image_rgb: NDArray[np.uint8]
    keypoints_px: Array
    skeleton: Skeleton


@dataclass(frozen=True)
class Motion:
    """People of one recording over F frames, in P places (one for each track).

    Attributes:
        title: Shown above the figures.
        time_s: (F,) seconds from the start.
        joints_cam_m: (F, P, 17, 3) metres, optical frame, NaN = not there.
        up_cam: (F, 3) unit vectors against gravity, NaN = unknown.
        elevation_rad: (F,) camera elevation, NaN = unknown.
        stills: Frames to show beside the skeletons.
        bodies: Surfaces of the people; None = none at all.
    """

    title: str
    time_s: Array
    joints_cam_m: Array
    up_cam: Array
    elevation_rad: Array
    stills: tuple[Still, ...] = field(default=())
    bodies: MovingBodies | None = None

    def __post_init__(self) -> None:
        frames = len(self.time_s)
        shape = self.joints_cam_m.shape
        if len(shape) != 4 or (shape[0], shape[2:]) != (frames, (len(H36M_17), 3)):
            raise InputError(f'joints_cam_m has shape {shape}; expected ({frames}, people, 17, 3)')
        if self.up_cam.shape != (frames, 3) or self.elevation_rad.shape != (frames,):
            raise InputError(
                f'up_cam {self.up_cam.shape} and elevation_rad {self.elevation_rad.shape} '
                f'do not go with {frames} frames'
            )
        if not np.isfinite(self.joints_cam_m).all(axis=-1).any():
            raise InputError(f'{self.title}: there is no joint to show')
        if self.bodies is not None and self.bodies.vertices_cam_m.shape[:2] != shape[:2]:
            raise InputError(
                f'vertices_cam_m has shape {self.bodies.vertices_cam_m.shape}; '
                f'expected ({shape[0]}, {shape[1]}, vertices, 3)'
            )

    @property
    def is_level(self) -> bool:
        """Gravity is known, so that up can be up."""
        return bool(np.isfinite(self.up_cam).all(axis=-1).any())

    def joints_level_m(self) -> Array:
        """Return the joints (F, P, 17, 3) with x forward, y left, z up and the camera at 0.

        One direction, the mean over the recording, levels all frames: a figure that rocked with
        the estimate of each frame would hide what the people do. Unknown gravity leaves the
        image's top as up.
        """
        return np.asarray(self.joints_cam_m @ self._level_from_camera().T)

    def bodies_level_m(self, frame: int) -> dict[int, Array]:
        """Return the vertices (V, 3) of those who have a body in a frame, by their place."""
        if self.bodies is None:
            return {}
        vertices = np.asarray(self.bodies.vertices_cam_m[frame] @ self._level_from_camera().T)
        return {place: v for place, v in enumerate(vertices) if np.isfinite(v).all()}

    def _level_from_camera(self) -> Array:
        up = np.nanmean(self.up_cam, axis=0) if self.is_level else np.array([0.0, -1.0, 0.0])
        return level_from_camera(up)


def bones_by_side(skeleton: Skeleton) -> dict[str, list[tuple[int, int]]]:
    """Return the bones of the left, the right and the middle; a bone belongs to its child."""
    side = dict.fromkeys(skeleton.left, 'left') | dict.fromkeys(skeleton.right, 'right')
    bones: dict[str, list[tuple[int, int]]] = {name: [] for name in SIDES}
    for parent, child in skeleton.bones:
        bones[side.get(child, 'middle')].append((parent, child))
    return bones
