# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MPI-INF-3DHP for those who hold its licence, from the files as they are distributed."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.mat_files import read_mat
from elepose_core.data.poseset import PoseSet
from elepose_core.data.skeletool import read_calibration, up_of_test_camera
from elepose_core.data.views import (
    Converted,
    Progress,
    View,
    joined,
    undistorted_px,
    whole_stride,
    without_truth,
)
from elepose_core.errors import InputError
from elepose_core.geometry.alignment import scale_factor
from elepose_core.geometry.camera import project
from elepose_core.geometry.elevation import elevation_from_up_cam
from elepose_core.geometry.resection import camera_from_points

__all__ = ['CAMERAS', 'FPS', 'read_mpi_inf_3dhp']

Array = NDArray[np.float64]

# Those that all compare on: at the height of the chest and the eyes, none on the ceiling.
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
FPS = 25
_TEST_FOLDER = 'mpi_inf_3dhp_test_set'
# The 17 joints of ours, in their order, among the 28 of the training set and the 17 of the test.
_JOINTS_OF_28 = (4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16)
_JOINTS_OF_17 = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)


class _Video(NamedTuple):
    """What `annot.mat` does not say of a training sequence."""

    frames: int
    fps: int


# Annotations may go on where the video has ended. Source: mpii_get_sequence_info.m of the set.
_VIDEOS = {
    ('S1', 'Seq1'): _Video(6416, 25),
    ('S1', 'Seq2'): _Video(12430, 50),
    ('S2', 'Seq1'): _Video(6502, 25),
    ('S2', 'Seq2'): _Video(6081, 25),
    ('S3', 'Seq1'): _Video(12488, 50),
    ('S3', 'Seq2'): _Video(12283, 50),
    ('S4', 'Seq1'): _Video(6171, 25),
    ('S4', 'Seq2'): _Video(6675, 25),
    ('S5', 'Seq1'): _Video(12820, 50),
    ('S5', 'Seq2'): _Video(12312, 50),
    ('S6', 'Seq1'): _Video(6188, 25),
    ('S6', 'Seq2'): _Video(6145, 25),
    ('S7', 'Seq1'): _Video(6239, 25),
    ('S7', 'Seq2'): _Video(6320, 25),
    ('S8', 'Seq1'): _Video(6468, 25),
    ('S8', 'Seq2'): _Video(6054, 25),
}
# Image sizes and calibrations of the test sequences.
_STUDIO, _OUTDOORS = ((2048, 2048), 'ts1-4cameras.calib'), ((1920, 1080), 'ts5-6cameras.calib')
_TESTS = {
    **{f'TS{number}': _STUDIO for number in (1, 2, 3, 4)},
    **{f'TS{number}': _OUTDOORS for number in (5, 6)},
}
_ACTIVITIES = (
    *('stand_walk', 'exercise', 'sit_on_chair', 'reach_crouch', 'on_floor', 'sports'),
    'miscellaneous',
)
# 2D and 3D of the training set are 0.003 px apart; another camera's are hundreds apart.
_LARGEST_RESIDUAL_PX = 5.0
# How exact those of the test set are is written nowhere; the command says what it found.
_LARGEST_TEST_RESIDUAL_PX = 20.0


