# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Following people: each one is read again where the frame before had them, and closer."""

import math

import lap
import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.duplicates import similarity, without_duplicates
from elepose_core.detect.interface import Detection, check_rgb
from elepose_core.detect.movenet import MovenetMultipose

__all__ = ['REGION_LONG_SIDE', 'WHOLE_IMAGE_EVERY', 'RegionDetector']

# A region costs about 0.4 of the whole image at 384 px. Larger ones are no better: the network
# loses people who fill its picture (benchmarks/detector_photographs.py --roi).
REGION_LONG_SIDE = 224
# Somebody who comes into view is seen after at most so many frames.
WHOLE_IMAGE_EVERY = 10
# Added to each side of a person's box, in units of its longer side: room to move, and the share
# of the picture at which the network is at its best.
_MARGIN = 0.3
# A region that shifted with every keypoint would shake the keypoints in turn: its edges lie on a
# grid, whose step is a power of two at most this share of the longer side.
_GRID_SHARE = 0.25
# From frame to frame people move: this spread forgives a third of a body height.
_SPREAD_OF_MOTION = 0.25
_SAME_PERSON = 0.3
_LEAST_SCORE = 0.2
_LEAST_SIDE_PX = 16


class RegionDetector:
    """Reads a region per person instead of the whole image, where it knows of people.

    The whole image is read as well every `WHOLE_IMAGE_EVERY` frames, and in each frame in which
    somebody is not found again or nobody is known. It remembers the frame before: give it the
    frames of one camera, in order.
    """

    def __init__(self, network: MovenetMultipose) -> None:
        """Follow nobody yet."""
        self.layout = network.layout
        self._network = network
        self._people: list[Detection] = []
        self._frames_to_whole = 0

    def detect(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Return the people, those with the highest mean score first.

        Args:
            image_rgb: (H, W, 3) uint8 RGB of any size.

        Raises:
            InputError: The array is no such image.
        """
        check_rgb(image_rgb)
        people = self._followed(image_rgb)
        if not people or len(people) < len(self._people) or self._frames_to_whole == 0:
            people = _with_newcomers(people, self._network.detect(image_rgb))
            self._frames_to_whole = WHOLE_IMAGE_EVERY
        self._frames_to_whole -= 1
        self._people = people
        return people

    def _followed(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        again = (self._read_again(image_rgb, person) for person in self._people)
        return _distinct([person for person in again if person is not None])

    def _read_again(self, image_rgb: NDArray[np.uint8], person: Detection) -> Detection | None:
        """Return the same person in this frame; None where nobody is like them."""
        height, width = image_rgb.shape[:2]
        left, upper, right, lower = _region(person, width, height)
        if min(right - left, lower - upper) < _LEAST_SIDE_PX:
            return None
        seen = self._network.read(image_rgb[upper:lower, left:right], REGION_LONG_SIDE)
        corner = np.array([left, upper], np.float32)
        in_image = [Detection(k + corner, s) for k, s in seen]
        alike = [similarity(person, d, _SPREAD_OF_MOTION) for d in in_image]
        if max(alike, default=0.0) < _SAME_PERSON:
            return None
        return in_image[int(np.argmax(alike))]


def _region(person: Detection, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, upper, right and lower edge in whole pixels, cut off at the image's border."""
    sure = person.scores >= _LEAST_SCORE
    points_px = person.keypoints_px[sure] if sure.any() else person.keypoints_px
    low, high = points_px.min(0), points_px.max(0)
    longer = max(float((high - low).max()), 1.0)
    step = 2.0 ** math.floor(math.log2(_GRID_SHARE * longer))
    first = np.floor((low - _MARGIN * longer) / step) * step
    last = np.ceil((high + _MARGIN * longer) / step) * step
    left, upper, right, lower = np.concatenate([first, last]).clip(0, [width, height] * 2)
    return int(left), int(upper), int(right), int(lower)


def _with_newcomers(followed: list[Detection], whole: list[Detection]) -> list[Detection]:
    """Add those whom only the whole image shows; a person seen twice stays as followed.

    From afar the two readings of one person may differ more than `without_duplicates` forgives,
    so they are paired off first.
    """
    alike = np.array([[similarity(f, w, _SPREAD_OF_MOTION) for w in whole] for f in followed])
    known = set()
    if alike.size:
        pairs = lap.lapjvx(-alike, extend_cost=True, return_cost=False)
        known = {j for i, j in zip(*pairs, strict=True) if alike[i, j] >= _SAME_PERSON}
    return _distinct([*followed, *(d for j, d in enumerate(whole) if j not in known)])


def _distinct(people: list[Detection]) -> list[Detection]:
    return without_duplicates(sorted(people, key=lambda person: -float(person.scores.mean())))
