# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Figures: upright, left on the correct side, in metres, and not blank."""

import math
import re

import numpy as np
import pytest
from PIL import Image

from elepose_core.errors import InputError, MissingDependency
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.skeleton import COCO_17, H36M_17
from elepose_core.visualize import Motion, Still, write_page, write_picture
from elepose_core.visualize.motion import LEFT_COLOUR, RIGHT_COLOUR, bones_by_side
from elepose_core.visualize.picture import _draw_motion, _new_figure

pytest.importorskip('matplotlib')
pytest.importorskip('plotly')
HEIGHTS = {'head_top': 1.7, 'shoulder': 1.4, 'wrist': 0.9, 'hip': 0.95, 'knee': 0.5, 'ankle': 0.1}


def _standing_person(elevation_rad: float) -> np.ndarray:
    """A person 4 m away who faces a camera at 1 m height: its left is on the image's right."""
    level = np.zeros((17, 3))
    for index, name in enumerate(H36M_17.joint_names):
        side = -0.2 if name.startswith('left_') else 0.2 if name.startswith('right_') else 0.0
        height = next((v for k, v in HEIGHTS.items() if name.endswith(k)), 1.2)
        level[index] = (4.0, side, height - 1.0)
    return level @ level_from_camera(up_cam_from_elevation(elevation_rad))


def _motion(frames: int = 6, **changes) -> Motion:
    elevation = math.radians(20)
    values = {
        'title': 'standing',
        'time_s': np.arange(frames) / 10,
        'joints_cam_m': np.tile(_standing_person(elevation), (frames, 1, 1, 1)),
        'up_cam': np.tile(up_cam_from_elevation(elevation), (frames, 1)),
        'elevation_rad': np.full(frames, elevation),
    }
    return Motion(**{**values, **changes})


def _still(frame: int) -> Still:
    keypoints = np.full((1, 17, 2), np.nan)
    keypoints[0, :, 0] = np.linspace(10, 50, 17)
    keypoints[0, :, 1] = np.linspace(10, 80, 17)
    return Still(frame, np.full((90, 60, 3), 200, np.uint8), keypoints, COCO_17)


class TestMotion:
    def test_gravity_makes_up_up(self):
        person = _motion().joints_level_m()[0, 0]
        np.testing.assert_allclose(person[H36M_17.index('head_top')], [4, 0, 0.7], atol=1e-9)
        np.testing.assert_allclose(person[H36M_17.index('left_ankle')], [4, -0.2, -0.9], atol=1e-9)

    def test_without_gravity_the_images_top_is_up(self):
        motion = _motion(up_cam=np.full((6, 3), np.nan), elevation_rad=np.full(6, np.nan))
        assert not motion.is_level
        x, y, z = motion.joints_cam_m[0, 0, 3]
        np.testing.assert_allclose(motion.joints_level_m()[0, 0, 3], [z, -x, -y])

    def test_sides_cover_the_skeleton_once(self):
        bones = bones_by_side(H36M_17)
        assert sorted(bone for side in bones.values() for bone in side) == sorted(H36M_17.bones)
        assert (H36M_17.index('pelvis'), H36M_17.index('left_hip')) in bones['left']
        assert len(bones['left']) == len(bones['right']) == 6

    @pytest.mark.parametrize(
        ('changes', 'sentence'),
        [
            ({'joints_cam_m': np.zeros((6, 17, 3))}, r'shape \(6, 17, 3\); expected \(6, people'),
            ({'up_cam': np.zeros((5, 3))}, r'up_cam \(5, 3\)'),
            ({'joints_cam_m': np.full((6, 1, 17, 3), np.nan)}, 'no joint to show'),
        ],
    )
    def test_bad_arrays(self, changes, sentence):
        with pytest.raises(InputError, match=sentence):
            _motion(**changes)


class TestPicture:
    def test_it_shows_metres_upright_with_left_on_the_right_side(self):
        figure = _new_figure(1)
        _draw_motion(figure.subfigures(1, 1), _motion())
        front = next(a for a in figure.axes if a.get_title().startswith('seen by the camera'))
        left, right = (
            next(line for line in front.lines if line.get_color() == colour)
            for colour in (LEFT_COLOUR, RIGHT_COLOUR)
        )

        # The person faces the camera: their left is on the picture's right, level y -0.2.
        def on_screen(line):
            return front.transData.transform(np.column_stack(line.get_data())).mean(axis=0)

        figure.canvas.draw()
        assert on_screen(left)[0] > on_screen(right)[0]
        assert front.get_ylim()[0] < front.get_ylim()[1]
        assert front.get_aspect() == 1.0
        assert front.get_ylim() == pytest.approx((-0.9 - 0.25, 0.7 + 0.25))

    def test_a_file_with_all_colours_is_written(self, tmp_path):
        stills = tuple(_still(frame) for frame in range(5))
        write_picture([_motion(stills=stills), _motion()], tmp_path / 'a.png', dpi=60)
        pixels = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB')).reshape(-1, 3)
        for colour in (LEFT_COLOUR, RIGHT_COLOUR):
            rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            assert (np.abs(pixels.astype(int) - rgb).max(axis=1) < 10).sum() > 50
        assert [p.name for p in tmp_path.iterdir()] == ['a.png']

    def test_frames_without_people_and_unknown_gravity(self, tmp_path):
        joints = _motion().joints_cam_m.copy()
        joints[:3] = np.nan
        unknown = np.full(6, np.nan)
        motion = _motion(
            joints_cam_m=joints, up_cam=np.full((6, 3), np.nan), elevation_rad=unknown
        )
        write_picture([motion], tmp_path / 'a.png', dpi=40)
        assert (tmp_path / 'a.png').stat().st_size > 5000

    def test_nothing_to_draw(self, tmp_path):
        with pytest.raises(InputError, match='at least one motion'):
            write_picture([], tmp_path / 'a.png')

    def test_a_missing_library_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__('sys').modules, 'matplotlib.figure', None)
        with pytest.raises(MissingDependency, match=r'pip install "elepose\[view\]"'):
            write_picture([_motion()], tmp_path / 'a.png')


class TestPage:
    def test_it_is_one_file_with_a_step_for_each_frame(self, tmp_path):
        write_page([_motion(), _motion(4, title='<second>')], tmp_path / 'a.html')
        text = (tmp_path / 'a.html').read_text()
        assert '<h2>standing</h2>' in text
        assert '<h2>&lt;second&gt;</h2>' in text
        assert not re.search(r'<script[^>]+src=', text)
        assert text.count('"label":"0.30"') == 2
        assert text.count("person's left") == text.count("person's right") > 0

    def test_nothing_to_draw(self, tmp_path):
        with pytest.raises(InputError, match='at least one motion'):
            write_page([], tmp_path / 'a.html')

    def test_a_missing_library_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__('sys').modules, 'plotly', None)
        with pytest.raises(MissingDependency, match=r'pip install "elepose\[view\]"'):
            write_page([_motion()], tmp_path / 'a.html')
