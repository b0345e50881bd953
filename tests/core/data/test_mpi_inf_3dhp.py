# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""MPI-INF-3DHP as it is distributed: cameras, joints, valid frames and sentences."""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from toy_sets import (
    DHP_17,
    UNIVERSAL,
    dhp_cameras,
    dhp_test_arrays,
    matlab_73,
    persons,
    toy_3dhp_test,
    toy_3dhp_training,
)

from elepose_core.data.mpi_inf_3dhp import CAMERAS, read_mpi_inf_3dhp
from elepose_core.data.poseset import PoseSet
from elepose_core.data.skeletool import read_calibration, up_of_test_camera
from elepose_core.data.views import Converted
from elepose_core.errors import InputError, MissingDependency

FRAMES = 40


def silent(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


def read(folder: Path, fps: int = 25) -> Converted:
    return read_mpi_inf_3dhp(folder, fps, silent)


def needs_h5py() -> None:
    pytest.importorskip('h5py', reason='MATLAB 7.3 files need h5py (extra mat)')


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('3dhp')
    toy_3dhp_training(path, FRAMES)
    return path


@pytest.fixture(scope='module')
def train(folder: Path) -> PoseSet:
    return read(folder).sets['train_3d']


def test_one_clip_per_camera_and_one_rate(train: PoseSet) -> None:
    assert train.fps == 25
    assert np.bincount(train.clip_index).tolist() == [FRAMES] * 16
    recordings = train.extra['recording'].tolist()
    assert recordings[:8] == [f'S1 Seq1 camera {number}' for number in CAMERAS]
    assert train.subject is not None
    assert set(train.subject.tolist()) == {'S1'}
    assert train.frame_index[:3].tolist() == [0, 1, 2]


def test_sequences_of_50_frames_a_second_are_thinned(folder: Path, train: PoseSet) -> None:
    assert train.joints_cam_m is not None
    standing = dhp_cameras()[CAMERAS[0]]
    second = train.joints_cam_m[train.clip_index == 8]
    wanted = standing.in_camera(persons(2 * FRAMES))[::2]
    np.testing.assert_allclose(second, wanted, atol=1e-5)
    slow = read(folder, fps=5).sets['train_3d']
    assert np.bincount(slow.clip_index).tolist() == [FRAMES // 5] * 16
    assert slow.fps == 5


def test_joints_are_ours_and_project_to_their_keypoints(train: PoseSet) -> None:
    assert train.joints_cam_m is not None
    for clip, number in enumerate(CAMERAS):
        wanted = dhp_cameras()[number].in_camera(persons(FRAMES))
        np.testing.assert_allclose(train.joints_cam_m[train.clip_index == clip], wanted, atol=1e-5)
    rays = train.joints_cam_m[..., :2] / train.joints_cam_m[..., 2:]
    np.testing.assert_allclose(train.rays, rays, atol=1e-5)


def test_elevation_of_training_cameras_by_hand(train: PoseSet) -> None:
    """All stand 4 m away at 1.4 m and look at 1 m."""
    assert train.elevation_rad is not None
    assert train.roll_rad is not None
    np.testing.assert_allclose(train.elevation_rad, math.atan(0.4 / 4), atol=1e-5)
    np.testing.assert_allclose(train.roll_rad, 0, atol=1e-5)


def test_calibration_by_hand(tmp_path: Path) -> None:
    path = tmp_path / 'camera.calibration'
    path.write_text(
        'Skeletool Camera Calibration File V1.0\n'
        'name          3\n'
        '  sensor      10 10\n'
        '  size        2048 1536\n'
        '  animated    0\n'
        '  intrinsic   1500 0 1000 0 0 1400 900 0 0 0 1 0 0 0 0 1 \n'
        # y points up in the world, and the camera looks along -z, down by 30 degrees.
        '  extrinsic   1 0 0 10 0 -0.8660254 0.5 20 0 -0.5 -0.8660254 30 0 0 0 1 \n'
        '  radial      0\n'
    )
    (number, found), *_ = read_calibration(path).items()
    assert number == 3
    assert found.camera.matrix.tolist() == [[1500, 0, 1000], [0, 1400, 900], [0, 0, 1]]
    assert (found.camera.width, found.camera.height) == (2048, 1536)
    np.testing.assert_allclose(found.up_cam, [0, -math.cos(math.pi / 6), -0.5], atol=1e-7)


def test_annotations_beyond_the_end_of_the_video_are_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elepose_core.data import mpi_inf_3dhp

    video = mpi_inf_3dhp._Video(FRAMES - 7, 25)
    monkeypatch.setitem(mpi_inf_3dhp._VIDEOS, ('S1', 'Seq1'), video)
    clips = read(folder).sets['train_3d'].clip_index
    assert np.bincount(clips)[:8].tolist() == [FRAMES - 7] * 8


def test_test_set_has_valid_frames_by_activity(tmp_path: Path) -> None:
    needs_h5py()
    toy_3dhp_test(tmp_path)
    found = read(tmp_path)
    assert list(found.sets) == ['test']
    test = found.sets['test']
    # 60 frames, of which every tenth is not valid; the first half stands, the second is mixed.
    assert np.bincount(test.clip_index).tolist() == [27, 27]
    assert test.frame_index[:3].tolist() == [1, 2, 3]
    assert test.frame_index[8:10].tolist() == [9, 11]
    assert test.action is not None
    assert test.action.tolist() == ['stand_walk', 'miscellaneous']


def test_test_camera_is_found_and_its_elevation_read(tmp_path: Path) -> None:
    needs_h5py()
    toy_3dhp_test(tmp_path)
    test = read(tmp_path).sets['test']
    wanted = dhp_test_arrays()[1]
    np.testing.assert_allclose(test.camera_matrix[0], wanted.camera.matrix, atol=1e-3)
    assert test.elevation_rad is not None
    # 4 m away at 2 m, looking at 1 m.
    np.testing.assert_allclose(test.elevation_rad, math.atan(1 / 4), atol=1e-6)
    util = tmp_path / 'mpi_inf_3dhp_test_set' / 'test_util' / 'camera_calibration'
    (util / 'ts1-4cameras.calib').unlink()
    again = read(tmp_path)
    assert again.sets['test'].elevation_rad is None
    assert 'elevation unknown without' in again.remarks[0]


def test_test_truth_is_universal_and_has_the_picture_of_the_keypoints(tmp_path: Path) -> None:
    needs_h5py()
    toy_3dhp_test(tmp_path)
    test = read(tmp_path).sets['test']
    assert test.joints_cam_m is not None
    captured = dhp_test_arrays()[1].in_camera(persons(60))
    valid = np.flatnonzero(np.arange(60) % 10)
    np.testing.assert_allclose(test.joints_cam_m, UNIVERSAL * captured[valid], atol=1e-5)
    rays = test.joints_cam_m[..., :2] / test.joints_cam_m[..., 2:]
    np.testing.assert_allclose(test.rays, rays, atol=1e-5)


def test_without_h5py_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'h5py', None)
    (tmp_path / 'TS1').mkdir()
    header = b'MATLAB 7.3 MAT-file'.ljust(512, b'\0') + b'\x89HDF\r\n\x1a\n'
    (tmp_path / 'TS1' / 'annot_data.mat').write_bytes(header)
    with pytest.raises(MissingDependency, match=r'needs h5py: pip install "elepose\[mat\]"'):
        read(tmp_path)


def test_a_test_sequence_saved_by_older_matlab_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / 'TS2').mkdir()
    savemat(tmp_path / 'TS2' / 'annot_data.mat', dhp_test_arrays()[0])
    assert len(read(tmp_path).sets['test']) == 54