def read_mpi_inf_3dhp(folder: Path, fps: int, progress: Progress[tuple[str, str]]) -> Converted:
    """Read the training sequences S*/Seq* and the test sequences TS* that a folder holds.

    Training truth are the joints as they were captured (`annot3`), which the keypoints are the
    picture of. Test truth are those of a person of universal height (`univ_annot3`), as the
    official metric wants, moved along the rays to where they have the same picture.

    Args:
        folder: Holds S1 ... S8, and TS1 ... TS6 itself or in mpi_inf_3dhp_test_set.
        fps: Frames per second that are kept for training, of 25.
        progress: Shows how far the work is.

    Returns:
        `train_2d` without and `train_3d` with truth, and `test`, valid frames only; what the
        folder has nothing of is left out.

    Raises:
        InputError: The folder holds no sequence, or one is damaged or of another layout.

    Source: README of the set; layouts as github.com/nkolot/SPIN,
        datasets/preprocess/mpi_inf_3dhp.py reads them.
        Differs: sequences of 50 frames a second are thinned to 25, so that all have one rate; K of
        the test cameras is fitted to `annot2` and `annot3`, lens included.
    """
    stride = whole_stride(FPS, fps)
    training = [key for key in _VIDEOS if (folder / key[0] / key[1] / 'annot.mat').exists()]
    tests = {name: path for name in _TESTS if (path := _test_folder(folder, name)) is not None}
    if not training and not tests:
        raise InputError(
            f'{folder} holds neither S1/Seq1/annot.mat nor TS1/annot_data.mat, nor others like '
            'them; expected MPI-INF-3DHP as it is distributed'
        )
    train: list[View] = []
    test: list[View] = []
    remarks: list[str] = []
    for first, second in progress(
        [*training, *((name, '') for name in tests)], len(training) + len(tests)
    ):
        if second:
            train += _training_views(folder / first / second, first, second, stride)
        else:
            view, remark = _test_views(tests[first], first)
            test += view
            remarks.append(remark)
    sets: dict[str, PoseSet] = {}
    if train:
        poses = joined(train, fps, 'MPI-INF-3DHP, training set')
        sets |= {'train_2d': without_truth(poses), 'train_3d': poses}
    if test:
        sets['test'] = joined(test, FPS, 'MPI-INF-3DHP, test set, universal annotations')
    return Converted(sets, tuple(remarks))


def _test_folder(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / _TEST_FOLDER / name):
        if (path / 'annot_data.mat').exists():
            return path
    return None


def _training_views(folder: Path, subject: str, sequence: str, stride: int) -> Iterator[View]:
    path = folder / 'annot.mat'
    annotations = read_mat(path, ('annot2', 'annot3'))
    calibration = read_calibration(folder / 'camera.calibration')
    video = _VIDEOS[subject, sequence]
    step = stride * video.fps // FPS
    for number in CAMERAS:
        where = f'{path}, camera {number}'
        keypoints = _cell(annotations['annot2'], number, 2, f'{where}: annot2')
        joints = _cell(annotations['annot3'], number, 3, f'{where}: annot3') / 1000
        if len(keypoints) != len(joints):
            raise InputError(
                f'{where}: annot2 has {len(keypoints)} frames and annot3 {len(joints)}; expected '
                'as many'
            )
        if number not in calibration:
            raise InputError(f'{folder / "camera.calibration"} has no camera {number}')
        studio = calibration[number]
        kept = np.arange(0, min(len(joints), video.frames), step)
        off = np.linalg.norm(project(joints[kept], studio.camera) - keypoints[kept], axis=-1)
        if not np.median(off) <= _LARGEST_RESIDUAL_PX:
            raise InputError(
                f'{where}: annot3 and annot2 are {np.median(off):.0f} px apart by '
                f'camera.calibration; expected less than {_LARGEST_RESIDUAL_PX:g}'
            )
        yield View(
            camera=studio.camera,
            keypoints_px=keypoints[kept].astype(np.float32),
            joints_cam_m=joints[kept].astype(np.float32),
            frame_index=kept // step,
            subject=subject,
            action=sequence,
            recording=f'{subject} {sequence} camera {number}',
            up_cam=studio.up_cam,
        )


def _cell(cells: NDArray[Any], number: int, size: int, where: str) -> Array:
    """Return the entry of one camera as joints (N, 17, size)."""
    flat = cells.ravel()
    if cells.dtype != object or len(flat) <= number:
        raise InputError(
            f'{where} is {cells.dtype} of shape {cells.shape}; expected a cell for each camera'
        )
    rows = np.asarray(flat[number])
    if rows.dtype.kind not in 'iuf' or rows.ndim != 2 or rows.shape[1] != 28 * size:
        raise InputError(
            f'{where} is {rows.dtype} of shape {rows.shape}; expected numbers of shape '
            f'(frames, {28 * size})'
        )
    joints = rows.astype(np.float64).reshape(-1, 28, size)
    return joints[:, list(_JOINTS_OF_28)]


