# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The file contract: what is kept, what is refused and in which words."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError

K = np.array([[600.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])


def _arrays(**changes: Any) -> dict[str, Any]:
    """Four poses in two clips; a value of None takes the key away."""
    arrays = {
        'keypoints_px': np.arange(4 * 17 * 2, dtype=np.float32).reshape(4, 17, 2),
        'camera_matrix': K,
        'image_size': np.array([640, 480]),
        'clip_index': np.array([0, 0, 1, 1]),
        'frame_index': np.array([0, 1, 0, 1]),
        'fps': np.array(30.0),
        **changes,
    }
    return {key: value for key, value in arrays.items() if value is not None}


def _set(**changes: Any) -> PoseSet:
    return PoseSet.from_arrays(_arrays(**changes), source='poses.npz')


def test_smallest_set_has_the_documented_types() -> None:
    poses = _set()
    assert len(poses) == 4
    assert (poses.keypoints_px.dtype, poses.scores.dtype) == (np.float32, np.float32)
    assert (poses.camera_matrix.shape, poses.camera_matrix.dtype) == ((1, 3, 3), np.float64)
    assert poses.image_size.tolist() == [[640, 480]]
    assert poses.camera_index.tolist() == [0, 0, 0, 0]
    assert poses.fps == 30.0
    assert poses.joints_cam_m is poses.elevation_rad is poses.action is poses.subject is None


def test_absent_scores_are_one_where_finite_and_zero_where_missing() -> None:
    keypoints = _arrays()['keypoints_px'].copy()
    keypoints[1, 3, 0] = np.nan
    expected = np.ones((4, 17), np.float32)
    expected[1, 3] = 0
    np.testing.assert_array_equal(_set(keypoints_px=keypoints).scores, expected)
    # A score that was given does not make a missing keypoint seen.
    scored = _set(keypoints_px=keypoints, scores=np.full((4, 17), 0.5))
    np.testing.assert_array_equal(scored.scores, expected * np.float32(0.5))


def test_rays_by_hand() -> None:
    keypoints = np.zeros((4, 17, 2), np.float32)
    keypoints[2, 5] = (620, 140)
    np.testing.assert_allclose(_set(keypoints_px=keypoints).rays[2, 5], [0.5, -0.2])
    skewed = K.copy()
    skewed[0, 1] = 50.0
    keypoints[2, 5] = (640, 340)
    rays = _set(keypoints_px=keypoints, camera_matrix=skewed).rays
    np.testing.assert_allclose(rays[2, 5], [310 / 600, 0.2])


def test_each_pose_has_the_rays_of_its_own_camera() -> None:
    wide = np.diag([2.0, 2.0, 1.0]) @ K
    poses = _set(
        camera_matrix=np.stack([K, wide]),
        camera_index=np.array([0, 1, 0, 1]),
        image_size=np.array([[640, 480], [1280, 960]]),
        keypoints_px=np.full((4, 17, 2), 620.0),
    )
    np.testing.assert_allclose(poses.rays[0, 0], [0.5, 0.76])
    np.testing.assert_allclose(poses.rays[1, 0], [(620 - 640) / 1200, (620 - 480) / 1000])


def test_file_comes_back_as_it_was_with_unknown_keys(tmp_path: Path) -> None:
    poses = _set(
        joints_cam_m=np.ones((4, 17, 3)),
        elevation_rad=np.full(4, 0.2),
        action=np.array(['walk', 'sit']),
        subject=np.array(['S1', 'S1']),
        scores=np.full((4, 17), 0.25),
        licence=np.array('CC BY 4.0'),
        file=np.arange(3),  # numpy's own savez cannot write this name
    )
    poses.save(tmp_path / 'a.npz')
    again = PoseSet.load(tmp_path / 'a.npz')
    again.save(tmp_path / 'b.npz')
    with np.load(tmp_path / 'a.npz') as first, np.load(tmp_path / 'b.npz') as second:
        assert sorted(first.files) == sorted(second.files)
        assert {'licence', 'file', 'keypoints_px', 'action'} <= set(first.files)
        assert 'allow_pickle' not in first.files
        for key in first.files:
            np.testing.assert_array_equal(first[key], second[key])
            assert first[key].dtype == second[key].dtype
    assert str(again.extra['licence']) == 'CC BY 4.0'
    assert again.action is not None
    assert again.action.tolist() == ['walk', 'sit']


def test_saved_keys_have_the_types_of_the_contract(tmp_path: Path) -> None:
    _set(joints_cam_m=np.ones((4, 17, 3))).save(tmp_path / 'a.npz')
    with np.load(tmp_path / 'a.npz') as archive:
        assert archive['keypoints_px'].dtype == archive['scores'].dtype == np.float32
        assert archive['joints_cam_m'].dtype == np.float32
        assert archive['camera_matrix'].dtype == np.float64
        assert archive['clip_index'].dtype.kind == archive['image_size'].dtype.kind == 'i'
        assert archive['fps'].shape == ()


@pytest.mark.parametrize(
    'key', ['keypoints_px', 'camera_matrix', 'image_size', 'clip_index', 'frame_index', 'fps']
)
def test_missing_key_is_named_with_the_file(key: str, tmp_path: Path) -> None:
    path = tmp_path / 'poses.npz'
    np.savez(path, **_arrays(**{key: None}))
    with pytest.raises(InputError, match=rf'poses\.npz: key {key!r} is missing') as caught:
        PoseSet.load(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('key', 'value', 'sentence'),
    [
        ('keypoints_px', np.zeros((4, 18, 2)), r'keypoints_px is float64 of shape \(4, 18, 2\)'),
        ('keypoints_px', np.zeros((4, 34)), r'expected numbers of shape \(N, 17, 2\)'),
        ('keypoints_px', np.full((4, 17, 2), 'x'), r'keypoints_px is <U1'),
        ('scores', np.zeros((4, 16)), r'expected numbers of shape \(4, 17\)'),
        ('scores', np.full((4, 17), 1.5), r'scores has 1\.5; expected values in 0\.\.1'),
        ('scores', np.full((4, 17), -0.5), r'scores has -0\.5; expected values in 0\.\.1'),
        ('scores', np.full((4, 17), np.nan), r'scores has nan; expected values in 0\.\.1'),
        ('camera_matrix', np.eye(4), r'camera_matrix is float64 of shape \(4, 4\)'),
        ('camera_matrix', np.arange(1.0, 10.0), r'camera_matrix is float64 of shape \(9,\)'),
        ('camera_matrix', np.ones((3, 3, 2)), r'camera_matrix is float64 of shape \(3, 3, 2\)'),
        ('camera_matrix', np.diag([0, 5, 1]), r'camera_matrix has a focal length that is not'),
        ('camera_matrix', K * np.nan, r'camera_matrix has a focal length that is not'),
        ('image_size', np.array([640, 480, 3]), r'image_size is int64 of shape \(3,\)'),
        ('image_size', np.zeros((3, 2), int), r'image_size is int64 of shape \(3, 2\)'),
        ('image_size', np.array(['a', 'b']), r'image_size is <U1'),
        ('image_size', np.array([640, 0]), r'image_size has 0; expected values >= 1'),
        ('clip_index', np.array([0.0, 0, 1, 1]), r'clip_index is float64'),
        ('clip_index', np.array([0, 0, 1]), r'expected integers of shape \(4,\)'),
        ('clip_index', np.array([0, 0, -1, 1]), r'clip_index has -1; expected values >= 0'),
        ('frame_index', np.array(['a'] * 4), r'frame_index is <U1'),
        ('camera_index', np.array([0, 0, 0, 1]), r'camera_index runs 0\.\.1; expected 0\.\.0'),
        ('fps', np.array(0.0), r'fps is 0\.0; expected one number > 0'),
        ('fps', np.array([25.0, 30.0]), r'fps is \[25\. 30\.\]; expected one number > 0'),
        ('fps', np.array('fast'), r'fps is fast; expected one number > 0'),
        ('joints_cam_m', np.zeros((4, 17, 2)), r'expected numbers of shape \(4, 17, 3\)'),
        ('joints_cam_m', np.zeros((3, 17, 3)), r'joints_cam_m is float64 of shape \(3, 17, 3\)'),
        (
            'elevation_rad',
            np.full(4, -12.0),
            'elevation_rad reaches 12; expected radians of at mo',
        ),
        (
            'roll_rad',
            np.full(4, 3.2),
            r'roll_rad reaches 3\.2; expected radians of at most 3\.142',
        ),
        ('elevation_rad', np.zeros((4, 1)), r'elevation_rad is float64 of shape \(4, 1\)'),
        ('action', np.array(['walk']), r'action has 1 entries but clip_index reaches 1'),
        ('subject', np.array(['S1']), r'subject has 1 entries but clip_index reaches 1'),
        ('action', np.array([['a', 'b']]), r'action has shape \(1, 2\); expected \(clips,\)'),
    ],
)
def test_wrong_array_is_one_sentence_that_names_file_and_key(
    key: str, value: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        _set(**{key: value})
    assert str(caught.value).startswith('poses.npz: ')
    assert '\n' not in str(caught.value)


def test_one_number_in_a_list_is_a_frame_rate() -> None:
    assert _set(fps=np.array([25.0])).fps == 25.0


def test_camera_index_is_needed_for_two_cameras() -> None:
    with pytest.raises(InputError, match="key 'camera_index' is missing; needed for 2 cameras"):
        _set(camera_matrix=np.stack([K, K]))


def test_object_arrays_are_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / 'executed'

    class Malicious:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (Path.touch, (marker,))

    path = tmp_path / 'poses.npz'
    np.savez(path, **_arrays(keypoints_px=np.array([Malicious()], dtype=object)))
    with pytest.raises(InputError, match=r'not a readable npz file of plain arrays'):
        PoseSet.load(path)
    assert not marker.exists()


def test_object_arrays_are_not_written_either(tmp_path: Path) -> None:
    poses = _set(notes=np.array([{'a': 1}], dtype=object))
    (tmp_path / 'a.npz').write_bytes(b'old')
    with pytest.raises(ValueError, match='allow_pickle'):
        poses.save(tmp_path / 'a.npz')
    assert (tmp_path / 'a.npz').read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'output is .*a\.json; expected a name that ends in'):
        _set().save(tmp_path / 'a.json')


def test_file_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'none\.npz does not exist; expected a PoseSet'):
        PoseSet.load(tmp_path / 'none.npz')


