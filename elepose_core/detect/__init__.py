# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""2D detectors: an RGB image to the keypoints of all people in it.

Every backend answers through `Detector`. Which one runs is the caller's word: a backend that is
not installed, or has no model file, is an error at the start and never replaced by another.
"""

from collections.abc import Callable

from elepose_core.detect.interface import Detection, Detector, DetectorOptions
from elepose_core.detect.mediapipe_backend import MediapipeDetector
from elepose_core.detect.movenet import MovenetMultipose
from elepose_core.detect.regions import RegionDetector
from elepose_core.detect.rtmlib_backend import RtmlibDetector
from elepose_core.errors import InputError

__all__ = ['DETECTORS', 'Detection', 'Detector', 'DetectorOptions', 'make_detector']

_CONSTRUCTORS: dict[str, Callable[[DetectorOptions], Detector]] = {
    'movenet_multipose': MovenetMultipose,
    'rtmlib': RtmlibDetector,
    'mediapipe': MediapipeDetector,
}
DETECTORS = tuple(_CONSTRUCTORS)


def make_detector(name: str, options: DetectorOptions | None = None) -> Detector:
    """Make a detector by name.

    Args:
        name: One of `DETECTORS`. 'none', which stands for a robot that brings its own keypoints,
            makes no detector: the caller takes keypoints instead.
        options: Settings; None for the defaults.

    Raises:
        InputError: The name is unknown, a model file is missing or wrong, or the detector has no
            regions of interest.
        MissingDependency: The backend's package is not installed.
    """
    if name == 'none':
        raise InputError(
            "detector is 'none', which makes no detector; feed keypoints instead of images, or "
            f'choose one of {", ".join(DETECTORS)}'
        )
    if name not in _CONSTRUCTORS:
        raise InputError(f'detector is {name!r}; expected none or one of {", ".join(DETECTORS)}')
    options = options or DetectorOptions()
    if not options.roi:
        return _CONSTRUCTORS[name](options)
    if name != 'movenet_multipose':
        raise InputError(f'roi is True; expected False with detector {name}')
    return RegionDetector(MovenetMultipose(options))
