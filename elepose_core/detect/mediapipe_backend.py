# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's pose landmarker (BlazePose): 33 landmarks with feet; the user brings the model."""

import atexit
import importlib
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.duplicates import without_duplicates
from elepose_core.detect.interface import Detection, DetectorOptions, check_rgb, model_file
from elepose_core.detect.pixels import packed
from elepose_core.errors import InputError, MissingDependency
from elepose_core.skeleton import MEDIAPIPE_33

__all__ = ['MediapipeDetector']

# It may answer one person several times, so it is asked for more than one and thinned out.
_MOST_PEOPLE = 6


class MediapipeDetector:
    """Pose landmarker of MediaPipe Tasks on single images.

    It is made for one person near the camera and finds few others. MediaPipe chooses its threads
    itself.
    """

    layout = MEDIAPIPE_33.name

    def __init__(self, options: DetectorOptions) -> None:
        """Load the model.

        Raises:
            InputError: The model file is missing or MediaPipe refuses it.
            MissingDependency: MediaPipe is absent.
        """
        self._mediapipe, vision, tasks = _mediapipe()
        path = model_file(options.model_path, 'mediapipe', 'a pose landmarker model (.task)')
        settings = vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=_MOST_PEOPLE,
            min_pose_detection_confidence=options.min_person_score,
        )
        try:
            self._landmarker = vision.PoseLandmarker.create_from_options(settings)
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f'model_path is {path}, which MediaPipe refuses ({reason}); expected a pose '
                'landmarker model (.task)'
            ) from None
        _keep_exit_quiet(self._landmarker)

    def detect(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Return the people found, in MediaPipe's order.

        A landmark's score is its visibility.

        Raises:
            InputError: The array is no (H, W, 3) uint8 image.
        """
        check_rgb(image_rgb)
        height, width = image_rgb.shape[:2]
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB,
            data=np.ascontiguousarray(packed(image_rgb)),
        )
        people = self._landmarker.detect(image).pose_landmarks
        return without_duplicates([_detection(person, width, height) for person in people])


def _detection(landmarks: Any, width: int, height: int) -> Detection:
    """Read landmarks, whose coordinates are fractions of the image from edge to edge."""
    fractions = np.array([(landmark.x, landmark.y) for landmark in landmarks])
    scores = np.array([landmark.visibility for landmark in landmarks], np.float32)
    keypoints_px = fractions * [width, height] - 0.5
    return Detection(keypoints_px.astype(np.float32), scores.clip(0, 1))


def _keep_exit_quiet(landmarker: Any) -> None:
    """Let a landmarker that is still open when Python ends go with the process.

    Its own clean-up (seen with 1.2.2) wants threads that are stopped by then, and prints a
    traceback. Those that are dropped earlier close themselves well.
    """
    reference = weakref.ref(landmarker)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive._handle = None

    atexit.register(forget)


def _mediapipe() -> tuple[Any, Any, Any]:
    try:
        return (
            importlib.import_module('mediapipe'),
            importlib.import_module('mediapipe.tasks.python.vision'),
            importlib.import_module('mediapipe.tasks.python'),
        )
    except ImportError as error:
        raise MissingDependency(
            f'detector mediapipe needs the package mediapipe, which is not usable here ({error}); '
            'install it with "pip install mediapipe"'
        ) from None
