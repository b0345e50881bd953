# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People whose frames are remembered, and their bodies: what lifts is a graph made by hand.

It tells as plausibility the share of its frames that were seen.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera, project
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import People2D, Person2D, Skeletons3D
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Predictor

tiny_bundles = pytest.importorskip('tiny_bundles', reason='graphs are made with onnx')

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
MS = 1_000_000
FRAMES, STEP_MS = 4, 100
Array = NDArray[np.float64]
Lift = Callable[..., Skeletons3D]


@pytest.fixture(scope='module')
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    folder = tmp_path_factory.mktemp('bundles')
    write = tiny_bundles.write_tiny_bundle
    return {
        'over time': Predictor(write(folder / 'a.elepose', FRAMES, True, fps=10.0).folder),
        'again': Predictor(folder / 'a.elepose'),
        'longer': Predictor(write(folder / 'b.elepose', 2 * FRAMES, fps=10.0).folder),
        'single': Predictor(write(folder / 'c.elepose', 1).folder),
    }


@pytest.fixture
def lifter(predictors: dict[str, Predictor]) -> PeopleLifter:
    return PeopleLifter(predictors['over time'], LiftingOptions(smoothing_cutoff_hz=0.0))


def _frame(standing_m: Array, ms: int, *right_m: float, ids: str = 'abcdef') -> People2D:
    people = []
    for name, x_m in zip(ids, right_m, strict=False):
        pixels = project(standing_m + np.array([x_m, 0.0, 4.0]), CAMERA)
        people.append(Person2D(name, pixels.astype(np.float32), np.full(17, 0.9, np.float32)))
    return People2D(ms * MS, 'h36m_17', tuple(people))


def _frames_seen(result: Skeletons3D) -> list[float]:
    return [round(s.plausibility * FRAMES, 3) for s in result.skeletons]


def test_each_person_is_lifted_with_the_frames_since_its_track_began(
    lifter: PeopleLifter, standing_m: Array
) -> None:
    seen = []
    for number in range(6):
        places = (0.0, 1.0) if number >= 2 else (0.0,)
        result = lifter.lift(_frame(standing_m, number * STEP_MS, *places), CAMERA)
        seen.append(_frames_seen(result))
    assert seen == [[1], [2], [3, 1], [4, 2], [4, 3], [4, 4]]


def test_who_was_hidden_for_a_moment_misses_these_frames_only(
    lifter: PeopleLifter, standing_m: Array
) -> None:
    for number in range(4):
        lifter.lift(_frame(standing_m, number * STEP_MS, 0.0, 1.0), CAMERA)
    lifter.lift(_frame(standing_m, 400, 0.0), CAMERA)
    assert _frames_seen(lifter.lift(_frame(standing_m, 500, 0.0, 1.0), CAMERA)) == [4, 3]


@pytest.mark.parametrize('event', ['reset', 'time jumps back', 'calibration', 'track ends'])
def test_history_starts_anew_with(event: str, lifter: PeopleLifter, standing_m: Array) -> None:
    for number in range(4):
        before = lifter.lift(_frame(standing_m, 1000 + number * STEP_MS, 0.0), CAMERA)
    assert _frames_seen(before) == [4]
    ms, camera = 1400, CAMERA
    if event == 'reset':
        lifter.reset()
    elif event == 'time jumps back':
        ms = 900
    elif event == 'calibration':
        camera = replace(CAMERA, matrix=CAMERA.matrix * [[1.1], [1.1], [1]])
    elif event == 'track ends':
        ms = 1300 + 1001
    assert _frames_seen(lifter.lift(_frame(standing_m, ms, 0.0), camera)) == [1]


def test_models_change_both_ways_and_the_same_one_elsewhere_remembers(
    lifter: PeopleLifter, predictors: dict[str, Predictor], standing_m: Array
) -> None:
    stamps = iter(range(0, 10_000, STEP_MS))

    def seen(model: str) -> float:
        lifter.exchange(predictors[model])
        result = lifter.lift(_frame(standing_m, next(stamps), 0.0), CAMERA)
        (person,) = result.skeletons
        assert person.track == 0
        return round(person.plausibility * predictors[model].manifest.frames, 3)

    order = ['over time'] * 2 + ['again'] * 2 + ['single'] * 2 + ['longer'] * 2 + ['over time']
    assert [seen(model) for model in order] == [1, 2, 3, 4, 1, 1, 1, 2, 1]


