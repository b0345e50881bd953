# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Small vectors, faster than by numpy's general functions."""

import numpy as np
from numpy.typing import NDArray

__all__ = ['cross']

Array = NDArray[np.float64]

_NEXT = [1, 2, 0]


def cross(first: Array, second: Array) -> Array:
    """Return the vector product (..., 3); numpy's own takes several times as long."""
    product = first * second[..., _NEXT] - first[..., _NEXT] * second
    return np.asarray(product[..., _NEXT])
