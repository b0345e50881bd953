# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoint files of other tools, right and wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.offline.keypoint_files import (
    Assumptions,
    ImageSize,
    lift_keypoints,
    read_coco,
    read_openpose,
)
from elepose_core.runtime.lifting import LiftingOptions
from elepose_core.runtime.predictor import Predictor

SIZE = ImageSize(640, 480)


def _triples(joints: int, score: float = 0.9, shift: float = 0.0) -> list[float]:
    return [n for i in range(joints) for n in (100.0 + 3 * i + shift, 50.0 + 10.0 * i, score)]


def _coco(path: Path, people: list[Any], **top: Any) -> Path:
    path.write_text(json.dumps({'images': [], 'annotations': people, **top}))
    return path


def _image(number: int, width: int = 640, height: int = 480) -> dict[str, int]:
    return {'id': number, 'width': width, 'height': height}


def test_coco_annotations_are_read_with_the_size_of_their_image(tmp_path: Path) -> None:
    people = [
        {'image_id': 7, 'keypoints': _triples(17, score=2)},
        {'image_id': 9, 'keypoints': _triples(17, score=1)},
        {'image_id': 7, 'keypoints': [0] * 51},  # too small to annotate
        {'image_id': 7, 'keypoints': _triples(17, score=0.4)},
    ]
    path = _coco(tmp_path / 'a.json', people, images=[_image(7), _image(9, 1280, 720)])
    poses = list(read_coco(path))
    assert [pose.frame for pose in poses] == [0, 1, 0]
    assert [pose.size for pose in poses] == [(640, 480), (1280, 720), (640, 480)]
    assert [float(pose.scores[3]) for pose in poses] == pytest.approx([1, 1, 0.4])
    # COCO 13 is the left knee, joint 5 of ours.
    np.testing.assert_allclose(poses[0].keypoints_px[5], [139.0, 180.0])


def test_detector_results_need_the_image_size(tmp_path: Path) -> None:
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{'image_id': 'a.jpg', 'keypoints': _triples(17)}]))
    (pose,) = read_coco(path, SIZE)
    assert pose.size == SIZE
    with pytest.raises(InputError, match=r'annotation 0: the image size is unknown; give it with'):
        list(read_coco(path))


def test_unlabelled_keypoint_is_missing(tmp_path: Path) -> None:
    numbers = _triples(17)
    numbers[3 * 9 : 3 * 9 + 3] = [0, 0, 0]  # COCO 9 is the left wrist, joint 13 of ours
    (pose,) = read_coco(_coco(tmp_path / 'a.json', [{'keypoints': numbers}]), SIZE)
    assert np.isnan(pose.keypoints_px[13]).all()
    assert pose.scores[13] == 0
    assert np.isfinite(pose.keypoints_px[:13]).all()


def test_other_layout_in_a_coco_file_is_honoured(tmp_path: Path) -> None:
    path = _coco(tmp_path / 'a.json', [{'keypoints': _triples(26)}])
    (pose,) = read_coco(path, SIZE, 'halpe_26')
    np.testing.assert_allclose(pose.keypoints_px[5], [139.0, 180.0])
    with pytest.raises(InputError, match='coco_17 needs 51 numbers; found 78'):
        list(read_coco(path, SIZE))


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ('{', 'is not a readable JSON file'),
        ('[' * 100_000, 'is not a readable JSON file'),
        ('3', 'has no list of annotations'),
        ('{"annotations": 3}', 'has no list of annotations'),
        ('[3]', 'annotation 0 has no keypoints'),
        ('[{"bbox": []}]', 'annotation 0 has no keypoints'),
        ('[{"keypoints": 5}]', 'annotation 0 has no keypoints'),
        ('[{"keypoints": [1, 2]}]', 'coco_17 needs 51 numbers; found 2'),
        ('[{"keypoints": ["a", "b", "c"]}]', 'coco_17 needs 51 numbers; found 0'),
        ('[{"keypoints": [1], "image_id": [2]}]', r'image_id is \[2\]'),
        ('{"annotations": [], "images": [{"id": 1}]}', 'images has entries without id, width'),
        ('{"annotations": [], "images": 3}', 'images has entries without id, width'),
        ('{"annotations": [], "images": [3]}', 'images has entries without id, width'),
    ],
)
def test_wrong_coco_file_is_one_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / 'a.json'
    path.write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        list(read_coco(path, SIZE))
    assert 'a.json' in str(caught.value)
    assert '\n' not in str(caught.value)


