# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People who are rendered stand where their keypoints are, the right way round."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('torch', reason='the body model needs torch')
pytest.importorskip('cv2', reason='OpenCV is not installed')

from elepose_core.body.data import POSE_BONES
from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.person_crop import crop_from_pixels, person_squares
from elepose_core.skeleton import H36M_17

ROOT = Path(__file__).parents[3]
# Parts of the skin that lie next to a joint, by the bone that they go with.
NEXT_TO = {
    'wrist': ('wrist', 'lowerarm01'),
    'ankle': ('foot', 'lowerleg01'),
    'elbow': ('lowerarm01', 'upperarm01'),
}


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import render_people

    yield render_people
    for name in ('render_people', 'people_looks'):
        sys.modules.pop(name, None)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(6, seed=4))


def test_limbs_begin_at_their_joints_and_left_is_left(render: Any, poses: PoseSet) -> None:
    posed = render.posed_people(render.BodyModel(), poses.joints_cam_m, np.random.default_rng(0))
    mesh = render.usual_mesh()
    for part, bones in NEXT_TO.items():
        for side in ('left', 'right'):
            names = [f'{bone}.{side[0].upper()}' for bone in bones]
            skin = np.unique(mesh.faces[np.isin(mesh.bone, names)])
            joint = poses.joints_cam_m[:, H36M_17.index(f'{side}_{part}')]
            gap = np.linalg.norm(posed.vertices[:, skin] - joint[:, None], axis=-1).min(1)
            assert gap.max() < 0.09, (part, side)
    assert posed.stretch.shape == (6, len(POSE_BONES))
    assert posed.stretch.max() < 0.4


def test_a_picture_shows_the_person_where_the_keypoints_are(
    render: Any, poses: PoseSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A green person in front of nothing, without lamps and noise, covers its keypoints."""
    green = np.array([0.0, 255.0, 0.0])
    monkeypatch.setattr(render, 'dressed', lambda mesh, _: np.tile(green, (len(mesh.faces), 1)))
    monkeypatch.setattr(render, 'lit', lambda colours, *_: colours.astype(np.uint8))
    monkeypatch.setattr(
        render, 'surroundings', lambda side, *_: np.zeros((side, side, 3), np.uint8)
    )
    monkeypatch.setattr(render, 'photographed', lambda picture, _: picture)
    side = 64
    crops, _ = render.rendered(poses, side, [], np.random.default_rng(0))
    squares = person_squares(poses.keypoints_px.astype(np.float64), poses.scores > 0)
    inside = []
    for crop, keypoints, matrix in zip(
        crops, poses.keypoints_px, crop_from_pixels(*squares, side), strict=True
    ):
        x, y = (
            (np.insert(keypoints.astype(np.float64), 2, 1.0, axis=1) @ matrix.T)
            .round()
            .astype(int)
            .T
        )
        inside.append(crop[y, x, 1] > 0)
        assert 0.03 < (crop[..., 1] > 128).mean() < 0.5
    # The end of the head may lie above the hair.
    assert np.mean(inside) > 0.95


def test_the_same_seed_gives_the_same_pictures_and_2d_alone_will_do(
    render: Any, poses: PoseSet
) -> None:
    flat = replace(poses, joints_cam_m=None, elevation_rad=None)
    first, again, other = (
        render.rendered(flat, 32, [], np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert first.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