@pytest.mark.parametrize('content', [b'', b'no zip', b'PK\x03\x04', b'\x80\x04}.'])
def test_file_of_another_kind_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'a\.npz is not a readable npz file') as caught:
        PoseSet.load(path)
    assert '\n' not in str(caught.value)


def test_single_array_file_and_folder_are_one_sentence(tmp_path: Path) -> None:
    with (tmp_path / 'a.npz').open('wb') as file:
        np.save(file, np.zeros(3))
    for path in (tmp_path / 'a.npz', tmp_path):
        with pytest.raises(InputError, match='is not a readable npz file'):
            PoseSet.load(path)


def test_damaged_file_is_one_sentence_wherever_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    _set(joints_cam_m=np.random.default_rng(0).normal(size=(4, 17, 3))).save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    sentences = []
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            damaged[place] ^= 1 << random.integers(0, 8)
        path.write_bytes(damaged)
        try:
            PoseSet.load(path)
        except InputError as error:
            sentences.append(str(error))
    assert len(sentences) > 100
    assert not any('\n' in sentence for sentence in sentences)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match='is not a readable npz file'):
        PoseSet.load(path)


def test_archive_that_claims_an_endless_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {'descr': '<f8', 'fortran_order': False, 'shape': (1 << 50,)}
    )
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('keypoints_px.npy', header.getvalue())
    with pytest.raises(InputError, match='is not a readable npz file'):
        PoseSet.load(path)


