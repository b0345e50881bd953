# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Human3.6M for those who hold its licence, from the archives that VideoPose3D makes of it.

The archives hold joints in the world and keypoints of four cameras, but no camera. The cameras
are found from the pairs: thousands of joints whose place and picture are known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.object_arrays import read_object
from elepose_core.data.poseset import PoseSet
from elepose_core.data.views import (
    Converted,
    Progress,
    View,
    joined,
    undistorted_px,
    whole_stride,
    without_truth,
)
from elepose_core.errors import InputError, shown
from elepose_core.geometry.camera import project
from elepose_core.geometry.resection import FittedCamera, camera_from_points

__all__ = ['FPS', 'TEST_SUBJECTS', 'TRAIN_SUBJECTS', 'read_human36m']

Array = NDArray[np.float64]

TRAIN_SUBJECTS = ('S1', 'S5', 'S6', 'S7', 'S8')
TEST_SUBJECTS = ('S9', 'S11')
FPS = 50
_POSES = 'data_3d_h36m.npz'
# The 17 joints of ours, in their order, among the 32 of the recordings.
_JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
# Width and height of the cameras 54138969, 55011271, 58860488 and 60457274, px.
_SIZES = ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002))
_UP_WORLD = np.array([0.0, 0.0, 1.0])
# Detectors are some 6 px off; those who pair another camera or action are hundreds off.
_LARGEST_RESIDUAL_PX = 20.0
_EVERY_64TH = 64
_EVERY_TENTH = 10  # frame is enough to see whether 2D and 3D belong together


@dataclass(frozen=True)
class _Recording:
    """One action of one subject."""

    subject: str
    name: str
    joints_m: NDArray[Any]  # (T, 17, 3) world
    keypoints_px: tuple[NDArray[Any], ...]  # of each camera (T, 17, 2)


def read_human36m(
    folder: Path, keypoints: str, fps: int, progress: Progress[_Recording]
) -> Converted:
    """Read VideoPose3D's archives: train on S1, S5, S6, S7 and S8, test on S9 and S11.

    Args:
        folder: Holds data_3d_h36m.npz and data_2d_h36m_<keypoints>.npz.
        keypoints: Which 2D poses: gt, cpn_ft_h36m_dbb, ...
        fps: Frames per second that are kept for training, of 50.
        progress: Shows how far the work is.

    Returns:
        `train_2d` without and `train_3d` with truth, `test` with all frames and `test_every_64th`;
        sets of whose subjects the archives hold none are left out.

    Raises:
        InputError: A file is absent, damaged or of another layout, or its 2D and 3D do not fit.

    Source: github.com/facebookresearch/VideoPose3D, data/prepare_data_h36m.py and
        common/h36m_dataset.py, read for the layout; protocols of VideoPose3D (all frames) and of
        github.com/anibali/h36m-fetch, process_all.py, which ElePose starts from (every 64th frame
        of the test subjects).
        Differs: cameras are fitted to the pairs, lens included, and the lens is taken out of the
        keypoints; their table of cameras is not needed.
    """
    stride = whole_stride(FPS, fps)
    recordings = list(_recordings(folder, keypoints))
    exact = folder / 'data_2d_h36m_gt.npz'
    pairs = recordings
    if keypoints != 'gt' and exact.exists():
        pairs = list(_recordings(folder, 'gt'))
    cameras, remark = _cameras(pairs)
    remarks = (remark, *_far_off(recordings, cameras, keypoints))
    views: dict[str, list[View]] = {'train': [], 'test': []}
    for recording in progress(recordings, len(recordings)):
        part = 'test' if recording.subject in TEST_SUBJECTS else 'train'
        step = 1 if part == 'test' else stride
        views[part] += _views(recording, cameras[recording.subject], step)
    sets: dict[str, PoseSet] = {}
    told = f'Human3.6M, 2D poses {keypoints}'
    if views['train']:
        train = joined(views['train'], fps, f'{told}, training subjects')
        sets |= {'train_2d': without_truth(train), 'train_3d': train}
    if views['test']:
        sets['test'] = joined(views['test'], FPS, f'{told}, test subjects, all frames')
        rows = np.flatnonzero(sets['test'].frame_index % _EVERY_64TH == 0)
        sets['test_every_64th'] = sets['test'].select(rows)
    return Converted(sets, remarks)


def _recordings(folder: Path, keypoints: str) -> Iterator[_Recording]:
    """Yield what both archives hold, checked."""
    poses_path, points_path = folder / _POSES, folder / f'data_2d_h36m_{keypoints}.npz'
    poses = _tree(poses_path, 'positions_3d')
    points = _tree(points_path, 'positions_2d')
    known = [s for s in (*TRAIN_SUBJECTS, *TEST_SUBJECTS) if poses.get(s)]
    if not known:
        raise InputError(
            f'{poses_path}: positions_3d has the subjects {shown(sorted(poses))}; expected some '
            f'of {", ".join((*TRAIN_SUBJECTS, *TEST_SUBJECTS))}, with recordings'
        )
    for subject in known:
        for name, joints in sorted(poses[subject].items()):
            where = f'{poses_path}: positions_3d of {subject}, {shown(name)}'
            joints = _numbers(joints, (32, 3), where)[:, list(_JOINTS_OF_32)]
            if subject not in points or name not in points[subject]:
                raise InputError(
                    f'{points_path}: positions_2d has no {subject}, {shown(name)}; expected all '
                    f'that {_POSES} has'
                )
            where = f'{points_path}: positions_2d of {subject}, {shown(name)}'
            seen = points[subject][name]
            if not isinstance(seen, list) or len(seen) != len(_SIZES):
                raise InputError(f'{where} is no list of {len(_SIZES)} cameras')
            yield _Recording(
                subject, name, joints, tuple(_seen(s, len(joints), where) for s in seen)
            )


