# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs of several frames, and graphs that give a body: real sessions of graphs made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import MAX_FRAMES, Bundle
from elepose_core.errors import InputError
from elepose_core.runtime.predictor import Predictor

tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')

FRAMES = 5


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp('bundles')
    written: Bundle = tiny_bundles.write_tiny_bundle(folder / 'body.elepose', FRAMES, True)
    return written


@pytest.fixture(scope='module')
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle.folder)


def _people(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).uniform(-0.3, 0.3, (*shape, 17, 2)).astype(np.float32)


def test_last_frame_is_lifted_with_those_before_it(predictor: Predictor) -> None:
    rays, scores = _people(3, FRAMES), np.ones((3, FRAMES, 17), np.float32)
    scores[1, :2], rays[1, :2] = 0, np.nan  # two of five frames are missing
    found = predictor.lift(rays, scores)
    np.testing.assert_array_equal(found.joints_cam[..., :2], rays[:, -1])
    np.testing.assert_allclose(found.plausibility, [1.0, 0.6, 1.0])
    assert found.vertices_cam.shape == (3, 0, 3), 'nobody asked for it'
    assert [part.shape for part in predictor.lift(rays[:0], scores[:0])] == [
        *((0, 17, 3), (0, 3), (0, 17), (0,), (0, 2), (0, 0, 3))
    ]


def test_single_frame_counts_as_one_without_those_before(predictor: Predictor) -> None:
    found = predictor.lift(_people(2), np.ones((2, 17), np.float32))
    np.testing.assert_array_equal(found.joints_cam[..., :2], _people(2))
    np.testing.assert_allclose(found.plausibility, 1 / FRAMES)


def test_body_comes_when_it_is_wanted(predictor: Predictor, tmp_path: Path) -> None:
    rays, scores = _people(300, FRAMES), np.ones((300, FRAMES, 17), np.float32)
    found = predictor.lift(rays, scores, None, None, True)  # more than one call of the graph
    wanted = tiny_bundles.prism_vertices(found.joints_cam)
    np.testing.assert_allclose(found.vertices_cam, wanted, atol=1e-6)
    single = tiny_bundles.write_tiny_bundle(tmp_path / 'single.elepose', 1, True)
    alone = Predictor(single.folder).lift(rays[:, -1], scores[:, -1], None, None, True)
    np.testing.assert_array_equal(alone.vertices_cam, found.vertices_cam)


def test_only_what_is_wanted_is_computed(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    plain = type(predictor.backend).run

    def run(backend: Any, feeds: Any, wanted: Any) -> Any:
        asked.append(wanted)
        return plain(backend, feeds, wanted)

    monkeypatch.setattr(type(predictor.backend), 'run', run)
    for with_vertices in (False, True):
        predictor.lift(_people(1), np.ones((1, 17), np.float32), None, None, with_vertices)
    assert [('vertices_cam' in names, 'body_parameters' in names) for names in asked] == [
        (False, False),
        (True, False),
    ]


def test_body_that_is_not_finite_is_not_sound(predictor: Predictor) -> None:
    found = predictor.lift(_people(3), np.ones((3, 17), np.float32), None, None, True)
    found.vertices_cam[1, 5, 2] = np.inf
    assert found.sound().tolist() == [True, False, True]
    assert len(found.of(found.sound()).vertices_cam) == 2


@pytest.mark.parametrize('shape', [(4, FRAMES - 1), (4, FRAMES + 1), (4, 1), (4, FRAMES, 2)])
def test_other_number_of_frames_is_one_sentence(
    shape: tuple[int, ...], predictor: Predictor
) -> None:
    with pytest.raises(InputError, match=r'expected \(N, 5, 17, 2\) and \(N, 5, 17\), or \(N, 17'):
        predictor.lift(_people(*shape), np.ones((*shape, 17), np.float32))


def _changed(bundle: Bundle, **changes: Any) -> Path:
    path = bundle.folder / 'manifest.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return bundle.folder


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'frames': FRAMES + 1}, r'lifter\.onnx does not run: .*(rays|scores)'),
        ({'frames': 1}, r'lifter\.onnx does not run: .*(rays|scores)'),
        ({'body': None}, 'body is None and the outputs are .*expected a body with vertices_cam'),
        ({'output_names': []}, "body is 'prisms' and the outputs are"),
        ({'output_names': ['vertices_cam']}, 'graph maps'),
    ],
)
def test_manifest_that_says_something_else_than_the_graph_is_refused(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    bundle = tiny_bundles.write_tiny_bundle(tmp_path / 'b.elepose', FRAMES, True)
    with pytest.raises(InputError, match=sentence) as caught:
        Predictor(_changed(bundle, **changes))
    assert '\n' not in str(caught.value)


def test_longest_graph_is_taken(tmp_path: Path) -> None:
    bundle = tiny_bundles.write_tiny_bundle(tmp_path / 'long.elepose', MAX_FRAMES)
    found = Predictor(bundle.folder).lift(_people(2), np.ones((2, 17), np.float32))
    np.testing.assert_allclose(found.plausibility, 1 / MAX_FRAMES)


def test_too_fine_a_body_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_bundles.write_tiny_bundle(tmp_path / 'fine.elepose', 1, True)
    monkeypatch.setattr('elepose_core.runtime.predictor.MAX_VERTICES', 95)
    sentence = r'vertices_cam has shape \(2, 96, 3\) for 2 people; expected \(2, up to 95, 3\)'
    with pytest.raises(InputError, match=sentence):
        Predictor(bundle.folder)
