# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped network on a real photograph."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from elepose_core.detect import Detector, DetectorOptions, make_detector, movenet
from elepose_core.detect.movenet import WEIGHTS_SHA256, MovenetMultipose
from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import AnnotatedPerson, best_similarities
from elepose_core.images import rgb_from_photograph
from elepose_core.skeleton import COCO_17


@pytest.fixture(scope='module')
def detector() -> Detector:
    return make_detector('movenet_multipose')


def test_finds_the_skier_where_people_marked_her(detector: Detector, skier: Any) -> None:
    found = detector.detect(skier.rgb)
    assert len(found) == 1
    keypoints, scores = found[0]
    assert keypoints.shape == (17, 2)
    assert scores.shape == (17,)
    assert keypoints.dtype == scores.dtype == np.float32
    assert best_similarities([keypoints], skier.people)[0] > 0.9
    error_px = np.linalg.norm(keypoints - skier.people[0].keypoints_px, axis=-1)
    assert np.median(error_px) < 6


def test_left_is_her_left(detector: Detector, skier: Any) -> None:
    """She looks to the left of the picture, her left side towards us and to the right."""
    assert detector.layout == 'coco_17'
    (keypoints, _) = detector.detect(skier.rgb)[0]
    for part in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        left = keypoints[COCO_17.index(f'left_{part}'), 0]
        assert left > keypoints[COCO_17.index(f'right_{part}'), 0]


def test_a_mirrored_picture_gives_mirrored_keypoints(detector: Detector, skier: Any) -> None:
    (keypoints, scores) = detector.detect(skier.rgb)[0]
    (mirrored, mirrored_scores) = detector.detect(skier.rgb[:, ::-1])[0]
    back = mirrored[list(COCO_17.mirror)] * [-1, 1] + [skier.rgb.shape[1] - 1, 0]
    sure = (scores > 0.5) & (mirrored_scores[list(COCO_17.mirror)] > 0.5)
    assert sure.sum() > 10
    shift = np.median((back - keypoints)[sure], axis=0)
    assert np.abs(shift).max() < 2.0


Change = Callable[[NDArray[Any]], NDArray[Any]]


@pytest.mark.parametrize(
    ('change', 'undo'),
    [
        (lambda im: np.pad(im, ((0, 0), (150, 50), (0, 0))), lambda p: p - [150, 0]),
        (lambda im: np.pad(im, ((200, 0), (0, 0), (0, 0))), lambda p: p - [0, 200]),
        # Each pixel becomes four: its centre moves from x to 2 x + 0.5.
        (lambda im: im.repeat(2, 0).repeat(2, 1), lambda p: (p - 0.5) / 2),
        (lambda im: im[:, 240:540], lambda p: np.add(p, [240, 0])),
    ],
    ids=['beside', 'above', 'twice as large', 'cut out'],
)
def test_coordinates_follow_the_picture(
    detector: Detector, skier: Any, change: Change, undo: Change
) -> None:
    found = detector.detect(np.ascontiguousarray(change(skier.rgb)))
    assert found
    keypoints = undo(found[0].keypoints_px)
    assert best_similarities([keypoints], skier.people)[0] > 0.85


def test_views_of_any_encoding_give_the_same(detector: Detector, skier: Any) -> None:
    bgr = np.ascontiguousarray(skier.rgb[..., ::-1])
    (expected,) = detector.detect(skier.rgb)
    (found,) = detector.detect(bgr[..., ::-1])
    np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)
    grey = skier.rgb[..., 1:2]
    (from_grey,) = detector.detect(np.broadcast_to(grey, skier.rgb.shape))
    assert best_similarities([from_grey.keypoints_px], skier.people)[0] > 0.85


def test_the_network_gets_rgb_and_answers_y_x_score(detector: Detector, skier: Any) -> None:
    """Without any resize the network's own numbers can be read beside what `detect` gives."""
    image = np.ascontiguousarray(skier.rgb[40:424, 200:584])
    session = onnxruntime.InferenceSession(movenet._WEIGHTS, providers=['CPUExecutionProvider'])
    (rows,) = session.run(None, {'input:0': image[None].astype(np.int32)})
    surest = rows[0, rows[0, :, 55].argmax()]
    (found,) = detector.detect(image)
    np.testing.assert_allclose(found.keypoints_px[:, 1], surest[0:51:3] * 384 - 0.5, atol=0.05)
    np.testing.assert_allclose(found.keypoints_px[:, 0], surest[1:51:3] * 384 - 0.5, atol=0.05)
    np.testing.assert_allclose(found.scores, surest[2:51:3], atol=1e-4)
    assert COCO_17.joint_names[0] == 'nose'
    np.testing.assert_allclose(found.keypoints_px[0], [367 - 200, 81 - 40], atol=5)


