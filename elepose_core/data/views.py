# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From recordings of several fixed cameras to a `PoseSet`: one clip per recording and camera."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.camera import MAX_KEYPOINT_PX, Camera, rays_from_pixels
from elepose_core.geometry.elevation import elevation_from_up_cam, roll_from_up_cam

__all__ = [
    'Converted',
    'Progress',
    'View',
    'joined',
    'undistorted_px',
    'whole_stride',
    'without_truth',
]

T = TypeVar('T')
# (items, how many) -> the items; shows how far the work is while they are taken.
Progress: TypeAlias = Callable[[Iterable[T], int], Iterable[T]]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Converted:
    """Sets by the name of their file, and what to tell whoever asked for them."""

    sets: Mapping[str, PoseSet]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """One recording as one camera saw it.

    Attributes:
        camera: The camera; K counts, the lens is gone from the keypoints.
        keypoints_px: (N, 17, 2) without distortion.
        joints_cam_m: (N, 17, 3) truth, optical frame.
        frame_index: (N,) rising.
        subject: Name of the person.
        action: What is done.
        recording: Name of recording and camera.
        up_cam: (3,) unit vector against gravity in the optical frame, or None.
    """

    camera: Camera
    keypoints_px: Float32
    joints_cam_m: Float32
    frame_index: NDArray[np.int64]
    subject: str
    action: str
    recording: str
    up_cam: NDArray[np.float64] | None


def joined(views: Sequence[View], fps: float, description: str) -> PoseSet:
    """Make a set of all views, each a clip.

    Elevation and roll are left out when one of the views does not know up: an angle that is
    missing somewhere cannot be averaged.

    Args:
        views: At least one.
        fps: Frames per second of their `frame_index`.
        description: What the set is, for whoever finds the file.
    """
    counts = [len(view.frame_index) for view in views]
    clip = np.repeat(np.arange(len(views)), counts)
    cameras, camera_of_view = _different([view.camera for view in views])
    arrays: dict[str, Any] = {
        'keypoints_px': np.concatenate([view.keypoints_px for view in views]),
        'joints_cam_m': np.concatenate([view.joints_cam_m for view in views]),
        'frame_index': np.concatenate([view.frame_index for view in views]),
        'clip_index': clip,
        'camera_index': np.asarray(camera_of_view)[clip],
        'camera_matrix': np.stack([camera.matrix for camera in cameras]),
        'image_size': np.array([(camera.width, camera.height) for camera in cameras]),
        'fps': np.array(fps),
        'subject': np.array([view.subject for view in views]),
        'action': np.array([view.action for view in views]),
        'recording': np.array([view.recording for view in views]),
        'description': np.array(description),
    }
    ups = [view.up_cam for view in views if view.up_cam is not None]
    if len(ups) == len(views):
        arrays['elevation_rad'] = elevation_from_up_cam(ups)[clip].astype(np.float32)
        arrays['roll_rad'] = roll_from_up_cam(ups)[clip].astype(np.float32)
    return PoseSet.from_arrays(arrays, source=description)


def without_truth(poses: PoseSet) -> PoseSet:
    """Return the set as 2D keypoints alone."""
    return replace(poses, joints_cam_m=None, elevation_rad=None, roll_rad=None)


def undistorted_px(points_px: NDArray[Any], camera: Camera) -> Float32:
    """Return points (..., 2) as a camera of the same K without a lens would have them.

    NaN where the lens has no ray, or one that ends beyond what a keypoint can be.
    """
    rays = rays_from_pixels(points_px, camera)
    pixels = rays @ camera.matrix[:2, :2].T + camera.matrix[:2, 2]
    good = (np.abs(pixels) <= MAX_KEYPOINT_PX).all(-1, keepdims=True)
    return np.where(good, pixels, np.nan).astype(np.float32)


def _different(cameras: Sequence[Camera]) -> tuple[list[Camera], list[int]]:
    """Return each camera once, and which of them each was."""
    numbers: dict[tuple[Any, ...], int] = {}
    kept: list[Camera] = []
    which = []
    for camera in cameras:
        key = (*camera.matrix.ravel().tolist(), camera.width, camera.height)
        if key not in numbers:
            numbers[key] = len(kept)
            kept.append(camera)
        which.append(numbers[key])
    return kept, which


def whole_stride(recorded_fps: int, fps: int) -> int:
    """Return which multiple of frames to keep for another rate.

    Raises:
        InputError: There is none.
    """
    if fps < 1 or recorded_fps % fps:
        whole = ', '.join(str(n) for n in range(1, recorded_fps + 1) if recorded_fps % n == 0)
        raise InputError(f'fps is {fps}; expected one of {whole}')
    return recorded_fps // fps