def _tree(path: Path, key: str) -> dict[str, dict[str, Any]]:
    tree = read_object(path, key)
    if not isinstance(tree, dict) or not all(
        isinstance(subject, str)
        and isinstance(actions, dict)
        and all(isinstance(action, str) for action in actions)
        for subject, actions in tree.items()
    ):
        raise InputError(f'{path}: {key} is no dict of subjects, each a dict of actions')
    return dict(tree)


def _numbers(array: Any, shape: tuple[int, ...], where: str) -> NDArray[Any]:
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.kind != 'f'
        or array.ndim != 3
        or array.shape[1:] != shape
        or not len(array)
    ):
        found = array.shape if isinstance(array, np.ndarray) else type(array).__name__
        wanted = ', '.join(map(str, shape))
        raise InputError(
            f'{where} is {found}; expected decimal numbers of shape (T, {wanted}), T > 0'
        )
    return np.asarray(array)


def _seen(array: Any, frames: int, where: str) -> NDArray[Any]:
    array = _numbers(array, (17, 2), where)
    if len(array) < frames:
        raise InputError(f'{where} has {len(array)} frames; expected {frames} as in {_POSES}')
    return np.asarray(array[:frames])  # videos may be longer than the motion


def _cameras(recordings: list[_Recording]) -> tuple[dict[str, list[FittedCamera]], str]:
    """Fit each camera anew for each subject: between subjects they were moved."""
    cameras: dict[str, list[FittedCamera]] = {}
    by_subject: dict[str, list[_Recording]] = {}
    for recording in recordings:
        by_subject.setdefault(recording.subject, []).append(recording)
    for subject, own in by_subject.items():
        world = np.concatenate([recording.joints_m.reshape(-1, 3) for recording in own])
        cameras[subject] = []
        for number, size in enumerate(_SIZES):
            pixels = np.concatenate([r.keypoints_px[number].reshape(-1, 2) for r in own])
            where = f'Human3.6M, {subject}, camera {number}'
            try:
                fitted = camera_from_points(world, pixels, size)
            except InputError as error:
                raise InputError(f'{where}: {error}') from None
            if fitted.residual_px > _LARGEST_RESIDUAL_PX:
                raise InputError(
                    f'{where}: 2D and 3D are {fitted.residual_px:.0f} px apart in the median; '
                    f'expected less than {_LARGEST_RESIDUAL_PX:g}'
                )
            cameras[subject].append(fitted)
    every = [camera.residual_px for own in cameras.values() for camera in own]
    return cameras, (
        f'{len(every)} cameras fitted to 2D and 3D; median residual {min(every):.2g} to '
        f'{max(every):.2g} px'
    )


def _far_off(
    recordings: list[_Recording], cameras: dict[str, list[FittedCamera]], keypoints: str
) -> list[str]:
    """Return a remark on each recording whose keypoints lie elsewhere than its joints.

    Raises:
        InputError: Most do: the archive has another layout of joints.
    """
    off = {}
    for recording in recordings:
        some = slice(None, None, _EVERY_TENTH)
        by_camera = [
            np.linalg.norm(
                project(c.in_camera(recording.joints_m[some]), c.camera) - p[some], axis=-1
            )
            for c, p in zip(cameras[recording.subject], recording.keypoints_px, strict=True)
        ]
        off[f'{recording.subject} {recording.name}'] = float(np.median(by_camera))
    typical = float(np.median(list(off.values())))
    if not typical <= _LARGEST_RESIDUAL_PX:
        raise InputError(
            f'2D poses {keypoints} are {typical:.0f} px from the joints in the median; expected '
            f'less than {_LARGEST_RESIDUAL_PX:g}, keypoints of the 17 joints of Human3.6M in order'
        )
    return [
        f'{name}: keypoints are {distance:.0f} px from the joints; is its 3D truth good?'
        for name, distance in off.items()
        if not distance <= _LARGEST_RESIDUAL_PX
    ]


def _views(recording: _Recording, cameras: list[FittedCamera], stride: int) -> Iterator[View]:
    kept = np.arange(0, len(recording.joints_m), stride)
    for number, fitted in enumerate(cameras):
        yield View(
            camera=fitted.camera,
            keypoints_px=undistorted_px(recording.keypoints_px[number][kept], fitted.camera),
            joints_cam_m=fitted.in_camera(recording.joints_m[kept]).astype(np.float32),
            frame_index=kept // stride,
            subject=recording.subject,
            action=recording.name.split(' ')[0],
            recording=f'{recording.subject} {recording.name} camera {number}',
            up_cam=fitted.camera_from_world @ _UP_WORLD,
        )
