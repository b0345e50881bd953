# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The exported graph says what torch says, or there is no bundle."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='export needs torch')
onnx_package = pytest.importorskip('onnx', reason='export needs onnx')

from elepose_core.bundle import Bundle, Manifest, open_bundle  # noqa: E402
from elepose_core.data.poseset import PoseSet  # noqa: E402
from elepose_core.errors import InputError  # noqa: E402
from elepose_core.export import onnx  # noqa: E402
from elepose_core.export.onnx import export_bundle  # noqa: E402
from elepose_core.export.serialized import OPSET  # noqa: E402
from elepose_core.models import observation  # noqa: E402
from elepose_core.models.graph import INPUT_NAMES, OUTPUT_NAMES  # noqa: E402
from elepose_core.runtime.predictor import Predictor  # noqa: E402


@pytest.fixture(scope='module')
def poses(crowd_of: Callable[..., Any], pose_set_of: Callable[..., PoseSet]) -> PoseSet:
    return pose_set_of(crowd_of(300, seed=21))


def test_bundle_says_how_it_was_made(tiny_bundle: Bundle) -> None:
    manifest = open_bundle(tiny_bundle.folder).manifest
    assert manifest.input_names == INPUT_NAMES
    assert manifest.output_names == OUTPUT_NAMES
    assert manifest.opset == OPSET
    assert manifest.method == 'untrained'
    assert manifest.training == {'data': 'generated'}
    parity = manifest.parity
    assert parity['weights'] == 'float32'
    assert parity['tolerance'] == onnx.PARITY_TOLERANCE['float32']
    assert 0 <= parity['change_when_panned'] <= onnx.PAN_TOLERANCE
    assert set(parity['largest_difference']) == {'1', '3', '64'}
    for by_output in parity['largest_difference'].values():
        assert set(by_output) == set(OUTPUT_NAMES)
        exact = {name: value for name, value in by_output.items() if name != 'plausibility'}
        assert all(0 <= v <= onnx.PARITY_TOLERANCE['float32'] for v in exact.values())


@pytest.mark.parametrize('count', [1, 3, 64, 300])
@pytest.mark.parametrize('hidden', [False, True])
@pytest.mark.parametrize('deviation_rad', [math.inf, 0.1, 0.0, None])
def test_runtime_agrees_with_torch_on_poses_it_was_not_compared_on(
    count: int,
    hidden: bool,
    deviation_rad: float | None,
    tiny_bundle: Bundle,
    tiny_graph: Any,
    poses: PoseSet,
) -> None:
    """Up unknown, roughly known, certain; None: some rows of each kind."""
    random = np.random.default_rng(count)
    rays = poses.rays[:count].astype(np.float32)
    scores = poses.scores[:count].copy()
    if hidden:
        scores[random.random(scores.shape) < 0.4] = 0
        rays[scores == 0] = np.nan
    up = random.normal(size=(count, 3)).astype(np.float32)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    kinds = [math.inf, 0.1, 0.0] if deviation_rad is None else [deviation_rad]
    variance = np.resize(np.square(kinds), count).astype(np.float32)
    feeds = (rays, scores, up, variance)
    with torch.no_grad():
        wanted = tiny_graph(*(torch.from_numpy(feed) for feed in feeds))
    found = Predictor(tiny_bundle.folder).lift(*feeds)
    # A pose that is as surprising as one of the 101 usual ones may count on either side of it.
    tolerances = (1e-5, 1e-5, 1e-5, 0.011, 1e-5)
    for mine, theirs, tolerance in zip(found[:5], wanted, tolerances, strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=tolerance)


def test_certain_up_is_finite_in_the_exported_graph(tiny_bundle: Bundle, poses: PoseSet) -> None:
    """The exporter once took a summand of 1e-8 for nothing, and certain joints came out NaN."""
    rays, up = poses.rays[:5].astype(np.float32), np.tile(np.float32([0, -1, 0]), (5, 1))
    certain = Predictor(tiny_bundle.folder).lift(rays, poses.scores[:5], up)
    assert all(np.isfinite(part).all() for part in certain)


def test_density_of_the_prior_is_in_the_graph(tiny_bundle: Bundle, tiny_graph: Any) -> None:
    """Plausibility of poses from ordinary to absurd spans the scale, as in torch."""
    random = np.random.default_rng(0)
    rays = random.normal(size=(200, 17, 2)) * np.geomspace(0.01, 0.5, 200)[:, None, None]
    scores = np.ones((200, 17), np.float32)
    found = Predictor(tiny_bundle.folder).lift(rays.astype(np.float32), scores).plausibility
    with torch.no_grad():
        surprise = tiny_graph.surprise(torch.from_numpy(rays).float(), torch.from_numpy(scores))
    quantiles = tiny_graph.surprise_quantiles.numpy()
    wanted = (surprise.numpy()[:, None] < quantiles).mean(1)
    np.testing.assert_allclose(found, wanted, atol=0.011)
    assert np.ptp(found) > 0.1


def _other(graph: Any) -> Any:
    other = copy.deepcopy(graph)
    other.lifter.depth_head.bias.data[3] += 0.01
    return other


