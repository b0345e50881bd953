# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Human3.6M in the layout of VideoPose3D: cameras, joints, splits and sentences."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_sets import H36M_JOINTS, h36m_cameras, persons, toy_human36m

from elepose_core.data.human36m import read_human36m
from elepose_core.data.poseset import PoseSet
from elepose_core.data.views import Converted
from elepose_core.errors import InputError


def silent(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


def read(folder: Path, keypoints: str = 'gt', fps: int = 25) -> Converted:
    return read_human36m(folder, keypoints, fps, silent)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('h36m')
    toy_human36m(path)
    toy_human36m(path, noise_px=3.0)
    return path


@pytest.fixture(scope='module')
def sets(folder: Path) -> dict[str, PoseSet]:
    return dict(read(folder).sets)


def test_splits_clips_and_rates(sets: dict[str, PoseSet]) -> None:
    assert list(sets) == ['train_2d', 'train_3d', 'test', 'test_every_64th']
    train, test = sets['train_3d'], sets['test']
    # 2 actions before 4 cameras; 300 frames, every second one for training.
    assert (len(train), train.fps) == (8 * 150, 25)
    assert (len(test), test.fps) == (8 * 300, 50)
    assert np.bincount(test.clip_index).tolist() == [300] * 8
    assert test.frame_index[:3].tolist() == [0, 1, 2]
    assert train.frame_index[:3].tolist() == [0, 1, 2]
    assert train.subject is not None
    assert test.subject is not None
    assert test.action is not None
    assert set(train.subject.tolist()) == {'S1'}
    assert set(test.subject.tolist()) == {'S9'}
    assert test.action.tolist() == ['Sitting'] * 4 + ['Walking'] * 4
    assert test.extra['recording'][1] == 'S9 Sitting 1 camera 1'
    assert test.image_size[test.camera_index[0]].tolist() == [1000, 1002]


def test_every_64th_frame_is_that_of_the_recording(sets: dict[str, PoseSet]) -> None:
    few = sets['test_every_64th']
    assert few.frame_index[:5].tolist() == [0, 64, 128, 192, 256]
    assert len(few) == 8 * 5


def test_training_keypoints_come_without_truth(sets: dict[str, PoseSet]) -> None:
    plain = sets['train_2d']
    assert plain.joints_cam_m is plain.elevation_rad is plain.roll_rad is None
    np.testing.assert_array_equal(plain.keypoints_px, sets['train_3d'].keypoints_px)


def test_cameras_are_found_again(sets: dict[str, PoseSet]) -> None:
    test = sets['test']
    for clip, standing in zip(range(4), h36m_cameras(), strict=True):
        found = test.camera_matrix[test.camera_index[test.clip_index == clip][0]]
        np.testing.assert_allclose(found, standing.camera.matrix, atol=0.05)


def test_joints_are_ours_and_lie_on_the_rays_of_their_keypoints(
    sets: dict[str, PoseSet],
) -> None:
    test = sets['test']
    assert test.joints_cam_m is not None
    # Walking is the second clip of camera 0, with the poses from number 150 on.
    standing = h36m_cameras()[0]
    rows = test.clip_index == 4
    wanted = standing.in_camera(persons(300, first=150))
    np.testing.assert_allclose(test.joints_cam_m[rows], wanted, atol=2e-4)
    # No lens is left: joints project by K alone.
    rays = test.joints_cam_m[..., :2] / test.joints_cam_m[..., 2:]
    np.testing.assert_allclose(test.rays, rays, atol=1e-5)
    distorted = np.abs(rays).max()
    assert distorted > 0.2  # far enough from the axis that the lens of 20 % would show


def test_elevation_by_hand(sets: dict[str, PoseSet]) -> None:
    """Camera 0 stands 5 m away at 2.5 m and looks at 1 m: it looks down by atan(1.5 / 5)."""
    test = sets['test']
    assert test.elevation_rad is not None
    assert test.roll_rad is not None
    first = test.elevation_rad[test.clip_index == 0]
    np.testing.assert_allclose(first, math.atan(1.5 / 5), atol=1e-4)
    np.testing.assert_allclose(test.elevation_rad[test.clip_index == 3], 0, atol=1e-4)
    np.testing.assert_allclose(test.roll_rad, 0, atol=1e-4)


def test_detected_keypoints_take_the_cameras_of_the_exact_ones(
    folder: Path, sets: dict[str, PoseSet]
) -> None:
    noisy = read(folder, 'noisy').sets['test']
    np.testing.assert_array_equal(noisy.camera_matrix, sets['test'].camera_matrix)
    off = (noisy.keypoints_px - sets['test'].keypoints_px).std()
    assert 2.5 < off < 3.6  # 3 px, a little more where the lens squeezes


def test_detected_keypoints_alone_have_cameras_too(tmp_path: Path) -> None:
    toy_human36m(tmp_path, noise_px=3.0)
    found = read(tmp_path, 'noisy')
    test = found.sets['test']
    assert test.elevation_rad is not None
    assert math.degrees(abs(test.elevation_rad[0] - math.atan(1.5 / 5))) < 0.5
    assert 'median residual 3' in found.remarks[0]


def test_a_roll_of_the_camera_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rolled() -> list[Any]:
        angle = math.radians(3.0)
        turn = np.array(
            [
                [math.cos(angle), math.sin(angle), 0],
                [-math.sin(angle), math.cos(angle), 0],
                [0, 0, 1],
            ]
        )
        return [c._replace(rotation=turn @ c.rotation) for c in h36m_cameras()]

    monkeypatch.setattr('toy_sets.h36m_cameras', rolled)
    toy_human36m(tmp_path, frames=60)
    test = read(tmp_path).sets['test']
    assert test.roll_rad is not None
    assert test.elevation_rad is not None
    np.testing.assert_allclose(np.degrees(test.roll_rad), 3.0, atol=0.02)
    np.testing.assert_allclose(test.elevation_rad[:60], math.atan(1.5 / 5), atol=1e-3)


def archives(path: Path, **changes: Any) -> Path:
    """Write both archives of a single short recording, with one thing changed."""
    joints = np.zeros((40, 32, 3), np.float32)
    joints[:, H36M_JOINTS] = persons(40)
    parts: dict[str, Any] = {
        'positions_3d': {'S9': {'Walking': joints}},
        'positions_2d': {'S9': {'Walking': [np.zeros((40, 17, 2), np.float32)] * 4}},
        **changes,
    }
    for key, file in (('positions_3d', 'data_3d_h36m'), ('positions_2d', 'data_2d_h36m_gt')):
        if parts[key] is not None:
            np.savez(path / f'{file}.npz', **{key: parts[key]})
    return path


SIXTEEN = {'S9': {'Walking': [np.zeros((40, 16, 2), np.float32)] * 4}}
SHORT = {'S9': {'Walking': [np.zeros((39, 17, 2), np.float32)] * 4}}
THREE = {'S9': {'Walking': [np.zeros((40, 17, 2), np.float32)] * 3}}


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'positions_3d': None}, 'data_3d_h36m.npz does not exist'),
        ({'positions_2d': None}, 'data_2d_h36m_gt.npz does not exist'),
        ({'positions_3d': [1]}, 'it is int64 of shape (1,); expected one object'),
        ({'positions_3d': {'S9': {}}}, "has the subjects ['S9']; expected some of S1, S5"),
        (
            {'positions_3d': {'S9': {'Walking': np.zeros((0, 32, 3))}}},
            'is (0, 32, 3); expected decimal numbers of shape (T, 32, 3), T > 0',
        ),
        ({'positions_3d': {'S9': 1}}, 'positions_3d is no dict of subjects'),
        ({'positions_3d': {'S2': {}}}, "has the subjects ['S2']; expected some of S1, S5"),
        ({'positions_3d': {'S9': {'Walking': np.zeros((4, 17, 3))}}}, 'is (4, 17, 3); expected'),
        ({'positions_3d': {'S9': {'Walking': 'x'}}}, 'is str; expected decimal numbers of shape'),
        ({'positions_2d': {'S9': {}}}, "positions_2d has no S9, 'Walking'; expected all that"),
        (
            {'positions_2d': SIXTEEN},
            'is (40, 16, 2); expected decimal numbers of shape (T, 17, 2)',
        ),
        ({'positions_2d': SHORT}, 'has 39 frames; expected 40 as in data_3d_h36m.npz'),
        ({'positions_2d': THREE}, 'is no list of 4 cameras'),
        ({}, 'Human3.6M, S9, camera 0: '),  # all keypoints at (0, 0)
    ],
)
def test_broken_archives_are_told_in_one_sentence(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(archives(tmp_path, **changes))
    assert sentence in str(caught.value)
    assert '\n' not in str(caught.value)


def test_2d_of_another_action_is_not_taken_for_a_camera(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    seen = [generator.uniform(0, 1000, (40, 17, 2)).astype(np.float32)] * 4
    with pytest.raises(InputError, match=r'px apart in the median|no camera fits'):
        read(archives(tmp_path, positions_2d={'S9': {'Walking': seen}}))


def test_keypoints_of_another_layout_are_refused(tmp_path: Path) -> None:
    """Detectron's archives have COCO's 17: nose, eyes, ears, shoulders, ..."""
    toy_human36m(tmp_path, frames=60)
    with np.load(tmp_path / 'data_2d_h36m_gt.npz', allow_pickle=True) as archive:
        positions = archive['positions_2d'].item()
    coco = [9, 10, 10, 10, 10, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3]
    for actions in positions.values():
        for name, seen in actions.items():
            actions[name] = [camera[:, coco] for camera in seen]
    np.savez(tmp_path / 'data_2d_h36m_detectron.npz', positions_2d=positions)
    with pytest.raises(InputError, match=r'keypoints of the 17 joints of Human3\.6M in order'):
        read(tmp_path, 'detectron')
    (tmp_path / 'data_2d_h36m_gt.npz').unlink()
    with pytest.raises(InputError, match=r'px apart in the median|no camera fits'):
        read(tmp_path, 'detectron')


def test_a_recording_whose_truth_is_shifted_is_remarked_on(tmp_path: Path) -> None:
    toy_human36m(tmp_path, frames=60)
    with np.load(tmp_path / 'data_2d_h36m_gt.npz', allow_pickle=True) as archive:
        positions = archive['positions_2d'].item()
    shifted = [camera + 40 for camera in positions['S9']['Sitting 1']]
    positions['S9']['Sitting 1'] = shifted
    np.savez(tmp_path / 'data_2d_h36m_cpn.npz', positions_2d=positions)
    found = read(tmp_path, 'cpn')
    assert found.remarks[1:] == (
        'S9 Sitting 1: keypoints are 57 px from the joints; is its 3D truth good?',
    )
    assert len(found.sets['test']) == 8 * 60


def test_rates_that_do_not_divide_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match='fps is 30; expected one of 1, 2, 5, 10, 25, 50'):
        read(folder, fps=30)