def sequence(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    """Copy S1/Seq1 with some variables changed; None takes one away."""
    source, target = folder / 'S1' / 'Seq1', tmp_path / 'S1' / 'Seq1'
    target.mkdir(parents=True)
    variables = loadmat(source / 'annot.mat')
    kept = {key: variables[key] for key in ('annot2', 'annot3')} | changes
    savemat(target / 'annot.mat', {k: v for k, v in kept.items() if v is not None})
    text = (source / 'camera.calibration').read_text()
    (target / 'camera.calibration').write_text(text)
    return tmp_path


def cells(shape: tuple[int, int], count: int = 14) -> Any:
    found = np.empty((count, 1), object)
    for number in range(count):
        found[number, 0] = np.ones(shape)
    return found


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'annot2': None}, "variable 'annot2' is missing"),
        ({'annot2': np.ones((3, 4))}, 'is float64 of shape (3, 4); expected a cell'),
        ({'annot2': cells((FRAMES, 56), 0)}, 'expected a cell for each camera'),
        ({'annot2': cells((FRAMES, 34))}, 'expected numbers of shape (frames, 56)'),
        ({'annot3': cells((FRAMES + 1, 84))}, f'has {FRAMES} frames and annot3 {FRAMES + 1}'),
        ({'annot2': cells((FRAMES, 56))}, 'px apart by camera.calibration; expected less than 5'),
    ],
)
def test_broken_annotations_are_told(
    changes: dict[str, Any], sentence: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(sequence(folder, tmp_path, **changes))
    assert sentence in str(caught.value)
    assert 'annot.mat' in str(caught.value)


@pytest.mark.parametrize(
    ('old', 'new', 'sentence'),
    [
        ('name          8', 'name          80', 'has no camera 8'),
        ('name          8', 'name          x', 'name is []; expected a whole number'),
        ('radial      0', 'radial      0.1', 'radial is [0.1]; expected 0'),
        ('size        2048 2048', 'size        2048', 'size has 1 numbers; expected 2'),
        ('intrinsic', 'intrinsics', 'intrinsic has 0 numbers; expected 16'),
        ('extrinsic   ', 'extrinsic   7', 'extrinsic has no rotation in it'),
        (
            'extrinsic   ',
            'extrinsic   0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1\n  rest        ',
            'right-handed',
        ),
        ('name', 'nobody', 'names no camera'),
    ],
)
def test_broken_calibrations_are_told(
    old: str, new: str, sentence: str, folder: Path, tmp_path: Path
) -> None:
    path = sequence(folder, tmp_path) / 'S1' / 'Seq1' / 'camera.calibration'
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert sentence in str(caught.value)
    assert 'camera.calibration' in str(caught.value)


def test_missing_calibration_and_empty_folders_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'holds neither S1/Seq1/annot\.mat nor TS1'):
        read(tmp_path)
    (sequence(folder, tmp_path) / 'S1' / 'Seq1' / 'camera.calibration').unlink()
    with pytest.raises(InputError, match=r'camera\.calibration does not exist'):
        read(tmp_path)


