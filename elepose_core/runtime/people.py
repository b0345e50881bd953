# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What goes into the lifting of one frame and what comes out: plain values, no ROS."""

import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.runtime.depth import DepthImage

__all__ = [
    'LARGEST_HEIGHT_M',
    'LEAST_HEIGHT_M',
    'Elevation',
    'People2D',
    'Person2D',
    'ScaleSource',
    'Skeleton3D',
    'Skeletons3D',
    'Surroundings',
    'TiltStatus',
]

# Nobody is seen from lower, and a ratio to a height that is almost 0 has no end.
LEAST_HEIGHT_M = 0.01
LARGEST_HEIGHT_M = 1000.0


@dataclass(frozen=True)
class Person2D:
    """Keypoints of one person.

    Attributes:
        id: The upstream tracker's identity, '' where there is none.
        keypoints_px: (J, 2) float32 pixels, NaN = missing.
        scores: (J,) float32 in 0..1, 0 = missing.
    """

    id: str
    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class People2D:
    """All people of one frame.

    Attributes:
        stamp_ns: Time of the image, nanoseconds.
        layout: Key of `elepose_core.skeleton.LAYOUTS`.
        people: In the detector's order.
    """

    stamp_ns: int
    layout: str
    people: tuple[Person2D, ...]


@dataclass(frozen=True)
class Surroundings:
    """What is known of the place beside the keypoints; nothing of it is needed.

    Attributes:
        camera_height_m: Of the camera above the ground that people stand on, metres, at least
            `LEAST_HEIGHT_M`; 0 = unknown.
        camera_height_deviation_m: Standard deviation of that height, metres, > 0.
        depth: What a depth camera saw at the same time, aligned to the image of the keypoints.
        picture: (H, W, 3) uint8 RGB, the image of the keypoints, for a network that sees it.
    """

    camera_height_m: float = 0.0
    camera_height_deviation_m: float = 0.03
    depth: DepthImage | None = None
    picture: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        height, deviation = self.camera_height_m, self.camera_height_deviation_m
        if height != 0 and not LEAST_HEIGHT_M <= height <= LARGEST_HEIGHT_M:
            raise InputError(
                f'camera_height_m is {height}; expected 0 (unknown) or '
                f'{LEAST_HEIGHT_M}..{LARGEST_HEIGHT_M:g}'
            )
        if not 0 < deviation <= LARGEST_HEIGHT_M:
            raise InputError(
                f'camera_height_deviation_m is {deviation}; expected more than 0 and at most '
                f'{LARGEST_HEIGHT_M:g}'
            )


class ScaleSource(IntEnum):
    """Where the metric scale of a skeleton comes from; values are those of the message."""

    UNKNOWN = 0
    STATURE = 1
    GROUND = 2
    DEPTH = 3


@dataclass(frozen=True)
class Skeleton3D:
    """One lifted person in the camera's optical frame.

    Attributes:
        id: Upstream identity, or the own track's as text.
        track: Number of the track, >= 0; the same person keeps it from frame to frame.
        joints_cam_m: (17, 3) float32 metres, layout H36M_17; NaN = unknown.
        sigma_m: (17,) float32 metres, radius that holds 68 % of the errors relative to the root,
            0 for the root itself; NaN where the joint is NaN.
        scores: (17,) float32 of the 2D joints; 0 where the joint was not seen and is NaN.
        root_cam_m: (3,) float64 pelvis, metres.
        root_covariance_m2: (3, 3) float64.
        scale_source: What the scale rests on.
        plausibility: 0..1, share of usual poses that are less likely than this one.
        vertices_cam_m: (V, 3) float32 metres, the surface of the body; V = 0 where the model gives
            none or nobody asked for it. It moves with the smoothed root; its posture is that of
            this frame.
    """

    id: str
    track: int
    joints_cam_m: NDArray[np.float32]
    sigma_m: NDArray[np.float32]
    scores: NDArray[np.float32]
    root_cam_m: NDArray[np.float64]
    root_covariance_m2: NDArray[np.float64]
    scale_source: ScaleSource
    plausibility: float
    vertices_cam_m: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 3), np.float32)
    )


class TiltStatus(IntEnum):
    """How far the camera's tilt may be relied on; values are those of the message."""

    COLLECTING = 0
    CONVERGED = 1
    DISTURBED = 2


@dataclass(frozen=True)
class Elevation:
    """The camera's tilt as far as people have shown it.

    Attributes:
        elevation_rad: Positive = the camera looks down.
        roll_rad: Positive = the camera is turned clockwise, seen from behind.
        elevation_variance: rad^2 of the mean.
        roll_variance: rad^2 of the mean.
        up_cam: (3,) unit vector against gravity.
        samples: Lifted people that it rests on.
        converged: Up is known well enough to rely on; roll is not where the camera looks straight
            up or down. Never with an assumed camera.
        disturbed: The camera was moved a moment ago; what was known before is forgotten and the
            estimate starts anew. Never together with `converged`.
        starts: How often it started anew because the camera was moved.
    """

    elevation_rad: float
    roll_rad: float
    elevation_variance: float
    roll_variance: float
    up_cam: NDArray[np.float64]
    samples: int
    converged: bool
    disturbed: bool = False
    starts: int = 0

    @property
    def up_variance(self) -> float:
        """Return rad^2 of up in the direction in which it is known least.

        A camera that looks straight down has no roll, yet up may be known well.
        """
        level = math.cos(self.elevation_rad)
        return max(self.elevation_variance, self.roll_variance * level**2)

    @property
    def status(self) -> TiltStatus:
        """Say it in one word."""
        if self.disturbed:
            return TiltStatus.DISTURBED
        return TiltStatus.CONVERGED if self.converged else TiltStatus.COLLECTING


@dataclass(frozen=True)
class Skeletons3D:
    """Everything that one frame gave.

    Attributes:
        stamp_ns: That of the input.
        skeletons: One per lifted person, in the input's order.
        ended_tracks: Tracks that are gone since the frame before; their markers go.
        elevation: None before the first person.
        was_reset: Time jumped back: everything remembered was dropped before this frame.
        sources: Index in the input of each skeleton's person; not everybody is lifted.
    """

    stamp_ns: int
    skeletons: tuple[Skeleton3D, ...]
    ended_tracks: tuple[int, ...]
    elevation: Elevation | None
    was_reset: bool
    sources: tuple[int, ...]