def _test_views(folder: Path, name: str) -> tuple[list[View], str]:
    """Return one view per activity, so that figures can be told apart by it."""
    path = folder / 'annot_data.mat'
    keys = ('annot2', 'annot3', 'univ_annot3', 'valid_frame', 'activity_annotation')
    found = read_mat(path, keys)
    keypoints = _per_frame(found['annot2'], 2, f'{path}: annot2')
    captured = _per_frame(found['annot3'], 3, f'{path}: annot3') / 1000
    universal = _per_frame(found['univ_annot3'], 3, f'{path}: univ_annot3') / 1000
    valid, activity = (
        _finite(found[key], f'{path}: {key}') for key in ('valid_frame', 'activity_annotation')
    )
    counts = {len(part) for part in (keypoints, captured, universal, valid, activity)}
    if len(counts) > 1:
        raise InputError(
            f'{path}: {", ".join(keys)} have {", ".join(map(str, sorted(counts)))} frames; '
            'expected as many'
        )
    rows = np.flatnonzero(valid)
    size, calibration = _TESTS[name]
    try:
        fitted = camera_from_points(
            captured[rows].reshape(-1, 3), keypoints[rows].reshape(-1, 2), size, True
        )
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    if not fitted.residual_px <= _LARGEST_TEST_RESIDUAL_PX:
        raise InputError(
            f'{path}: no camera brings annot3 to annot2, the best is {fitted.residual_px:.0f} px '
            f'off; expected less than {_LARGEST_TEST_RESIDUAL_PX:g}'
        )
    calibrations = folder.parent / 'test_util' / 'camera_calibration' / calibration
    up, told = None, f'elevation unknown without {calibrations}'
    if calibrations.exists():
        up = up_of_test_camera(calibrations)
        told = f'elevation {math.degrees(elevation_from_up_cam(up)):.1f} degrees'
    truth = _seen_alike(universal[rows], captured[rows])
    views = [
        View(
            camera=fitted.camera,
            keypoints_px=undistorted_px(keypoints[rows[chosen]], fitted.camera),
            joints_cam_m=truth[chosen].astype(np.float32),
            frame_index=rows[chosen],
            subject=name,
            action=_ACTIVITIES[number - 1] if 1 <= number <= len(_ACTIVITIES) else 'unknown',
            recording=f'{name} activity {number}',
            up_cam=up,
        )
        for number in np.unique(activity[rows]).astype(int).tolist()
        if len(chosen := np.flatnonzero(activity[rows] == number))
    ]
    return views, f'{name}: K fitted, residual {fitted.residual_px:.2g} px; {told}'


def _per_frame(array: NDArray[Any], size: int, where: str) -> Array:
    """Return joints (N, 17, size) of an array (size, 17, 1, N)."""
    if array.dtype.kind not in 'iuf' or array.shape[:3] != (size, 17, 1) or array.ndim > 4:
        raise InputError(
            f'{where} is {array.dtype} of shape {array.shape}; expected numbers of shape '
            f'({size}, 17, 1, frames)'
        )
    frames = array.reshape(size, 17, -1).transpose(2, 1, 0)
    return frames.astype(np.float64)[:, list(_JOINTS_OF_17)]


def _finite(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return one number of each frame."""
    if array.dtype.kind not in 'biuf' or not np.isfinite(array).all():
        raise InputError(
            f'{where} is {array.dtype} or not finite; expected a number of each frame'
        )
    return array.ravel()


def _seen_alike(universal: Array, captured: Array) -> Array:
    """Place universal joints (N, 17, 3) so that they have the picture of the captured ones.

    A person scaled about the camera looks the same; the universal annotations are scaled about
    somewhere else.
    """
    relative = universal - universal[:, :1]
    factor = scale_factor(captured - captured[:, :1], relative)
    return np.asarray(relative + factor * captured[:, :1])