def test_the_same_picture_gives_the_same_bits(detector: Detector, skier: Any) -> None:
    (first,), (again,) = detector.detect(skier.rgb), detector.detect(skier.rgb)
    (anew,) = make_detector('movenet_multipose').detect(skier.rgb)
    for other in (again, anew):
        np.testing.assert_array_equal(first.keypoints_px, other.keypoints_px)
        np.testing.assert_array_equal(first.scores, other.scores)


def test_two_people_are_two(detector: Detector, skier: Any) -> None:
    pair = np.concatenate([skier.rgb[:, 230:530], skier.rgb[:, 230:530]], axis=1)
    found = detector.detect(pair)
    shifts = ([-230, 0], [70, 0])
    people = [
        AnnotatedPerson(skier.people[0].keypoints_px + s, skier.people[0].area_px2) for s in shifts
    ]
    assert len(found) == 2
    assert best_similarities([d.keypoints_px for d in found], people).min() > 0.85


@pytest.mark.parametrize('shape', [(1, 1), (7, 3), (480, 640), (31, 2000)])
def test_nobody_in_an_empty_picture(detector: Detector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_nobody_is_sure_enough(skier: Any) -> None:
    strict = make_detector('movenet_multipose', DetectorOptions(min_person_score=0.99))
    assert strict.detect(skier.rgb) == []


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_other_arrays_are_refused(detector: Detector, image: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match='image is'):
        detector.detect(image)


def test_weights_are_those_of_the_record() -> None:
    """The checksum is repeated here so that weights and constant cannot change together unseen."""
    assert WEIGHTS_SHA256.startswith('0360093c1d87bcc7463305200ca720b9')


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / 'weights.onnx'
    shutil.copyfile(movenet._WEIGHTS, copy)
    with copy.open('r+b') as file:
        file.seek(5_000_000)
        file.write(b'\0\1\2\3')
    monkeypatch.setattr(movenet, '_WEIGHTS', copy)
    with pytest.raises(InputError, match='is damaged: sha256 is'):
        make_detector('movenet_multipose')
    copy.unlink()
    with pytest.raises(InputError, match='is missing; install elepose again'):
        make_detector('movenet_multipose')


def test_own_weights_are_taken(tmp_path: Path, skier: Any) -> None:
    copy = tmp_path / 'own.onnx'
    shutil.copyfile(movenet._WEIGHTS, copy)
    assert len(MovenetMultipose(DetectorOptions(model_path=copy)).detect(skier.rgb)) == 1


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='which is not a file; expected a MoveNet MultiPose'):
        make_detector('movenet_multipose', DetectorOptions(model_path=tmp_path / 'absent.onnx'))
    text = tmp_path / 'text.onnx'
    text.write_text('no model')
    with pytest.raises(InputError, match='is not a model that onnxruntime can run'):
        make_detector('movenet_multipose', DetectorOptions(model_path=text))
    other = tmp_path / 'other.onnx'
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3])
    y = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'other', [x], [y])
    opset = helper.make_opsetid('', 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), other)
    with pytest.raises(InputError, match='expected MoveNet MultiPose'):
        make_detector('movenet_multipose', DetectorOptions(model_path=other))


def test_all_photographs(data_folder: Path, detector: Detector) -> None:
    """Foreground people are found; those missed are spectators, small and in crowds."""
    folder = data_folder / 'media' / 'coco'
    found: list[float] = []
    for entry in json.loads((folder / 'coco_images.json').read_text()):
        people = [AnnotatedPerson.from_coco(p['keypoints'], p['bbox']) for p in entry['persons']]
        image = rgb_from_photograph((folder / entry['file']).read_bytes())
        keypoints = [d.keypoints_px for d in detector.detect(image)]
        oks = best_similarities(keypoints, people)
        assert oks.max() > 0.5, entry['file']
        found += oks.tolist()
    assert len(found) == 18  # spectators included
    assert sum(o > 0.5 for o in found) >= 11
    assert np.mean(found) > 0.47