def test_same_graph_of_another_rate_or_error_is_another_model(
    lifter: PeopleLifter, standing_m: Array, tmp_path: Path
) -> None:
    """Its manifest counts too: at 5 frames per second a step takes 200 ms, not 100."""
    for number in range(5):
        lifter.lift(_frame(standing_m, number * STEP_MS, 0.0), CAMERA)
    write = tiny_bundles.write_tiny_bundle
    slow = Predictor(write(tmp_path / 'a.elepose', FRAMES, True, fps=5.0).folder)
    assert slow.manifest.sha256 == lifter.predictor.manifest.sha256
    lifter.exchange(slow)
    seen = []
    for number in range(5, 10):
        result = lifter.lift(_frame(standing_m, number * STEP_MS, 0.0), CAMERA)
        seen.append(_frames_seen(result)[0])
    assert seen == [1, 1, 2, 2, 3]


def test_frame_that_fails_leaves_the_rest_in_place(
    lifter: PeopleLifter, standing_m: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifter.lift(_frame(standing_m, 0, 0.0), CAMERA)
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, 'lift', lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lifter.lift(_frame(standing_m, 100, 0.0), CAMERA)
    assert _frames_seen(lifter.lift(_frame(standing_m, 200, 0.0), CAMERA)) == [3]


def test_joints_that_were_not_seen_then_are_not_seen_in_history(
    lifter: PeopleLifter, standing_m: Array
) -> None:
    people = _frame(standing_m, 0, 0.0)
    people.people[0].scores[:8] = 0.1  # below what counts: 9 of 17 joints are left
    lifter.lift(people, CAMERA)
    result = lifter.lift(_frame(standing_m, 100, 0.0), CAMERA)
    assert result.skeletons[0].plausibility == pytest.approx((9 + 17) / 17 / FRAMES, abs=1e-6)


def test_body_is_scaled_and_placed_as_the_joints_are(
    predictors: dict[str, Predictor], standing_m: Array
) -> None:
    lifter = PeopleLifter(
        predictors['over time'], LiftingOptions(stature_m=1.8, with_vertices=True)
    )
    for number in range(5):
        result = lifter.lift(_frame(standing_m, number * STEP_MS, 0.1 * number, -1.0), CAMERA)
    for person in result.skeletons:
        joints = person.joints_cam_m.astype(float)
        # The graph puts joints at depth 1: its unit is their depth, smoothed with the root.
        unit_m = 1.8 / skeleton_stature(joints / joints[0, 2])
        rays = joints[:, :2] / joints[:, 2:]
        flat = np.concatenate([rays, np.ones((17, 1))], 1)
        wanted = tiny_bundles.prism_vertices(flat - flat[0]) * unit_m + person.root_cam_m
        assert person.vertices_cam_m.dtype == np.float32
        np.testing.assert_allclose(person.vertices_cam_m, wanted, atol=0.02)
        # Each bone's prism has its joint in the middle of its end.
        ends = person.vertices_cam_m.reshape(32, 3, 3).mean(1)
        bones = joints[np.array(tiny_bundles.H36M_17.bones).ravel()]
        np.testing.assert_allclose(ends, bones, atol=0.02)


def test_nobody_pays_for_a_body_that_is_not_wanted_or_not_there(
    predictors: dict[str, Predictor], standing_m: Array
) -> None:
    people = _frame(standing_m, 0, 0.0)
    unwanted = PeopleLifter(predictors['over time']).lift(people, CAMERA)
    absent = PeopleLifter(predictors['single'], LiftingOptions(with_vertices=True))
    for result in (unwanted, absent.lift(people, CAMERA)):
        assert result.skeletons[0].vertices_cam_m.shape == (0, 3)


def test_asking_for_bodies_changes_nothing_else(
    predictors: dict[str, Predictor], standing_m: Array
) -> None:
    lifter = PeopleLifter(predictors['over time'])
    for number in range(4):
        lifter.change(replace(lifter.options, with_vertices=number % 2 == 1))
        result = lifter.lift(_frame(standing_m, number * STEP_MS, 0.0), CAMERA)
        assert (len(result.skeletons[0].vertices_cam_m) > 0) == (number % 2 == 1)
    assert _frames_seen(result) == [4]
    assert result.skeletons[0].track == 0
