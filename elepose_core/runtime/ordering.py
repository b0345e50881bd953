# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A second network, which sees the picture: how deep each joint of a person lies."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elepose_core.bundle import Manifest, open_bundle
from elepose_core.errors import InputError, shown
from elepose_core.geometry.person_crop import crop_from_pixels, person_squares
from elepose_core.opencv import opencv
from elepose_core.runtime.backends.interface import Float32, Graph
from elepose_core.runtime.backends.onnxruntime_backend import OnnxruntimeBackend
from elepose_core.skeleton import H36M_17

__all__ = ['MAX_CROP_SIDE', 'Ordering', 'person_crops']

METHOD = 'wsp'
MAX_CROP_SIDE = 512
_LEAST_CROP_SIDE = 16
# A large person is read this many times as finely as the network wants it, then averaged.
_FINEST = 8
# OpenCV warps no larger pictures.
_LARGEST_SIDE = 32_000


class Ordering:
    """Tells how deep joints lie; needs numpy, OpenCV and onnxruntime."""

    def __init__(self, model: str | Path, threads: int = 1) -> None:
        """Open a bundle and load its graph.

        Args:
            model: Path of a bundle of the method `wsp`.
            threads: For one call.

        Raises:
            InputError: The bundle is absent, damaged, of another method, or its graph has other
                inputs and outputs.
            MissingDependency: OpenCV is not installed.
        """
        opencv('cutting people out of pictures')
        bundle = open_bundle(model)
        self.manifest: Manifest = bundle.manifest
        if (bundle.manifest.method, bundle.manifest.joint_layout) != (METHOD, H36M_17.name):
            raise InputError(
                f'{bundle.folder}: method is {shown(bundle.manifest.method)} and joint_layout '
                f'{shown(bundle.manifest.joint_layout)}; expected {METHOD!r} and {H36M_17.name!r}'
            )
        graph = Graph(bundle.onnx_path, bundle.manifest.sha256, {'crops': ()}, ('depth', 'sigma'))
        self._backend = OnnxruntimeBackend(graph, 'cpu', threads, 'it sees the picture')
        self.side = _side(self._backend.row_of('crops'), bundle.onnx_path)
        self._try_out(bundle.onnx_path)

    def depths(
        self, rgb: NDArray[np.uint8], keypoints_px: Float32, seen: NDArray[np.bool_]
    ) -> tuple[Float32, Float32]:
        """Look at people.

        Args:
            rgb: (H, W, 3) the picture of the keypoints.
            keypoints_px: (N, 17, 2).
            seen: (N, 17) keypoints that count; some of each person.

        Returns:
            Depths (N, 17) behind the pelvis in units of the angular size, and their 68 %
            deviations.
        """
        if not len(keypoints_px):
            nobody = np.zeros((0, len(H36M_17)), np.float32)
            return nobody, nobody
        crops = person_crops(rgb, keypoints_px, seen, self.side)
        depth, sigma = self._backend.run({'crops': crops})
        return depth, sigma

    def _try_out(self, path: Path) -> None:
        """Refuse a graph that would fail with every picture."""
        rows, shape = 2, (2, len(H36M_17))
        try:
            found = self._backend.run(
                {'crops': np.zeros((rows, 3, self.side, self.side), np.float32)}
            )
        except Exception as error:  # onnxruntime's own classes are not public
            raise InputError(
                f'{path} does not run: {" ".join(str(error).split())[:200]}'
            ) from None
        for name, output in zip(('depth', 'sigma'), found, strict=True):
            if np.shape(output) != shape:
                raise InputError(
                    f'{path}: output {name} has shape {np.shape(output)} for {rows} people; '
                    f'expected {shape}'
                )


def person_crops(
    rgb: NDArray[np.uint8], keypoints_px: Float32, seen: NDArray[np.bool_], side: int
) -> Float32:
    """Cut squares round people out of a picture; what lies outside of it is black.

    Args:
        rgb: (H, W, 3).
        keypoints_px: (N, 17, 2).
        seen: (N, 17) which count; some of each person.
        side: Pixels of a square's side.

    Returns:
        (N, 3, side, side) RGB 0..1.
    """
    cv2 = opencv('cutting people out of pictures')
    centres, sides = person_squares(keypoints_px.astype(np.float64), seen)
    crops = np.empty((len(sides), side, side, 3), np.uint8)
    for row, (centre, side_px) in enumerate(zip(centres, sides, strict=True)):
        # Bilinear reading alone would skip pixels of a person larger than the square.
        finer = int(np.clip(side_px // side, 1, _FINEST))
        window, first, step = _window(rgb, centre, side_px)
        if not window.size:
            crops[row] = 0
            continue
        (to_crop,) = crop_from_pixels(
            (centre - first)[None] / step, side_px[None] / step, finer * side
        )
        # OpenCV draws what lies outside in the border's colour, which is black.
        large = cv2.warpAffine(window, to_crop, (finer * side,) * 2, flags=cv2.INTER_LINEAR)
        crops[row] = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def _window(
    rgb: NDArray[np.uint8], centre: NDArray[np.float64], side_px: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64], int]:
    """Return the part of a picture that a square needs, its first pixel, and every how many."""
    size = np.array(rgb.shape[1::-1])
    # A pixel more than the square on each side, so that its edges are read as they are.
    first = np.clip(np.floor(centre - side_px / 2) - 1, 0, size).astype(int)
    end = np.clip(np.ceil(centre + side_px / 2) + 2, 0, size).astype(int)
    step = max(1, -(-int((end - first).max()) // _LARGEST_SIDE))
    window = rgb[first[1] : end[1] : step, first[0] : end[0] : step]
    return np.ascontiguousarray(window), first.astype(np.float64), step


def _side(row: tuple[object, ...], path: Path) -> int:
    """Return S of the shape (3, S, S) that a graph takes."""
    side = row[-1] if row else None
    if type(side) is not int or row != (3, side, side):
        raise InputError(f'{path} takes crops of shape {row}; expected (3, S, S)')
    if not _LEAST_CROP_SIDE <= side <= MAX_CROP_SIDE:
        raise InputError(
            f'{path} takes crops of {side} pixels; expected {_LEAST_CROP_SIDE}..{MAX_CROP_SIDE}'
        )
    return side
