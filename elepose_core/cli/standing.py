# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody to try the lifter on where no data is at hand."""

import numpy as np

__all__ = ['STANDING']

# Normalised image coordinates (17, 2) of somebody who stands four metres away, in layout order.
STANDING = np.array(
    [
        *([0.0, 0.0], [-0.03, 0.0], [-0.03, 0.11], [-0.03, 0.22]),
        *([0.03, 0.0], [0.03, 0.11], [0.03, 0.22]),
        *([0.0, -0.06], [0.0, -0.12], [0.0, -0.15], [0.0, -0.18]),
        *([0.05, -0.12], [0.06, -0.05], [0.06, 0.01]),
        *([-0.05, -0.12], [-0.06, -0.05], [-0.06, 0.01]),
    ],
    dtype=np.float32,
)
STANDING.setflags(write=False)
