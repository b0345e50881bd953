# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""rtmlib itself over small models with known answers; real weights are the user's to bring."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from elepose_core.detect import DetectorOptions, make_detector
from elepose_core.errors import InputError

HEIGHT, WIDTH = 64, 96
IMAGE = np.full((128, 192, 3), 90, np.uint8)  # twice the networks' size: points double

pytest.importorskip('rtmlib', reason='the optional package rtmlib is not installed')


def save_constant_model(path: Path, input_shape: list[int], *answers: NDArray[Any]) -> Path:
    """Write a model that gives the same answers to every picture."""
    picture = helper.make_tensor_value_info('input', TensorProto.FLOAT, input_shape)
    outputs, nodes = [], []
    for i, answer in enumerate(answers):
        value = numpy_helper.from_array(answer.astype(np.float32), f'value{i}')
        nodes.append(helper.make_node('Constant', [], [f'output{i}'], value=value))
        shape = list(answer.shape)
        outputs.append(helper.make_tensor_value_info(f'output{i}', TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, 'constant', [picture], outputs)
    opset = helper.make_opsetid('', 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def rtmo(path: Path, person_scores: list[float], joints: int = 17) -> Path:
    """People 20 px wide, 25 px apart, joint j at (x0 + j, 5 + 2 j) with score 0.9."""
    count = len(person_scores)
    left = 2 + 25.0 * np.arange(count)
    boxes = np.stack([left, np.full(count, 5.0), left + 20, np.full(count, 45.0)], axis=-1)
    j = np.arange(joints)
    x = left[:, None] + j
    y = np.broadcast_to(5.0 + 2 * j, x.shape)
    poses = np.stack([x, y, np.full_like(x, 0.9)], axis=-1)
    detections = np.concatenate([boxes, np.array(person_scores)[:, None]], axis=-1)
    return save_constant_model(path, [1, 3, HEIGHT, WIDTH], detections[None], poses[None])


def test_one_stage_people_in_pixels_of_the_image(tmp_path: Path) -> None:
    model = rtmo(tmp_path / 'rtmo.onnx', [0.5, 0.8, 0.1])
    detector = make_detector('rtmlib', DetectorOptions(model_path=model))
    assert detector.layout == 'coco_17'
    found = detector.detect(IMAGE)
    assert len(found) == 2  # the third is below min_person_score
    j = np.arange(17)
    for detection, left in zip(found, (27, 2), strict=True):  # the surest first
        expected = np.stack([2 * (left + j), 2 * (5 + 2 * j)], axis=-1)
        np.testing.assert_allclose(detection.keypoints_px, expected, atol=1e-4)
        np.testing.assert_allclose(detection.scores, 0.9, atol=1e-6)
        assert detection.keypoints_px.dtype == detection.scores.dtype == np.float32


@pytest.mark.parametrize('scores', [[0.1], []])
def test_nobody_is_nobody(tmp_path: Path, scores: list[float]) -> None:
    """Here rtmlib answers with one person at the origin, or breaks on a model without boxes."""
    model = rtmo(tmp_path / 'rtmo.onnx', scores)
    assert make_detector('rtmlib', DetectorOptions(model_path=model)).detect(IMAGE) == []


def top_down(folder: Path, boxes: list[list[float]], joints: int) -> DetectorOptions:
    """RTMPose of 48x64 input that puts joint j in the bins (10 + j, 20 + j) of 96 and 128."""
    people = np.array(boxes, np.float32).reshape(1, -1, 5)
    finder = save_constant_model(folder / 'yolox.onnx', [1, 3, HEIGHT, WIDTH], people)
    j = np.arange(joints)
    x, y = np.zeros((1, joints, 96)), np.zeros((1, joints, 128))
    x[0, j, 10 + j], y[0, j, 20 + j] = 0.8, 0.6
    model = save_constant_model(folder / 'rtmpose.onnx', [1, 3, 64, 48], x, y)
    return DetectorOptions(model_path=model, person_model_path=finder)


@pytest.mark.parametrize(('joints', 'layout'), [(17, 'coco_17'), (26, 'halpe_26')])
def test_top_down_layout_and_pixels(tmp_path: Path, joints: int, layout: str) -> None:
    """The box 24..72 x 32..96 of the image (half that in YOLOX's picture), by hand.

    rtmlib enlarges it 1.25 times about (48, 64): 60x80 px, which has the input's aspect ratio.
    Bin 10 of 96 (two per pixel) is 5/48 of 60 px: 48 - 30 + 6.25 = 24.25; bin 20 of 128 is 10/64
    of 80 px: 64 - 40 + 12.5 = 36.5. A further bin is 0.625 px.
    """
    options = top_down(tmp_path, [[12, 16, 36, 48, 0.9]], joints)
    detector = make_detector('rtmlib', options)
    assert detector.layout == layout
    (found,) = detector.detect(IMAGE)
    j = np.arange(joints)
    expected = np.stack([24.25 + 0.625 * j, 36.5 + 0.625 * j], axis=-1)
    np.testing.assert_allclose(found.keypoints_px, expected, atol=1e-3)
    assert found.scores.shape == (joints,)
    assert 0.59 < found.scores.min() <= found.scores.max() < 0.81


def test_top_down_without_boxes_does_not_take_the_whole_image(tmp_path: Path) -> None:
    options = top_down(tmp_path, [[12, 16, 36, 48, 0.01]], 17)
    assert make_detector('rtmlib', options).detect(IMAGE) == []


def test_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_detector('rtmlib', DetectorOptions(model_path=rtmo(tmp_path / 'rtmo.onnx', [0.9])))
    assert capsys.readouterr().out == ''


def test_wrong_models_are_refused(tmp_path: Path) -> None:
    absent = tmp_path / 'absent.onnx'
    good = rtmo(tmp_path / 'rtmo.onnx', [0.9])
    body133 = rtmo(tmp_path / 'body.onnx', [0.9], joints=133)
    pose = top_down(tmp_path, [[12, 16, 36, 48, 0.9]], 17).model_path
    cases = [
        (DetectorOptions(), 'model_path is not set; detector rtmlib needs an RTMO'),
        (DetectorOptions(model_path=absent), 'which is not a file; expected an RTMO'),
        (
            DetectorOptions(model_path=good, person_model_path=absent),
            'person_model_path is .*absent.onnx, which is not a file; expected a YOLOX',
        ),
        (DetectorOptions(model_path=body133), 'a model of 133 keypoints; expected 17'),
        (DetectorOptions(model_path=pose), 'expected a one-stage RTMO model'),
        (
            DetectorOptions(model_path=good, person_model_path=good),
            'expected a top-down RTMPose model',
        ),
    ]
    for options, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            make_detector('rtmlib', options)
