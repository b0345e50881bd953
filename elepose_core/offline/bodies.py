# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies in files and pictures: stored small, read back, and painted over a frame."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.body.surface import faces_of, person_colour
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.geometry.shading import shaded
from elepose_core.opencv import opencv
from elepose_core.runtime.people import Skeleton3D
from elepose_core.runtime.predictor import MAX_VERTICES

__all__ = ['Bodies', 'bodies_of_extra', 'from_root', 'painted_over', 'stored']

_VERTICES, _BODY = 'lifted_vertices_m', 'lifted_body'
_OPACITY = 0.8
# Nearer than this OpenCV's fixed-point coordinates overflow and nobody stands.
_LEAST_DEPTH_M = 0.05
_FARTHEST_PX = 20_000
_SUBPIXEL_BITS = 3


class Bodies(NamedTuple):
    """Surfaces of N people.

    Attributes:
        vertices_cam_m: (N, V, 3) float32, camera frame; NaN = nobody.
        faces: (F, 3) vertices of each triangle.
    """

    vertices_cam_m: NDArray[np.float32]
    faces: NDArray[np.int32]


def from_root(
    vertices_cam_m: NDArray[np.float32], root_cam_m: NDArray[Any]
) -> NDArray[np.float16]:
    """Return vertices (..., V, 3) counted from the root (..., 3), half a millimetre fine."""
    root = np.asarray(root_cam_m, np.float32)
    return (vertices_cam_m - root[..., None, :]).astype(np.float16)


def stored(vertices_m: NDArray[np.float16], body: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that keep bodies in a PoseSet.

    `lifted_vertices_m` (N, V, 3) float16 counts from `lifted_root_cam_m`; NaN = nobody.
    `lifted_body` names the triangles.

    Args:
        vertices_m: (N, V, 3) of `from_root`.
        body: Name in the bundle's manifest.
    """
    return {_VERTICES: vertices_m, _BODY: np.array(body)}


def bodies_of_extra(extra: Mapping[str, NDArray[Any]], people: int, source: str) -> Bodies | None:
    """Read the bodies that a PoseSet keeps beside so many poses; None where it keeps none.

    Raises:
        InputError: The arrays do not fit each other, or the body is unknown.
    """
    if _VERTICES not in extra:
        return None
    vertices, name = np.asarray(extra[_VERTICES]), np.asarray(extra.get(_BODY, ''))
    root = np.asarray(extra.get('lifted_root_cam_m', np.zeros(0)))
    fits = vertices.ndim == 3 and vertices.shape[::2] == (people, 3)
    if not fits or vertices.shape[1] > MAX_VERTICES or vertices.dtype.kind != 'f':
        raise InputError(
            f'{source}: {_VERTICES} has shape {vertices.shape} and type {vertices.dtype}; '
            f'expected ({people}, up to {MAX_VERTICES}, 3) of a float type'
        )
    if root.shape != (people, 3) or root.dtype.kind != 'f':
        raise InputError(
            f'{source}: {_VERTICES} is there, but lifted_root_cam_m has shape {root.shape} and '
            f'type {root.dtype}; expected ({people}, 3) of a float type'
        )
    if name.ndim or name.dtype.kind != 'U':
        raise InputError(f'{source}: {_BODY} is no text; expected the name of a body')
    faces = faces_of(str(name), vertices.shape[1])
    with np.errstate(over='ignore', invalid='ignore'):  # what becomes infinite is nobody
        placed = vertices.astype(np.float32) + root.astype(np.float32)[:, None]
    placed[~np.isfinite(placed).all((1, 2))] = np.nan
    return Bodies(placed, faces)


def painted_over(
    rgb: NDArray[np.uint8],
    skeletons: Sequence[Skeleton3D],
    camera: Camera,
    faces: NDArray[np.int32],
) -> NDArray[np.uint8]:
    """Return a copy of a frame with the bodies in it, each in a colour of its own.

    Args:
        rgb: (H, W, 3) RGB.
        skeletons: People with vertices; the far ones are painted first.
        camera: That of the frame.
        faces: Triangles.
    """
    cv2 = opencv('drawing')
    picture = np.array(rgb, np.uint8, order='C')
    for person in sorted(skeletons, key=lambda s: -float(np.linalg.norm(s.root_cam_m))):
        vertices = person.vertices_cam_m.astype(np.float64)
        pixels = project(np.where(vertices[:, 2:] > _LEAST_DEPTH_M, vertices, np.nan), camera)
        pixels = np.where(np.abs(pixels) < _FARTHEST_PX, pixels, np.nan)
        triangles = pixels[faces]
        drawable = np.isfinite(triangles).all((1, 2))
        order, brightness = shaded(vertices[faces[drawable]])
        fixed = np.rint(triangles[drawable][order] * 2**_SUBPIXEL_BITS).astype(np.int32)
        colours = 255 * brightness[:, None] * np.array(person_colour(person.track))
        for triangle, colour in zip(fixed, colours.tolist(), strict=True):
            cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(
        cv2.addWeighted(picture, _OPACITY, np.ascontiguousarray(rgb), 1 - _OPACITY, 0)
    )
