# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Laying pixels side by side in memory, as C++ libraries read them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ['packed']


def packed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an (H, W, 3) image whose pixels lie side by side within each row.

    Most images do and come back as they are. The others, such as colour beside a fourth channel
    or against its order in memory, are copied channel by channel: NumPy's own copy walks along the
    last axis, three bytes at a time, and needs some ten times as long.
    """
    if image.strides[1:] == (3, 1):
        return image
    copy = np.empty(image.shape, np.uint8)
    for channel in range(3):
        copy[..., channel] = image[..., channel]
    return copy
