# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What every detector takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError

__all__ = ['Detection', 'Detector', 'DetectorOptions', 'check_rgb', 'model_file']

# What networks with a stride of 32 accept; below 256 people far away are lost, above 512 the
# time per image grows and nothing was found to be won.
_SIDE_STEP = 32
_LEAST_SIDE = 256
_GREATEST_SIDE = 512


class Detection(NamedTuple):
    """One person in one image.

    Attributes:
        keypoints_px: (J, 2) float32 in pixels of the image, (0, 0) = centre of the top left pixel;
            may lie outside the image.
        scores: (J,) float32 in 0..1, 0 = missing.
    """

    keypoints_px: NDArray[np.float32]
    scores: NDArray[np.float32]


class Detector(Protocol):
    """Finds people in an image.

    Attributes:
        layout: Key of `elepose_core.skeleton.LAYOUTS` that `detect` answers in.
    """

    layout: str

    def detect(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Return the people of an (H, W, 3) uint8 RGB image, the surest first."""
        ...


@dataclass(frozen=True)
class DetectorOptions:
    """Settings of all detectors; a detector leaves alone what does not concern it.

    Attributes:
        model_path: Local model file. None = the one in the package, which only
            `movenet_multipose` has.
        person_model_path: For `rtmlib` with a top-down RTMPose model: the YOLOX model that finds
            the people. None = `model_path` is a one-stage RTMO model.
        input_long_side: Long side of the picture that `movenet_multipose` sees, pixels; 256..512
            and a multiple of 32.
        num_threads: Threads of the network, 1..64.
        min_person_score: People below this score are left out, 0..1.
        roi: Follow people from frame to frame and read each one's region of interest again, see
            `regions.RegionDetector`; only for `movenet_multipose`.
    """

    model_path: Path | None = None
    person_model_path: Path | None = None
    input_long_side: int = 384
    num_threads: int = 1
    min_person_score: float = 0.2
    roi: bool = False

    def __post_init__(self) -> None:
        side = self.input_long_side
        if not _LEAST_SIDE <= side <= _GREATEST_SIDE or side % _SIDE_STEP:
            raise InputError(
                f'input_long_side is {side}; expected a multiple of {_SIDE_STEP} in '
                f'{_LEAST_SIDE}..{_GREATEST_SIDE}'
            )
        if not 1 <= self.num_threads <= 64:
            raise InputError(f'num_threads is {self.num_threads}; expected 1..64')
        if not 0 <= self.min_person_score <= 1:
            raise InputError(f'min_person_score is {self.min_person_score}; expected 0..1')


def check_rgb(image_rgb: NDArray[np.uint8]) -> None:
    """Raise InputError unless the image is (H, W, 3) uint8 with at least one pixel."""
    if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
        raise InputError(
            f'image is {image_rgb.dtype} of shape {image_rgb.shape}; expected uint8 (H, W, 3)'
        )
    if not image_rgb.size:
        raise InputError(
            f'image is {image_rgb.shape[1]}x{image_rgb.shape[0]} pixels; expected both > 0'
        )


def model_file(path: Path | None, backend: str, kind: str, field: str = 'model_path') -> Path:
    """Return a model file that exists.

    Backends are asked only after this: some try a download when a path is wrong.

    Raises:
        InputError: No path is given or no file is there.
    """
    if path is None:
        raise InputError(f'{field} is not set; detector {backend} needs {kind}')
    if not Path(path).is_file():
        raise InputError(f'{field} is {path}, which is not a file; expected {kind}')
    return Path(path)
