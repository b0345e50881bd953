# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""RTMO and RTMPose models through rtmlib; the user brings the model files."""

import contextlib
import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.detect.duplicates import without_duplicates
from elepose_core.detect.interface import Detection, DetectorOptions, check_rgb, model_file
from elepose_core.detect.pixels import packed
from elepose_core.detect.sessions import open_session
from elepose_core.errors import InputError, MissingDependency
from elepose_core.opencv import opencv
from elepose_core.skeleton import COCO_17, HALPE_26

__all__ = ['RtmlibDetector']

_LAYOUTS = {len(layout): layout.name for layout in (COCO_17, HALPE_26)}


class RtmlibDetector:
    """One-stage RTMO, or RTMPose on the people that YOLOX finds.

    The layout is read from the model: 17 keypoints are COCO's, 26 are Halpe's.
    """

    layout: str

    def __init__(self, options: DetectorOptions) -> None:
        """Load the networks.

        Raises:
            InputError: A model file is missing or of another kind.
            MissingDependency: rtmlib or OpenCV is absent.
        """
        opencv('detector rtmlib')
        rtmlib = _rtmlib()
        self._options = options
        model = model_file(options.model_path, 'rtmlib', 'an RTMO or RTMPose model (.onnx)')
        self._finder = None
        if options.person_model_path is None:
            self._poser = self._open(rtmlib.RTMO, model)
        else:
            finder = model_file(
                options.person_model_path, 'rtmlib', 'a YOLOX model', 'person_model_path'
            )
            self._finder = self._open(rtmlib.YOLOX, finder)
            self._poser = self._open(rtmlib.RTMPose, model)
        joints = self._joints_of(model)
        if joints not in _LAYOUTS:
            raise InputError(
                f'model_path is {model}, a model of {joints} keypoints; expected 17 (COCO) or '
                '26 (Halpe)'
            )
        self.layout = _LAYOUTS[joints]

    def detect(self, image_rgb: NDArray[np.uint8]) -> list[Detection]:
        """Return all people, the surest first.

        The score of a person is RTMO's own; with RTMPose it is the mean over the keypoints.

        Raises:
            InputError: The array is no (H, W, 3) uint8 image.
        """
        check_rgb(image_rgb)
        image_bgr = np.ascontiguousarray(packed(image_rgb[..., ::-1]))
        if self._finder is None:
            return without_duplicates(self._one_stage(image_bgr))
        return without_duplicates(self._top_down(image_bgr))

    def _one_stage(self, image_bgr: NDArray[np.uint8]) -> list[Detection]:
        network_input, ratio = self._poser.preprocess(image_bgr)
        outputs = self._poser.inference(network_input)
        if outputs[0].shape[1] == 0:
            return []
        keypoints, scores = self._poser.postprocess(
            outputs, ratio, self._poser.nms_thr, self._options.min_person_score
        )
        # An image without people is answered with one person of score 0.
        return [_detection(k, s) for k, s in zip(keypoints, scores, strict=True) if s.any()]

    def _top_down(self, image_bgr: NDArray[np.uint8]) -> list[Detection]:
        boxes = self._finder(image_bgr) if self._finder else []
        # Without a box RTMPose would take the whole image for a person.
        if len(boxes) == 0:
            return []
        keypoints, scores = self._poser(image_bgr, bboxes=boxes)
        means = scores.mean(-1)
        order = np.argsort(-means, kind='stable')
        return [
            _detection(keypoints[i], scores[i])
            for i in order
            if means[i] >= self._options.min_person_score
        ]

    def _open(self, tool: Any, path: Path) -> Any:
        session = open_session(path, self._options.num_threads)
        shape = session.get_inputs()[0].shape
        if len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]):
            raise InputError(
                f'{path} has input {shape}; expected a {tool.__name__} model with input '
                '(1, 3, H, W) of fixed size'
            )
        height, width = shape[2:]
        # RTMPose names its size width first, the other two height first.
        size = (width, height) if tool.__name__ == 'RTMPose' else (height, width)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line per model
            loaded = tool(str(path), model_input_size=size, backend='onnxruntime', device='cpu')
        # rtmlib has no setting for threads.
        loaded.session = session
        return loaded

    def _joints_of(self, model: Path) -> int:
        """Return the number of keypoints; exported models do not always declare it."""
        _, _, height, width = self._poser.session.get_inputs()[0].shape
        outputs = self._poser.inference(np.zeros((height, width, 3), np.uint8))
        # RTMO gives boxes (1, N, 5) and poses (1, N, J, 3); RTMPose bins (1, J, bins) of x and y.
        ranks = [output.ndim for output in outputs]
        expected = [3, 4] if self._finder is None else [3, 3]
        if ranks != expected:
            kind = 'a one-stage RTMO' if self._finder is None else 'a top-down RTMPose'
            raise InputError(
                f'model_path is {model} with outputs of ranks {ranks}; expected {kind} model '
                '(RTMPose needs person_model_path, RTMO takes none)'
            )
        return int(outputs[1].shape[-2])


def _detection(keypoints_px: NDArray[Any], scores: NDArray[Any]) -> Detection:
    return Detection(keypoints_px.astype(np.float32), scores.astype(np.float32).clip(0, 1))


def _rtmlib() -> Any:
    try:
        return importlib.import_module('rtmlib')
    except ImportError as error:
        raise MissingDependency(
            f'detector rtmlib needs the package rtmlib, which is not usable here ({error}); '
            'install it with "pip install --no-deps rtmlib"'
        ) from None