def test_empty_set_is_a_set(tmp_path: Path) -> None:
    none = np.zeros(0, np.int64)
    poses = _set(keypoints_px=np.zeros((0, 17, 2)), clip_index=none, frame_index=none)
    assert len(poses) == 0
    assert poses.rays.shape == (0, 17, 2)
    poses.save(tmp_path / 'a.npz')
    assert len(PoseSet.load(tmp_path / 'a.npz')) == 0


def test_selection_takes_rows_of_everything_that_has_rows() -> None:
    poses = _set(
        joints_cam_m=np.arange(4.0)[:, None, None] * np.ones((4, 17, 3)),
        action=np.array(['walk', 'sit']),
        weight=np.arange(4),
        licence=np.array('CC0'),
    )
    chosen = poses.select(np.array([3, 1]))
    assert len(chosen) == 2
    assert chosen.clip_index.tolist() == [1, 0]
    assert chosen.joints_cam_m is not None
    assert chosen.joints_cam_m[:, 0, 0].tolist() == [3, 1]
    assert chosen.extra['weight'].tolist() == [3, 1]
    assert str(chosen.extra['licence']) == 'CC0'
    assert chosen.action is not None
    assert chosen.action[chosen.clip_index].tolist() == ['sit', 'walk']
    assert len(poses.select(np.zeros(4, bool))) == 0


def test_arrays_that_were_handed_in_are_not_changed() -> None:
    arrays = _arrays(scores=np.ones((4, 17), np.float32))
    arrays['keypoints_px'][0, 0] = np.nan
    PoseSet.from_arrays(arrays, source='memory')
    assert arrays['scores'].all()
    assert set(arrays) == set(_arrays(scores=1))
