# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh painted into a picture: triangles from far to near, with OpenCV."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.opencv import opencv

__all__ = ['face_normals', 'paint_mesh']

Array = NDArray[np.float64]

# Fractional bits of OpenCV's coordinates: a sixteenth of a pixel.
_BITS = 4
# Nearer than this a triangle touches the lens and has no picture.
_NEAREST = 1e-3
# Far outside the picture OpenCV's fixed-point coordinates would overflow.
_FARTHEST_PX = 20_000.0


def face_normals(vertices: Array, faces: NDArray[np.integer]) -> Array:
    """Return outward unit normals (F, 3) of triangles that run counter-clockwise from outside."""
    first, second, third = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(second - first, third - first)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)[:, None])


def paint_mesh(
    picture: NDArray[np.uint8],
    vertices: Array,
    points_px: Array,
    faces: NDArray[np.integer],
    colours: NDArray[np.uint8],
) -> None:
    """Paint a closed mesh over a picture; what is in front hides what is behind.

    Whole triangles are sorted by their distance, which suffices where they are small; those that
    look away from the camera are left out.

    Args:
        picture: (H, W, 3), changed in place.
        vertices: (V, 3) in the camera frame.
        points_px: (V, 2) where they are in the picture; (0, 0) is the centre of the first pixel.
        faces: (F, 3) vertices of each triangle, counter-clockwise seen from outside.
        colours: (F, 3) of each triangle, channels as in the picture.
    """
    cv2 = opencv('painting a mesh')
    corners = vertices[faces]
    middle = corners.mean(1)
    facing = (face_normals(vertices, faces) * middle).sum(1) < 0
    points = points_px[faces]
    drawable = facing & (corners[..., 2] > _NEAREST).all(1)
    drawable &= (np.abs(np.nan_to_num(points, nan=np.inf)) < _FARTHEST_PX).all((1, 2))
    rows = np.flatnonzero(drawable)
    rows = rows[np.argsort(-np.linalg.norm(middle[rows], axis=1))]
    fixed = np.round(points[rows] * (1 << _BITS)).astype(np.int32)
    for triangle, colour in zip(fixed, colours[rows].tolist(), strict=True):
        cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_8, _BITS)
