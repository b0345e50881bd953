# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People cut out of pictures, and a graph made by hand that takes red for far."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import open_bundle
from elepose_core.errors import InputError
from elepose_core.geometry.camera import Camera, project
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.ordering import Ordering, person_crops
from elepose_core.runtime.people import People2D, Person2D, Surroundings
from elepose_core.runtime.predictor import Predictor

tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
Float32 = NDArray[np.float32]
Seen = NDArray[np.bool_]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('bundles')
    tiny_bundles.write_tiny_ordering(folder / 'red.elepose')
    tiny_bundles.write_tiny_bundle(folder / 'flat.elepose')
    return folder


def _box(centre: tuple[float, float], width: float, height: float) -> tuple[Float32, Seen]:
    """Return one person whose keypoints span a box."""
    points = np.tile(np.float32(centre), (1, 17, 1))
    points[0, 0] += (-width / 2, -height / 2)
    points[0, 1] += (width / 2, height / 2)
    return points, np.ones((1, 17), bool)


def test_square_is_a_quarter_larger_than_the_person_and_centred_on_it() -> None:
    """A person 80 px high in the middle of a white square of 100 px, all else grey."""
    picture = np.full((300, 400, 3), 128, np.uint8)
    picture[100:200, 150:250] = 255
    # Between the pixels 149.5..249.5 and 99.5..199.5 the square has its edges.
    crop = person_crops(picture, *_box((199.5, 149.5), 40, 80), 50)
    assert (crop.shape, crop.dtype) == ((1, 3, 50, 50), np.float32)
    np.testing.assert_allclose(crop, 1.0, atol=1e-6)
    wider = person_crops(picture, *_box((199.5, 149.5), 40, 100), 50)
    assert wider[0, 0, 0, 25] < 0.9
    assert wider[0, 0, 25, 25] == 1


def test_channels_are_red_green_blue_and_what_lies_outside_is_black() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = 255, 51, 0
    crop = person_crops(picture, *_box((0.0, 50.0), 40, 40), 32)[0]
    np.testing.assert_allclose(crop[:, 16, 24], [1.0, 0.2, 0.0], atol=1e-6)
    np.testing.assert_array_equal(crop[:, :, :15], 0)
    far_away = person_crops(picture, *_box((5000.0, -900.0), 40, 40), 32)
    np.testing.assert_array_equal(far_away, 0)
    huge = person_crops(picture, *_box((50.0, 50.0), 1e6, 1e6), 32)
    assert huge.max() < 0.01


def test_large_people_are_averaged_not_sampled() -> None:
    """A chequerboard of single pixels is grey from afar."""
    picture = np.zeros((512, 512, 3), np.uint8)
    picture[::2, ::2], picture[1::2, 1::2] = 255, 255
    crop = person_crops(picture, *_box((255.5, 255.5), 256, 256), 32)
    np.testing.assert_allclose(crop, 0.5, atol=0.02)


def test_picture_larger_than_opencv_warps_is_taken() -> None:
    picture = np.full((40, 40_000, 3), 255, np.uint8)
    crop = person_crops(picture, *_box((20_000.0, 20.0), 32_000, 10), 32)
    assert ((crop >= 0) & (crop <= 1)).all()
    crop = person_crops(picture, *_box((39_900.0, 19.5), 20, 20), 32)
    np.testing.assert_allclose(crop, 1.0, atol=1e-6)


def test_keypoints_that_do_not_count_do_not_widen_the_square() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    points, seen = _box((50.0, 50.0), 40, 40)
    wanted = person_crops(picture, points, seen, 32)
    points[0, 9], seen[0, 9] = np.nan, False
    np.testing.assert_array_equal(person_crops(picture, points, seen, 32), wanted)


def test_depths_are_those_of_each_person(folder: Path) -> None:
    ordering = Ordering(folder / 'red.elepose')
    assert ordering.side == 32
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:, 0] = 255
    left, right = _box((50.0, 50.0), 30, 30), _box((150.0, 50.0), 30, 30)
    points, seen = (np.concatenate(parts) for parts in zip(left, right, strict=True))
    depth, sigma = ordering.depths(picture, points, seen)
    np.testing.assert_allclose(depth[:, 1:], [[-1.0] * 16, [1.0] * 16], atol=1e-5)
    np.testing.assert_array_equal(depth[:, 0], 0)
    np.testing.assert_allclose(sigma, 0.1, atol=1e-6)
    assert [p.shape for p in ordering.depths(picture, points[:0], seen[:0])] == [(0, 17)] * 2


def test_lifted_people_move_along_their_rays_towards_what_the_picture_shows(
    folder: Path, standing_m: NDArray[np.float64]
) -> None:
    pixels = project(standing_m + np.array([0.3, 0.0, 4.0]), CAMERA).astype(np.float32)
    people = People2D(0, 'h36m_17', (Person2D('a', pixels, np.full(17, 0.9, np.float32)),))
    joints = {}
    for name, ordering in (('alone', None), ('red', Ordering(folder / 'red.elepose'))):
        for red in (0, 255):
            picture = np.zeros((480, 640, 3), np.uint8)
            picture[..., 0] = red
            lifter = PeopleLifter(Predictor(folder / 'flat.elepose'), LiftingOptions(), ordering)
            found = lifter.lift(people, CAMERA, Surroundings(picture=picture))
            joints[name, red] = found.skeletons[0].joints_cam_m.astype(float)
    np.testing.assert_array_equal(joints['alone', 0], joints['alone', 255])
    for found in joints.values():
        np.testing.assert_allclose(project(found, CAMERA), pixels, atol=0.01)
    behind = {key: (found[1:, 2] / found[0, 2] - 1).mean() for key, found in joints.items()}
    assert behind['red', 0] < behind['alone', 0] - 0.02
    assert behind['red', 255] > behind['alone', 0] + 0.02
    # Without a picture nothing changes.
    lifter = PeopleLifter(Predictor(folder / 'flat.elepose'), None, ordering)
    plain = lifter.lift(people, CAMERA).skeletons[0].joints_cam_m
    np.testing.assert_allclose(plain, joints['alone', 0], atol=1e-6)


@pytest.mark.parametrize(
    ('name', 'changes', 'sentence'),
    [
        ('lifter', None, "method is 'by hand' and joint_layout 'h36m_17'; expected 'wsp'"),
        ('layout', {'joint_layout': 'coco_17'}, "joint_layout 'coco_17'; expected 'wsp' and"),
        ('small', {'side': 8}, r'takes crops of 8 pixels; expected 16\.\.512'),
        ('open', {'side': 'S'}, r"takes crops of shape \(3, 'S', 'S'\); expected \(3, S, S\)"),
    ],
)
def test_bundle_of_another_kind_is_one_sentence(
    name: str, changes: dict[str, Any] | None, sentence: str, tmp_path: Path
) -> None:
    folder = tmp_path / f'{name}.elepose'
    if changes is None:
        tiny_bundles.write_tiny_bundle(folder)
    else:
        tiny_bundles.write_tiny_ordering(folder, **changes)
    with pytest.raises(InputError, match=sentence) as caught:
        Ordering(folder)
    assert '\n' not in str(caught.value)


def test_graph_that_maps_something_else_is_one_sentence(tmp_path: Path) -> None:
    tiny_bundles.write_tiny_bundle(tmp_path / 'b.elepose', method='wsp')
    with pytest.raises(InputError, match=r"graph maps \('rays', .*expected \('crops',\)"):
        Ordering(tmp_path / 'b.elepose')
    assert open_bundle(tmp_path / 'b.elepose').manifest.method == 'wsp'
