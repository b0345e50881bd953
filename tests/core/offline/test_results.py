# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Results read back for figures, and `elepose view`."""

import math
from dataclasses import replace

import numpy as np
import pytest

from elepose_core.bags import writing_bag
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.offline import bag_messages as messages
from elepose_core.offline.results import frames_from_bag, frames_from_poses
from elepose_core.runtime.people import Elevation, ScaleSource, Skeleton3D, Skeletons3D


def _skeleton(depth_m: float) -> Skeleton3D:
    joints = np.zeros((17, 3), np.float32)
    joints[:, 0] = np.linspace(-0.3, 0.3, 17)
    joints[:, 1] = np.linspace(0.9, -0.7, 17)
    joints[:, 2] = depth_m
    joints[4] = np.nan
    ones = np.ones(17, np.float32)
    root, covariance = np.array([0, 0, depth_m]), np.eye(3)
    return Skeleton3D('1', 1, joints, ones, ones, root, covariance, ScaleSource.STATURE, math.nan)


@pytest.fixture
def bag(tmp_path):
    """Three frames with one, two and no people; an elevation of 10 degrees from the second on."""
    path = tmp_path / 'lifted'
    with writing_bag(path) as writer:
        writer.add_topic('/skeletons', messages.SKELETONS_3D)
        writer.add_topic('/camera_elevation', messages.CAMERA_ELEVATION)
        for index, depths in enumerate([(3.0,), (3.0, 5.0), ()]):
            stamp = 10**9 + index * 10**8
            people = tuple(_skeleton(depth) for depth in depths)
            result = Skeletons3D(stamp, people, (), None, False, tuple(range(len(people))))
            writer.write('/skeletons', stamp, messages.skeletons_message(result, 'cam'))
            angle = math.radians(10)
            told = Elevation(angle, 0.0, 0.1, 0.1, up_cam_from_elevation(angle), 3, True)
            elevation = messages.elevation_message(told if index else None, stamp, 'cam')
            writer.write('/camera_elevation', stamp, elevation)
    return path


def test_frames_of_a_bag(bag):
    frames = frames_from_bag(bag)
    np.testing.assert_allclose(frames.time_s, [0, 0.1, 0.2])
    assert frames.joints_cam_m.shape == (3, 2, 17, 3)
    np.testing.assert_array_equal(
        np.isfinite(frames.joints_cam_m[:, :, 0, 0]), [[True, False], [True, True], [False, False]]
    )
    assert np.isnan(frames.joints_cam_m[:, :, 4]).all()
    assert frames.joints_cam_m[1, 1, 0].tolist() == pytest.approx([-0.3, 0.9, 5.0])
    np.testing.assert_allclose(np.degrees(frames.elevation_rad), [np.nan, 10, 10])
    np.testing.assert_allclose(frames.up_cam[1], [0, -0.98480775, -0.17364818])


def test_a_bag_without_skeletons_or_with_several(bag, tmp_path):
    with pytest.raises(InputError, match=r'Skeletons3D topics: /skeletons; expected topic /a'):
        frames_from_bag(bag, '/a')
    with writing_bag(tmp_path / 'other') as writer:
        writer.add_topic('/keypoints', messages.PEOPLE_2D)
        people = messages.people_message(messages.People2D(1, 'coco_17', ()), 'cam', (4, 4))
        writer.write('/keypoints', 1, people)
    with pytest.raises(InputError, match='Skeletons3D topics: none; expected exactly one'):
        frames_from_bag(tmp_path / 'other')


