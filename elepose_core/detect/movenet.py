# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MoveNet MultiPose Lightning in onnxruntime: up to six people, COCO-17."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.duplicates import without_duplicates
from elepose_core.detect.interface import Detection, DetectorOptions, check_rgb, model_file
from elepose_core.detect.letterbox import Letterbox
from elepose_core.detect.sessions import open_session
from elepose_core.errors import InputError
from elepose_core.files import sha256_of
from elepose_core.opencv import opencv
from elepose_core.skeleton import COCO_17

__all__ = ['WEIGHTS_SHA256', 'MovenetMultipose']

WEIGHTS_SHA256 = '0360093c1d87bcc7463305200ca720b93094e81b63654ffd3a17f21eae2e0e9e'
_WEIGHTS = Path(__file__).parent / 'weights' / 'movenet-multipose-f16w.onnx'
_BLOCK = 32
_PEOPLE = 6
_JOINTS = len(COCO_17)
# y, x and score of each keypoint, then a box of four numbers and the person's score.
_ROW = 3 * _JOINTS + 5


class MovenetMultipose:
    """The detector inside the package.

    Each image is resized once, and the keypoints come back in its own pixels.
    """

    layout = COCO_17.name

    def __init__(self, options: DetectorOptions) -> None:
        """Load the network.

        Raises:
            InputError: The weights are missing, damaged or of another network.
            MissingDependency: OpenCV is absent.
        """
        opencv('detector movenet_multipose')
        if options.model_path is None:
            path = _packaged_weights()
        else:
            path = model_file(options.model_path, 'movenet_multipose', 'a MoveNet MultiPose model')
        self._options = options
        self._session = open_session(path, options.num_threads)
        _check_signature(self._session, path)
        self._input = self._session.get_inputs()[0].name

    def detect(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Return up to six people, the surest first.

        Args:
            image_rgb: (H, W, 3) uint8 RGB of any size.

        Raises:
            InputError: The array is no such image.
        """
        return self.read(image_rgb, self._options.input_long_side)

    def read(self, image_rgb: NDArray[np.uint8], long_side: int) -> list[Detection]:
        """Do what `detect` does at another size of the network's picture.

        Args:
            image_rgb: (H, W, 3) uint8 RGB of any size.
            long_side: Long side of the picture, pixels > 0; filled up to a multiple of 32.

        Raises:
            InputError: The array is no such image.
        """
        check_rgb(image_rgb)
        height, width = image_rgb.shape[:2]
        letterbox = Letterbox.of(width, height, long_side, _BLOCK)
        pixels = letterbox.filled(image_rgb).astype(np.int32)[None]
        rows: NDArray[np.float32] = self._session.run(None, {self._input: pixels})[0][0]
        return self._people(rows, letterbox)

    def _people(self, rows: NDArray[np.float32], letterbox: Letterbox) -> list[Detection]:
        people = rows[rows[:, -1] >= self._options.min_person_score]
        people = people[np.argsort(-people[:, -1], kind='stable')]
        joints = people[:, : 3 * _JOINTS].reshape(-1, _JOINTS, 3)
        keypoints_px = letterbox.to_image_px(joints[..., 1::-1])
        scores = joints[..., 2].clip(0, 1)
        return without_duplicates(
            [Detection(k, s) for k, s in zip(keypoints_px, scores, strict=True)]
        )


def _packaged_weights() -> Path:
    if not _WEIGHTS.is_file():
        raise InputError(f'{_WEIGHTS} is missing; install elepose again')
    found = sha256_of(_WEIGHTS)
    if found != WEIGHTS_SHA256:
        raise InputError(
            f'{_WEIGHTS} is damaged: sha256 is {found}, expected {WEIGHTS_SHA256}; '
            'install elepose again'
        )
    return _WEIGHTS


def _check_signature(session: Any, path: Path) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes = [(i.type, len(i.shape), i.shape[-1]) for i in inputs]
    gives = [(o.type, list(o.shape)) for o in outputs]
    if takes != [('tensor(int32)', 4, 3)] or gives != [('tensor(float)', [1, _PEOPLE, _ROW])]:
        raise InputError(
            f'{path} takes {takes} and gives {gives}; expected MoveNet MultiPose: '
            f'int32 (1, H, W, 3) to float (1, {_PEOPLE}, {_ROW})'
        )
