# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What passes from the detector's half of the way to the lifter's half."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from elepose_core.runtime.people import People2D

__all__ = ['Frame']


@dataclass(frozen=True)
class Frame:
    """Keypoints of all people in one image.

    Attributes:
        header: The header of the image, unchanged.
        people: Keypoints.
        width: Image width, px; 0 = not known.
        height: Image height, px; 0 = not known.
        arrived_s: When the message came in, on the clock of time.perf_counter.
        rgb: (H, W, 3) uint8, the image; None = it did not come here, or nobody looks at it.
    """

    header: Header
    people: People2D
    width: int
    height: int
    arrived_s: float
    rgb: NDArray[np.uint8] | None = None