@pytest.mark.parametrize(
    ('key', 'value', 'sentence'),
    [
        ('annot2', None, "variable 'annot2' is missing"),
        ('annot2', np.ones((2, 16, 1, 60)), 'expected numbers of shape (2, 17, 1, frames)'),
        ('valid_frame', np.ones((1, 59)), 'frames; expected as many'),
        ('valid_frame', np.zeros((1, 60)), '0 points are known in 2D and 3D'),
        ('annot3', -np.ones((3, 17, 1, 60)), 'no camera fits'),
        ('activity_annotation', np.full((1, 60), np.nan), 'activity_annotation is float64 or not'),
    ],
)
def test_broken_test_sequences_are_told(
    key: str, value: Any, sentence: str, tmp_path: Path
) -> None:
    needs_h5py()
    arrays = dhp_test_arrays()[0] | {key: value}
    (tmp_path / 'TS1').mkdir()
    whole = {k: v for k, v in arrays.items() if v is not None}
    (tmp_path / 'TS1' / 'annot_data.mat').write_bytes(matlab_73(whole))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert sentence in str(caught.value)
    assert 'annot_data.mat' in str(caught.value)


def test_cells_for_numbers_of_frames_are_told(tmp_path: Path) -> None:
    (tmp_path / 'TS1').mkdir()
    for key in ('valid_frame', 'activity_annotation'):
        arrays = dhp_test_arrays()[0] | {key: cells((2, 2), 60)}
        savemat(tmp_path / 'TS1' / 'annot_data.mat', arrays)
        with pytest.raises(InputError, match=f'annot_data.mat: {key} is object or not finite'):
            read(tmp_path)


@pytest.mark.parametrize(
    'lines',
    ['up 0 0 0\nright 0 0 0', 'up 0 2 0\nright 1 0 0', 'up 0 1 0\nright 0 1 0'],
)
def test_axes_of_a_test_camera_that_are_none_give_no_elevation(lines: str, tmp_path: Path) -> None:
    path = tmp_path / 'ts1-4cameras.calib'
    path.write_text(lines)
    with pytest.raises(InputError, match=r'ts1-4cameras\.calib: up is .* at a right angle'):
        up_of_test_camera(path)


def test_other_2d_than_that_of_the_joints_is_no_camera(tmp_path: Path) -> None:
    arrays = dhp_test_arrays()[0]
    generator = np.random.default_rng(0)
    arrays['annot2'] = generator.uniform(0, 2048, arrays['annot2'].shape)
    (tmp_path / 'TS1').mkdir()
    savemat(tmp_path / 'TS1' / 'annot_data.mat', arrays)
    with pytest.raises(InputError, match=r'no camera (fits|brings annot3 to annot2)'):
        read(tmp_path)


def test_damaged_matlab_files_are_told(folder: Path, tmp_path: Path) -> None:
    path = sequence(folder, tmp_path) / 'S1' / 'Seq1' / 'annot.mat'
    content = path.read_bytes()
    for damaged in (b'', b'x' * 600, content[:300], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r'annot\.mat'):
            read(tmp_path)


def test_links_out_of_an_hdf5_file_lead_nowhere(tmp_path: Path) -> None:
    needs_h5py()
    import h5py

    (tmp_path / 'TS1').mkdir()
    (tmp_path / 'TS2').mkdir()
    other = tmp_path / 'TS2' / 'other.mat'
    other.write_bytes(matlab_73(dhp_test_arrays()[0]))
    with h5py.File(tmp_path / 'TS1' / 'annot_data.mat', 'w') as file:
        for key in dhp_test_arrays()[0]:
            file[key] = h5py.ExternalLink(str(other), key)
    with pytest.raises(InputError, match="variable 'annot2' is no array inside the file"):
        read(tmp_path)


def test_joint_maps_name_the_same_joints() -> None:
    """The 17 of the test set are named 7, 5, 14, ... among the 28: both maps must agree."""
    from elepose_core.data.mpi_inf_3dhp import _JOINTS_OF_17, _JOINTS_OF_28

    relevant = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
    assert [relevant[j] for j in _JOINTS_OF_17] == list(_JOINTS_OF_28)
    assert list(_JOINTS_OF_17) == list(DHP_17)
