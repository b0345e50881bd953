# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle in onnxruntime: shapes, chunks, faults."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import Bundle
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.files import sha256_of
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.predictor import Predictor

Float32 = NDArray[np.float32]


@pytest.fixture(scope='module')
def predictor(tiny_bundle: Bundle) -> Predictor:
    return Predictor(tiny_bundle.folder)


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(600, seed=22))


@pytest.fixture(scope='module')
def rays(poses: PoseSet) -> Float32:
    return poses.rays.astype(np.float32)


def _told(count: int, elevation_deg: float, roll_deg: float = 0.0) -> Float32:
    up = up_cam_from_elevation(np.radians(elevation_deg), np.radians(roll_deg))
    return np.tile(up.astype(np.float32), (count, 1))


def test_many_people_are_lifted_like_each_alone(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    many = predictor.lift(rays, poses.scores)  # more than one call of the graph
    shapes = [(600, 17, 3), (600, 3), (600, 17), (600,), (600, 2), (600, 0, 3)]
    assert [part.shape for part in many] == shapes
    assert all(part.dtype == np.float32 for part in many)
    for row in (0, 255, 256, 599):
        one = predictor.lift(rays[row : row + 1], poses.scores[row : row + 1])
        for alone, among in zip(one, many, strict=True):
            np.testing.assert_allclose(alone[0], among[row], atol=1e-5)


def test_joints_lie_near_their_rays(predictor: Predictor, rays: Float32, poses: PoseSet) -> None:
    """The lifter may correct what it saw; this one is untrained and corrects hardly anything."""
    joints = predictor.lift(rays, poses.scores).joints_cam
    assert (joints[..., 2] > 0).all()
    np.testing.assert_allclose(joints[..., :2] / joints[..., 2:], rays, atol=2e-3)


def test_errors_and_plausibility_are_what_they_say(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    found = predictor.lift(rays, poses.scores)
    assert (found.sigma > 0).all()
    assert (found.up_variance > 0).all()
    assert ((found.plausibility >= 0) & (found.plausibility <= 1)).all()
    np.testing.assert_allclose(np.linalg.norm(found.up_cam, axis=1), 1, atol=1e-5)


def test_missing_joints_are_completed_whatever_their_rays_hold(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    scores = poses.scores.copy()
    scores[:, [0, 3, 13]] = 0
    wanted = predictor.lift(rays, scores)
    assert all(np.isfinite(part).all() for part in wanted)
    spoilt = rays.copy()
    spoilt[:, [0, 3, 13]] = np.nan
    for given in (scores, poses.scores):  # NaN alone says missing too
        for mine, theirs in zip(predictor.lift(spoilt, given), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_nobody_is_lifted_to_nobody(predictor: Predictor) -> None:
    nobody = predictor.lift(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))
    shapes = [(0, 17, 3), (0, 3), (0, 17), (0,), (0, 2), (0, 0, 3)]
    assert [part.shape for part in nobody] == shapes


def test_strided_and_wide_arrays_are_taken(predictor: Predictor, poses: PoseSet) -> None:
    rays, scores = poses.rays[:10], poses.scores[:10].astype(np.float64)
    wanted = predictor.lift(rays.astype(np.float32), poses.scores[:10])
    found = predictor.lift(rays[::-1][::-1], scores)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.joints_cam, wanted.joints_cam, atol=1e-6)


def test_told_up_moves_the_joints_smoothly_as_it_becomes_surer(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    """From unknown to certain the joints go all the way, no step a jump, never back."""
    rays, scores, up = rays[:50], poses.scores[:50], _told(50, 40.0, 30.0)
    deviations = [np.inf, 10.0, *np.geomspace(1.0, 0.001, 13).tolist(), 0.0]
    lifted = [
        predictor.lift(rays, scores, up, np.full(50, deviation**2, np.float32))
        for deviation in deviations
    ]
    unknown, certain = predictor.lift(rays, scores), predictor.lift(rays, scores, up)
    np.testing.assert_allclose(lifted[0].joints_cam, unknown.joints_cam, atol=1e-6)
    np.testing.assert_allclose(lifted[-1].joints_cam, certain.joints_cam, atol=1e-6)
    way = np.abs(certain.joints_cam - unknown.joints_cam).max()
    assert way > 1e-4
    steps = [
        np.abs(after.joints_cam - before.joints_cam).max()
        for before, after in itertools.pairwise(lifted)
    ]
    assert max(steps) < 0.6 * way
    half = [np.abs(one.joints_cam - unknown.joints_cam).mean() for one in lifted]
    assert (np.diff(half) >= -1e-7).all()


def test_each_row_has_its_own_variance(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    up, variance = _told(3, 30.0), np.float32([np.inf, 0.0, 0.01])
    found = predictor.lift(rays[:3], poses.scores[:3], up, variance)
    for row, alone in enumerate(variance):
        rows = slice(row, row + 1)
        one = predictor.lift(rays[rows], poses.scores[rows], up[rows], np.array([alone]))
        np.testing.assert_allclose(one.joints_cam[0], found.joints_cam[row], atol=1e-6)


def test_own_estimate_does_not_depend_on_what_is_told(
    predictor: Predictor, rays: Float32, poses: PoseSet
) -> None:
    """So that a node may feed its mean back without listening to itself."""
    own = predictor.lift(rays, poses.scores)
    for deg in (-60.0, 0.0, 60.0):
        told = predictor.lift(rays, poses.scores, _told(600, deg, deg))
        np.testing.assert_array_equal(told.up_cam, own.up_cam)
        np.testing.assert_array_equal(told.up_variance, own.up_variance)


@pytest.mark.parametrize(
    ('rays', 'scores', 'up', 'sentence'),
    [
        ((3, 16, 2), (3, 16), None, r'rays have shape \(3, 16, 2\)'),
        ((3, 17, 3), (3, 17), None, r'expected \(N, 17, 2\) and \(N, 17\)'),
        ((3, 17, 2), (2, 17), None, r'scores \(2, 17\)'),
        ((3, 17, 2), (3, 17), (3,), r'up_cam has shape \(3,\) .*; expected \(3, 3\) and \(3,\)'),
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


@pytest.mark.parametrize(
    ('up', 'variance', 'sentence'),
    [
        (None, [0.0], 'up_variance is given without up_cam'),
        ([[0, -2, 0]], None, r'up_cam has lengths 2\.0\.\.2\.0; expected 1'),
        ([[0, 0, 0]], [np.inf], r'up_cam has lengths 0\.0'),
        ([[np.nan, -1, 0]], None, 'up_cam has lengths nan'),
        ([[0, -1, 0]], [-0.5], r'up_variance has -0\.5; expected 0 or more'),
        ([[0, -1, 0]], [np.nan], 'up_variance has nan'),
        ([[0, -1, 0]], [0.0, 0.0], r'up_variance \(2,\); expected \(1, 3\) and \(1,\)'),
        ([[0, -1, 0]], 0.0, r'up_variance \(\)'),
    ],
)
def test_what_is_no_direction_or_variance_is_one_sentence(
    up: Any, variance: Any, sentence: str, predictor: Predictor, rays: Float32
) -> None:
    told = None if up is None else np.float32(up)
    known = None if variance is None else np.float32(variance)
    with pytest.raises(InputError, match=sentence):
        predictor.lift(rays[:1], np.ones((1, 17), np.float32), told, known)


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


@pytest.mark.parametrize(
    ('inputs', 'sentence'),
    [
        (('x',), r"graph maps \('x',\) to \('y',\); expected"),
        (('rays', 'scores', 'up_cam', 'up_known'), 'up_known.*; expected .*up_variance'),
    ],
)
def test_graph_with_other_inputs_is_refused(
    inputs: tuple[str, ...], sentence: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    onnx = pytest.importorskip('onnx', reason='a foreign graph is written with onnx')
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in (*inputs, 'y')
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Sum', list(inputs), ['y'])], 'foreign', values[:-1], values[-1:]
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=9
    )
    folder = _changed(tiny_bundle, tmp_path, graph=model.SerializeToString())
    with pytest.raises(InputError, match=sentence):
        Predictor(folder)


def test_bundle_of_an_older_version_is_refused_with_a_remedy(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder = _changed(tiny_bundle, tmp_path, schema_version=1)
    with pytest.raises(InputError, match=r'schema_version is 1; expected 2 or 3 .*exported anew'):
        Predictor(folder)
