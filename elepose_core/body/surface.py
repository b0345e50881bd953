# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a drawing of bodies needs: vertices over time, triangles by name, a colour by person."""

import colorsys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError, shown

__all__ = ['MovingBodies', 'faces_of', 'person_colour']

_FOLDER = Path(__file__).parent
# Successive hues lie far apart: the golden section of the circle.
_HUE_STEP = 0.618034
_SATURATION, _VALUE = 0.55, 0.95


class MovingBodies(NamedTuple):
    """Surfaces of P people in F frames.

    Attributes:
        vertices_cam_m: (F, P, V, 3) float32 metres, optical frame, NaN = nobody.
        faces: (T, 3) triangles between the vertices.
        person: (F, P) number of the person, which stays and tells the colour; -1 = nobody.
    """

    vertices_cam_m: NDArray[np.float32]
    faces: NDArray[np.int32]
    person: NDArray[np.int64]


@lru_cache(maxsize=8)
def faces_of(body: str, vertices: int) -> NDArray[np.int32]:
    """Return the triangles (F, 3) of a body that the package brings, as numbers of vertices.

    They turn counter-clockwise as seen from outside.

    Args:
        body: Name that a bundle's manifest gives.
        vertices: How many there are.

    Raises:
        InputError: The package brings no such body, or one of other vertices.
    """
    known = sorted(path.stem for path in _FOLDER.glob('*.npz'))
    if body not in known:
        raise InputError(
            f'body is {shown(body)}; expected one that this version of elepose brings: '
            f'{", ".join(known) or "none"}'
        )
    with np.load(_FOLDER / f'{body}.npz', allow_pickle=False) as file:
        faces = np.asarray(file['faces'], np.int32)
    if faces.max(initial=-1) + 1 != vertices:
        raise InputError(
            f'body {body} has {faces.max(initial=-1) + 1} vertices; found {vertices} of them'
        )
    faces.flags.writeable = False
    return faces


def person_colour(number: int) -> tuple[float, float, float]:
    """Return red, green and blue, 0..1; persons with different numbers can be told apart."""
    return colorsys.hsv_to_rgb(number * _HUE_STEP % 1.0, _SATURATION, _VALUE)
