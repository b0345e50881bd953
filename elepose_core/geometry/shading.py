# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles as a painter needs them: the far ones first, each as bright as it faces the viewer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ['Shaded', 'shaded']

Array = NDArray[np.float64]

# Of a triangle that is seen edge on.
_LEAST_BRIGHTNESS = 0.35


class Shaded(NamedTuple):
    """Triangles in the order of painting.

    Attributes:
        order: (F,) the farthest first.
        brightness: (F,) 0.35..1 in that order.
    """

    order: NDArray[np.int64]
    brightness: Array


def shaded(corners: Array, viewer: Array | None = None) -> Shaded:
    """Sort triangles for painting and light them from the viewer.

    Which side is outside does not matter: what faces away is painted over.

    Args:
        corners: (F, 3, 3) each triangle's corners.
        viewer: (3,) unit vector towards a viewer who is far away; None = the viewer is at 0.
    """
    centre = corners.mean(1)
    towards = -centre if viewer is None else np.broadcast_to(viewer, centre.shape)
    nearness = -np.linalg.norm(centre, axis=1) if viewer is None else np.asarray(centre @ viewer)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1) * np.linalg.norm(towards, axis=1)
    facing = np.abs((normal * towards).sum(1)) / np.maximum(length, 1e-12)
    order = np.argsort(nearness, kind='stable')
    brightness = _LEAST_BRIGHTNESS + (1 - _LEAST_BRIGHTNESS) * np.minimum(facing, 1.0)
    return Shaded(order, brightness[order])