class TestPoses:
    def test_the_longest_clip_or_the_chosen_one(self, crowd_of, pose_set_of, tmp_path):
        poses = pose_set_of(crowd_of(25), clip_length=10)
        poses.save(tmp_path / 'a.npz')
        frames = frames_from_poses(tmp_path / 'a.npz')
        assert frames.joints_cam_m.shape == (10, 1, 17, 3)
        np.testing.assert_allclose(frames.joints_cam_m[:, 0], poses.joints_cam_m[:10])
        np.testing.assert_allclose(frames.time_s, np.arange(10) / 30, atol=1e-9)
        assert np.isnan(frames.elevation_rad).all()
        assert len(frames_from_poses(tmp_path / 'a.npz', 2).time_s) == 5
        with pytest.raises(InputError, match=r'has no clip 7; expected 0\.\.2'):
            frames_from_poses(tmp_path / 'a.npz', 7)

    def test_people_of_a_video_share_its_frames(self, crowd_of, pose_set_of, tmp_path):
        poses = pose_set_of(crowd_of(5), clip_length=5)
        poses = replace(
            poses,
            frame_index=np.array([0, 1, 2, 1, 2]),
            clip_index=np.array([0, 0, 0, 1, 1]),
            action=None,
            extra={
                'person_id': np.array(['a', 'a', 'a', 'b', 'b']),
                'lifted_joints_cam_m': poses.joints_cam_m,
                'lifted_up_cam': np.tile(up_cam_from_elevation(0.2), (5, 1)),
            },
        )
        poses.save(tmp_path / 'a.npz')
        frames = frames_from_poses(tmp_path / 'a.npz')
        assert frames.joints_cam_m.shape == (3, 2, 17, 3)
        np.testing.assert_allclose(frames.joints_cam_m[2, 1], poses.joints_cam_m[4])
        assert np.isnan(frames.joints_cam_m[0, 1]).all()
        np.testing.assert_allclose(frames.elevation_rad, 0.2)

    def test_2d_only_is_an_error(self, crowd_of, pose_set_of, tmp_path):
        pose_set_of(crowd_of(5), truth=False).save(tmp_path / 'a.npz')
        with pytest.raises(InputError, match='neither lifted_joints_cam_m nor joints_cam_m'):
            frames_from_poses(tmp_path / 'a.npz')

    @pytest.mark.parametrize(
        ('key', 'value', 'sentence'),
        [
            ('lifted_joints_cam_m', np.zeros((5, 16, 3)), r'of shape \(5, 16, 3\); expected'),
            ('lifted_joints_cam_m', np.full((5, 17, 3), 'x'), 'lifted_joints_cam_m is <U1'),
            ('lifted_up_cam', np.zeros((5, 2)), r'lifted_up_cam is float64 of shape \(5, 2\)'),
        ],
    )
    def test_damaged_results_are_one_sentence(
        self, key, value, sentence, crowd_of, pose_set_of, tmp_path
    ):
        poses = pose_set_of(crowd_of(5), clip_length=5)
        replace(poses, extra={key: value}).save(tmp_path / 'a.npz')
        with pytest.raises(InputError, match=sentence):
            frames_from_poses(tmp_path / 'a.npz')

    def test_a_crowd_in_one_frame_of_many_is_refused_before_memory_is_taken(
        self, crowd_of, pose_set_of, tmp_path
    ):
        count = 8000  # half of them at once, and as many frames: 816 million numbers
        poses = pose_set_of(crowd_of(5), clip_length=5).select(np.arange(count) % 5)
        several = replace(
            poses,
            frame_index=np.maximum(np.arange(count) - count // 2, 0),
            clip_index=np.arange(count),
            action=None,
            extra={'person_id': np.arange(count).astype(np.str_)},
        )
        several.save(tmp_path / 'a.npz')
        with pytest.raises(InputError, match='4000 frames of up to 4001 people'):
            frames_from_poses(tmp_path / 'a.npz')
        assert frames_from_poses(tmp_path / 'a.npz', 7).joints_cam_m.shape == (1, 1, 17, 3)


def test_the_command_draws_both_files(bag, elepose):
    pytest.importorskip('matplotlib')
    pytest.importorskip('plotly')
    done = elepose('view', bag)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f'{bag}.png', f'{bag}.html']
    assert bag.with_name('lifted.png').stat().st_size > 10_000
    wrong = elepose('view', bag.with_name('nothing'))
    assert wrong.returncode == 2
    assert 'nothing does not exist' in wrong.stderr
    assert 'Traceback' not in wrong.stderr
