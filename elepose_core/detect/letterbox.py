# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Fitting an image into a network's input, and the way of points back into the image.

Pixel coordinates count from the centre of the top left pixel, as camera matrices do: an image W
pixels wide spans -0.5..W-0.5. Network coordinates are fractions of the padded input from edge to
edge: 0..1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.pixels import packed
from elepose_core.opencv import opencv

__all__ = ['Letterbox']


@dataclass(frozen=True)
class Letterbox:
    """Resize by one factor to a long side, then fill up right and below to whole blocks.

    Attributes:
        image_width: Size of the image in pixels.
        image_height: As above.
        width: Size that the image is resized to.
        height: As above.
        padded_width: Size of the network's input, a multiple of the block.
        padded_height: As above.
    """

    image_width: int
    image_height: int
    width: int
    height: int
    padded_width: int
    padded_height: int

    @classmethod
    def of(cls, image_width: int, image_height: int, long_side: int, block: int) -> 'Letterbox':
        """Fit an image of this size; its aspect ratio is kept to half a pixel."""
        scale = long_side / max(image_width, image_height)
        width, height = (max(1, round(side * scale)) for side in (image_width, image_height))
        padded = (-(-side // block) * block for side in (width, height))
        return cls(image_width, image_height, width, height, *padded)

    def filled(self, image_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the network's input (padded_height, padded_width, 3), black beyond the image."""
        padded = np.zeros((self.padded_height, self.padded_width, 3), np.uint8)
        self._resize(image_rgb, padded[: self.height, : self.width])
        return padded

    def to_image_px(self, fractions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map points (..., 2), x and y as fractions of the padded input, to image pixels."""
        padded = np.array([self.padded_width, self.padded_height])
        per_pixel = np.array([self.image_width / self.width, self.image_height / self.height])
        return np.asarray(fractions * padded * per_pixel - 0.5, np.float32)

    def _resize(self, image_rgb: NDArray[np.uint8], out_rgb: NDArray[np.uint8]) -> None:
        """Resize into `out_rgb`, a part of the padded input, without another copy of the image.

        A resize treats channels alike, so the large image is read as it lies in memory and only
        the small result is put into order.
        """
        cv2 = opencv('detection')
        shrinks = self.width < self.image_width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        size = (self.width, self.height)
        if image_rgb.strides[2] == 0:
            small = cv2.resize(image_rgb[..., 0], size, interpolation=method)
            cv2.cvtColor(small, cv2.COLOR_GRAY2RGB, dst=out_rgb)
        elif image_rgb.strides[2] < 0:
            in_memory = packed(image_rgb[..., ::-1])
            small = cv2.resize(in_memory, size, interpolation=method)
            cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=out_rgb)
        else:
            cv2.resize(packed(image_rgb), size, dst=out_rgb, interpolation=method)