def _export(graph: Any, folder: Path, manifest: Manifest, poses: PoseSet, count: int) -> Bundle:
    rays = poses.rays[:count].astype(np.float32)
    return export_bundle(graph, folder, manifest, rays, poses.scores[:count])


@pytest.fixture
def with_the_tiny_graph(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every export find the graph of the tiny bundle, whatever graph it is given."""
    serialized = tiny_bundle.onnx_path.read_bytes()
    monkeypatch.setattr(onnx, '_serialized', lambda *_: serialized)


@pytest.mark.usefixtures('with_the_tiny_graph')
def test_graph_of_other_weights_is_refused_and_not_written(
    tiny_graph: Any, manifest_of: Callable[..., Manifest], poses: PoseSet, tmp_path: Path
) -> None:
    folder = tmp_path / 'b.elepose'
    _export(tiny_graph, folder, manifest_of(), poses, 64)
    before = open_bundle(folder)
    with pytest.raises(ArithmeticError, match=r'differs from torch by \S+; allowed 0\.0001'):
        _export(_other(tiny_graph), folder, manifest_of(name='worse'), poses, 64)
    assert open_bundle(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ['b.elepose']


@pytest.mark.usefixtures('with_the_tiny_graph')
@pytest.mark.parametrize('part', ['depth_head', 'up_head', 'sigma_head'])
def test_lifter_that_gives_no_numbers_is_refused(
    part: str,
    tiny_graph: Any,
    manifest_of: Callable[..., Manifest],
    poses: PoseSet,
    tmp_path: Path,
) -> None:
    broken = copy.deepcopy(tiny_graph)
    getattr(broken.lifter, part).bias.data[0] = float('nan')
    with pytest.raises(ArithmeticError, match='differs from torch by nan'):
        _export(broken, tmp_path / 'b.elepose', manifest_of(), poses, 64)
    assert list(tmp_path.iterdir()) == []


def test_too_few_poses_prove_nothing(
    tiny_graph: Any, manifest_of: Callable[..., Manifest], poses: PoseSet, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match='63 poses are given; expected 64 or more'):
        _export(tiny_graph, tmp_path / 'b.elepose', manifest_of(), poses, 63)


@pytest.fixture
def exported(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the tiny graph as it was exported, and export no other: that takes seconds."""
    serialized = tiny_bundle.onnx_path.read_bytes()
    monkeypatch.setattr(onnx, '_serialized', lambda *_: serialized)
    return serialized


def test_half_weights_halve_the_file_and_hardly_change_the_joints(
    tiny_graph: Any,
    manifest_of: Callable[..., Manifest],
    poses: PoseSet,
    tmp_path: Path,
    exported: bytes,
) -> None:
    rays, scores = poses.rays.astype(np.float32), poses.scores
    # Its only large matrices are those that guess missing joints.
    hidden = scores.copy()
    hidden[:, 5] = 0.0
    sizes, joints = {}, {}
    for precision in ('float32', 'float16'):
        folder = tmp_path / f'{precision}.elepose'
        bundle = export_bundle(tiny_graph, folder, manifest_of(), rays, scores, precision)
        assert bundle.manifest.parity['weights'] == precision
        weights = onnx_package.load(bundle.onnx_path).graph.initializer
        large = [w for w in weights if np.prod(w.dims) >= 1024]
        sizes[precision] = sum(len(w.raw_data) for w in large)
        joints[precision] = Predictor(folder).lift(rays, hidden).joints_cam
    assert sizes['float16'] == sizes['float32'] / 2
    difference = np.abs(joints['float16'] - joints['float32']).max()
    assert 0 < difference < onnx.PARITY_TOLERANCE['float16']


def test_weights_that_float16_cannot_hold_are_refused(
    tiny_graph: Any,
    manifest_of: Callable[..., Manifest],
    poses: PoseSet,
    tmp_path: Path,
    exported: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = onnx_package.load_from_string(exported)
    large = max(model.graph.initializer, key=lambda weights: np.prod(weights.dims))
    values = onnx_package.numpy_helper.to_array(large).copy()
    values.flat[0] = 1e6
    large.CopyFrom(onnx_package.numpy_helper.from_array(values, large.name))
    monkeypatch.setattr(onnx, '_serialized', lambda *_: model.SerializeToString())
    rays = poses.rays.astype(np.float32)
    arguments = (tiny_graph, tmp_path / 'b.elepose', manifest_of(), rays, poses.scores)
    with pytest.raises(ArithmeticError, match='beyond the range of float16'):
        export_bundle(*arguments, 'float16')
    assert list(tmp_path.iterdir()) == []


def test_lifter_whose_people_change_when_the_camera_turns_is_refused(
    tiny_graph: Any,
    manifest_of: Callable[..., Manifest],
    poses: PoseSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The virtual camera looks straight ahead, whoever it looks at."""

    def cropped(rays: Any) -> Any:
        return torch.eye(3) + 0.0 * rays[:, :1, None]

    monkeypatch.setattr(observation, 'virtual_camera', cropped)
    with pytest.raises(ArithmeticError, match=r'people change by \S+ when the camera turns'):
        _export(tiny_graph, tmp_path / 'b.elepose', manifest_of(), poses, 64)
    assert list(tmp_path.iterdir()) == []
