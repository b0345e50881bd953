# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle in onnxruntime: shapes, chunks, faults."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.files import sha256_of
from elepose_core.runtime.predictor import Predictor


@pytest.fixture(scope='module')
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle.folder)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(600, seed=22))


def test_many_people_are_lifted_like_each_alone(predictor: Predictor, poses: PoseSet) -> None:
    rays = poses.rays.astype(np.float32)
    joints, up = predictor.lift(rays, poses.scores)  # more than one call of the graph
    assert joints.shape == (600, 17, 3)
    assert up.shape == (600, 3)
    assert joints.dtype == up.dtype == np.float32
    for row in (0, 255, 256, 599):
        one = predictor.lift(rays[row : row + 1], poses.scores[row : row + 1])
        np.testing.assert_allclose(one.joints_cam[0], joints[row], atol=1e-6)
        np.testing.assert_allclose(one.up_cam[0], up[row], atol=1e-6)


def test_joints_lie_on_their_rays(predictor: Predictor, poses: PoseSet) -> None:
    rays = poses.rays.astype(np.float32)
    joints = predictor.lift(rays, poses.scores).joints_cam
    assert (joints[..., 2] > 0).all()
    np.testing.assert_allclose(joints[..., :2] / joints[..., 2:], rays, atol=1e-5)


def test_nobody_is_lifted_to_nobody(predictor: Predictor) -> None:
    joints, up = predictor.lift(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))
    assert joints.shape == (0, 17, 3)
    assert up.shape == (0, 3)


def test_strided_and_wide_arrays_are_taken(predictor: Predictor, poses: PoseSet) -> None:
    rays, scores = poses.rays[:10], poses.scores[:10].astype(np.float64)
    wanted = predictor.lift(rays.astype(np.float32), poses.scores[:10])
    found = predictor.lift(rays[::-1][::-1], scores)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.joints_cam, wanted.joints_cam, atol=1e-6)


@pytest.mark.parametrize(
    ('rays', 'scores', 'up', 'sentence'),
    [
        ((3, 16, 2), (3, 16), None, r'rays have shape \(3, 16, 2\)'),
        ((3, 17, 3), (3, 17), None, r'expected \(N, 17, 2\) and \(N, 17\)'),
        ((3, 17, 2), (2, 17), None, r'scores \(2, 17\)'),
        ((3, 17, 2), (3, 17), (3,), r'up_cam has shape \(3,\); expected \(3, 3\)'),
        ((3, 17, 2), (3, 17), (1, 3), r'up_cam has shape \(1, 3\)'),
    ],
)
def test_wrong_shape_is_one_sentence(
    rays: tuple[int, ...],
    scores: tuple[int, ...],
    up: tuple[int, ...] | None,
    sentence: str,
    predictor: Predictor,
) -> None:
    told = None if up is None else np.zeros(up, np.float32)
    with pytest.raises(InputError, match=sentence):
        predictor.lift(np.zeros(rays, np.float32), np.zeros(scores, np.float32), told)


def _changed(bundle: Bundle, folder: Path, graph: bytes | None = None, **changes: Any) -> Path:
    """Copy a bundle with another manifest or graph; the checksum fits."""
    copy = folder / 'changed.elepose'
    shutil.copytree(bundle.folder, copy)
    if graph is not None:
        (copy / 'lifter.onnx').write_bytes(graph)
    tree = json.loads((copy / 'manifest.json').read_text())
    tree |= {'sha256': sha256_of(copy / 'lifter.onnx'), **changes}
    (copy / 'manifest.json').write_text(json.dumps(tree))
    return copy


def test_graph_that_is_no_graph_is_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = _changed(tiny_bundle, tmp_path, graph=b'no graph at all')
    with pytest.raises(InputError, match='cannot be loaded by onnxruntime') as caught:
        Predictor(folder)
    assert '\n' not in str(caught.value)


def test_other_joint_layout_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = _changed(tiny_bundle, tmp_path, joint_layout='coco_17')
    with pytest.raises(InputError, match="joint_layout is 'coco_17'; expected 'h36m_17'"):
        Predictor(folder)


def test_graph_with_other_inputs_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx', reason='a foreign graph is written with onnx')
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Neg', ['x'], ['y'])], 'foreign', [value], [result]
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=9
    )
    folder = _changed(tiny_bundle, tmp_path, graph=model.SerializeToString())
    with pytest.raises(InputError, match=r"graph maps \('x',\) to \('y',\); expected"):
        Predictor(folder)
