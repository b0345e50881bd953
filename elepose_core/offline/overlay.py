# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints drawn over the picture they were found in."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from elepose_core.opencv import opencv
from elepose_core.runtime.people import Person2D, Skeletons3D
from elepose_core.skeleton import H36M_17

__all__ = ['drawn_over']

# RGB; the same for everybody, because left and right are what one looks for.
_LEFT = (30, 120, 255)
_RIGHT = (255, 70, 50)
_MIDDLE = (60, 200, 80)
_TEXT = (255, 255, 255)
# Far outside the picture OpenCV's fixed-point coordinates would overflow.
_FARTHEST_PX = 20_000


def drawn_over(
    rgb: NDArray[np.uint8], people: Iterable[Person2D], skeletons: Skeletons3D
) -> NDArray[np.uint8]:
    """Return a copy of the picture with bones, identities and the camera's elevation.

    Left is blue and right is red, of the person and not of the picture.

    Args:
        rgb: (H, W, 3) RGB.
        people: Keypoints in layout H36M_17, those of `skeletons` in the same order.
        skeletons: What was made of them.
    """
    cv2 = opencv('drawing')
    picture = np.array(rgb, np.uint8, order='C')
    unit = max(1, round(max(picture.shape[:2]) / 400))
    for person, skeleton in zip(people, skeletons.skeletons, strict=True):
        points = person.keypoints_px
        drawable = np.asarray((np.abs(np.nan_to_num(points, nan=np.inf)) < _FARTHEST_PX).all(-1))
        for parent, child in H36M_17.bones:
            if drawable[parent] and drawable[child]:
                colour = _colour(H36M_17.joint_names[child])
                ends = (_pixel(points[parent]), _pixel(points[child]))
                cv2.line(picture, *ends, colour, unit + 1, cv2.LINE_AA)
        for joint in np.flatnonzero(drawable):
            colour = _colour(H36M_17.joint_names[joint])
            cv2.circle(picture, _pixel(points[joint]), unit + 2, colour, -1, cv2.LINE_AA)
        if drawable.any():
            distance_m = float(np.linalg.norm(skeleton.root_cam_m))
            text = f'{skeleton.id}  {distance_m:.1f} m'
            _write(picture, text, _place_of_label(points, drawable), unit)
    if skeletons.elevation is not None:
        degrees = math.degrees(skeletons.elevation.elevation_rad)
        direction = 'down' if degrees >= 0 else 'up'
        text = f'camera looks {abs(degrees):.1f} deg {direction}'
        _write(picture, text, (6 * unit, picture.shape[0]), unit)
    return picture


def _place_of_label(
    points_px: NDArray[np.float32], drawable: NDArray[np.bool_]
) -> tuple[int, int]:
    """Return the head, or the highest joint where the head is not seen."""
    head = H36M_17.index('head_top')
    if drawable[head]:
        return _pixel(points_px[head])
    return _pixel(points_px[drawable][points_px[drawable][:, 1].argmin()])


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], unit: int) -> None:
    """Write a line just above a place, or as near as the picture's borders allow."""
    cv2 = opencv('drawing')
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.35 * unit
    (width, height), _ = cv2.getTextSize(text, font, size, unit)
    right, bottom = picture.shape[1] - width - unit, picture.shape[0] - 4 * unit
    at = (max(unit, min(at[0], right)), max(height + unit, min(at[1] - 6 * unit, bottom)))
    cv2.putText(picture, text, at, font, size, (0, 0, 0), unit + 2, cv2.LINE_AA)
    cv2.putText(picture, text, at, font, size, _TEXT, unit, cv2.LINE_AA)


def _colour(joint_name: str) -> tuple[int, int, int]:
    if joint_name.startswith('left'):
        return _LEFT
    return _RIGHT if joint_name.startswith('right') else _MIDDLE


def _pixel(point: NDArray[np.float32]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
