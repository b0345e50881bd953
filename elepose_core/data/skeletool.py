# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of MPI-INF-3DHP: text files of one keyword and its numbers per line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError, shown
from elepose_core.files import read_bounded
from elepose_core.geometry.camera import Camera

__all__ = ['MAX_CALIBRATION_BYTES', 'StudioCamera', 'read_calibration', 'up_of_test_camera']

Array = NDArray[np.float64]

MAX_CALIBRATION_BYTES = 1 << 20
# How far rows may be from unit length and a right angle: they are written with few digits.
_LARGEST_SLIP = 1e-3
# The world of the recordings stands on its y axis.
_UP_WORLD = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class StudioCamera:
    """A camera of the training set.

    Attributes:
        camera: K and image size; these cameras have no lens distortion.
        up_cam: (3,) unit vector against gravity in the optical frame.
    """

    camera: Camera
    up_cam: Array


def read_calibration(path: Path) -> dict[int, StudioCamera]:
    """Read `camera.calibration` of a training sequence: cameras by their number.

    Raises:
        InputError: The file cannot be read or a camera lacks something.

    Source: format "Skeletool Camera Calibration File V1.0" as github.com/nkolot/SPIN,
        datasets/preprocess/mpi_inf_3dhp.py reads it.
    """
    cameras: dict[int, dict[str, list[float]]] = {}
    current: dict[str, list[float]] = {}
    for word, numbers in _lines(path):
        if word == 'name':
            if len(numbers) != 1 or not numbers[0].is_integer():
                raise InputError(f'{path}: name is {shown(numbers)}; expected a whole number')
            current = cameras[int(numbers[0])] = {}
        current[word] = numbers
    if not cameras:
        raise InputError(f'{path} names no camera; expected a Skeletool calibration')
    return {
        number: _camera(entry, f'{path}, camera {number}') for number, entry in cameras.items()
    }


def up_of_test_camera(path: Path) -> Array:
    """Read a `.calib` file of the test set: up (3,) in the optical frame of its camera.

    Raises:
        InputError: The file cannot be read or says neither where up nor where right is.

    Source: test_util/camera_calibration of the test set, whose lines `up` and `right` are the
        image's axes in the world as github.com/isarandi/metrabs uses them.
    """
    entry = dict(_lines(path))
    up, right = (_sized(entry, key, 3, str(path)) for key in ('up', 'right'))
    if not np.allclose([up @ up, right @ right, up @ right], (1, 1, 0), atol=_LARGEST_SLIP):
        raise InputError(
            f'{path}: up is {shown(up.tolist())} and right {shown(right.tolist())}; expected unit '
            'vectors at a right angle'
        )
    rotation = np.stack([right, -up, np.cross(up, right)])
    return np.asarray(rotation @ _UP_WORLD)


def _lines(path: Path) -> list[tuple[str, list[float]]]:
    """Return the first word of each line and the numbers behind it, none where there is text."""
    try:
        text = read_bounded(path, MAX_CALIBRATION_BYTES).decode()
    except FileNotFoundError:
        raise InputError(f'{path} does not exist; expected a calibration') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} is not a readable calibration ({error})') from None
    found = []
    for line in text.splitlines():
        word, *rest = line.split() or ['']
        try:
            found.append((word, [float(number) for number in rest]))
        except ValueError:
            found.append((word, []))
    return found


def _camera(entry: dict[str, list[float]], where: str) -> StudioCamera:
    width, height = _sized(entry, 'size', 2, where)
    k = _sized(entry, 'intrinsic', 16, where).reshape(4, 4)[:3, :3]
    rotation = _sized(entry, 'extrinsic', 16, where).reshape(4, 4)[:3, :3]
    is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), atol=_LARGEST_SLIP)
    if not is_rotation or np.linalg.det(rotation) < 0:
        raise InputError(
            f'{where}: extrinsic has no rotation in it; expected orthogonal rows, right-handed'
        )
    if any(entry.get('radial', [0.0])):
        raise InputError(
            f'{where}: radial is {shown(entry["radial"])}; expected 0, images without distortion'
        )
    try:
        camera = Camera(k, int(width), int(height))
    except InputError as error:
        raise InputError(f'{where}: {error}') from None
    return StudioCamera(camera, np.asarray(rotation @ _UP_WORLD))


def _sized(entry: dict[str, list[float]], key: str, count: int, where: str) -> Array:
    numbers = np.array(entry.get(key, []))
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(f'{where}: {key} has {len(numbers)} numbers; expected {count}')
    return numbers
