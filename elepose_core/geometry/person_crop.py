# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The square of the picture that networks which look at a person are given."""

import numpy as np
from numpy.typing import NDArray

__all__ = ['CROP_MARGIN', 'crop_from_pixels', 'person_squares']

Array = NDArray[np.float64]

# Side of the square over the longer side of the box round the keypoints: skin lies outside.
CROP_MARGIN = 1.25


def person_squares(keypoints_px: Array, seen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return centres (N, 2) and sides (N,) of squares round people, pixels.

    Args:
        keypoints_px: (N, J, 2).
        seen: (N, J) which of them count; somebody with none gets NaN.
    """
    low = np.where(seen[..., None], keypoints_px, np.inf).min(1)
    high = np.where(seen[..., None], keypoints_px, -np.inf).max(1)
    box = np.where(np.isfinite(high), high - low, np.nan)
    # Somebody seen as a point still gets a square that can be enlarged.
    sides = CROP_MARGIN * np.maximum(box.max(-1), 1.0)
    return low + box / 2, sides


def crop_from_pixels(centres_px: Array, sides_px: Array, crop_side: int) -> Array:
    """Return the affine maps (N, 2, 3) from pixels of the picture to pixels of its crops.

    Args:
        centres_px: (N, 2) from `person_squares`.
        sides_px: (N,) likewise.
        crop_side: Pixels of a crop; the square's edges lie on its outer edges.
    """
    scale = crop_side / sides_px
    maps = np.zeros((len(sides_px), 2, 3))
    maps[:, 0, 0] = maps[:, 1, 1] = scale
    # The centre of the first pixel is at 0, its outer edge at -0.5.
    maps[:, :, 2] = (crop_side - 1) / 2 - scale[:, None] * centres_px
    return maps