def _openpose(folder: Path, frame: int, *people: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f'video_{frame:012d}_keypoints.json'
    path.write_text(json.dumps({'version': 1.3, 'people': list(people)}))
    return path


@pytest.mark.parametrize(('joints', 'left_knee'), [(18, 12), (25, 13)])
def test_openpose_layout_is_told_by_the_count(joints: int, left_knee: int, tmp_path: Path) -> None:
    folder = tmp_path / 'json'
    _openpose(folder, 1, {'pose_keypoints_2d': _triples(joints, shift=1.0)})
    _openpose(folder, 0, {'pose_keypoints_2d': _triples(joints)})
    _openpose(folder, 2)
    _openpose(folder, 3, *[{'pose_keypoints_2d': _triples(joints)}] * 2)
    poses = list(read_openpose(folder, SIZE))
    assert [pose.frame for pose in poses] == [0, 1, 3, 3]
    expected = [100.0 + 3 * left_knee, 50.0 + 10 * left_knee]
    np.testing.assert_allclose(poses[0].keypoints_px[5], expected)
    assert poses[1].keypoints_px[5, 0] == expected[0] + 1


@pytest.mark.parametrize(
    ('person', 'sentence'),
    [
        ({}, 'person 0 has no pose_keypoints_2d'),
        (3, 'person 0 has no pose_keypoints_2d'),
        ({'pose_keypoints_2d': [1.0] * 45}, 'person 0 has 45 numbers; expected 54 or 75'),
        ({'pose_keypoints_2d': [1.0] * 76}, 'openpose_25 needs 75 numbers; found 76'),
    ],
)
def test_wrong_openpose_file_is_one_sentence(person: Any, sentence: str, tmp_path: Path) -> None:
    path = _openpose(tmp_path / 'json', 0, person)
    with pytest.raises(InputError, match=sentence) as caught:
        list(read_openpose(tmp_path / 'json', SIZE))
    assert path.name in str(caught.value)
    path.write_text('{"people": 3}')
    with pytest.raises(InputError, match='has no list "people"'):
        list(read_openpose(tmp_path / 'json', SIZE))
    with pytest.raises(InputError, match='give it with --image-size'):
        list(read_openpose(tmp_path / 'json', None))


def test_lifted_file_is_a_pose_set_with_the_assumed_camera(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    people = [
        {'image_id': 1, 'keypoints': _triples(17)},
        {'image_id': 2, 'keypoints': _triples(17, shift=5)},
        {'image_id': 1, 'keypoints': [1.0, 1.0, 1.0] + [0.0] * 48},  # the nose alone
    ]
    images = [_image(1, 640, 480), _image(2, 1280, 960)]
    source = _coco(tmp_path / 'a.json', people, images=images)
    out = tmp_path / 'out.npz'
    predictor = Predictor(tiny_bundle.folder)
    lift_keypoints(source, out, predictor, LiftingOptions(), Assumptions(fov_deg=90.0))
    poses = PoseSet.load(out)
    assert len(poses) == 3
    assert poses.image_size.tolist() == [[640, 480], [1280, 960]]
    assert poses.camera_index.tolist() == [0, 1, 0]
    np.testing.assert_allclose(poses.camera_matrix[:, 0, 0], [320, 640])  # 90 degrees
    joints = poses.extra['lifted_joints_cam_m']
    assert joints.shape == (3, 17, 3)
    assert np.isfinite(joints[:2]).all()
    assert np.isnan(joints[2]).all()
    assert np.isnan(poses.extra['lifted_up_cam'][2]).all()


def test_file_without_people_is_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    source = _coco(tmp_path / 'a.json', [])
    predictor = Predictor(tiny_bundle.folder)
    with pytest.raises(InputError, match=r'a\.json holds no person with keypoints'):
        lift_keypoints(source, tmp_path / 'o.npz', predictor, LiftingOptions(), Assumptions(60.0))
