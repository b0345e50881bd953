# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A graph that gives what cannot be, or nothing, and a camera that was another one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.bundle import Bundle
from elepose_core.geometry.camera import Camera, project
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.people import People2D, Person2D, Skeletons3D, Surroundings, TiltStatus
from elepose_core.runtime.predictor import Lifted, Predictor

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
MS = 1_000_000
ALL_OUTPUTS = ('joints_cam', 'up_cam', 'sigma', 'plausibility', 'up_variance')


class Spoilt:
    """The graph; what it gives of some rows is replaced."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.manifest = predictor.manifest
        self.value: float | None = None
        self.outputs: tuple[str, ...] = ALL_OUTPUTS
        self.people = slice(None)
        self.error: Exception | None = None

    def lift(self, *args: Any) -> Lifted:
        if self.error is not None:
            raise self.error
        found = self._predictor.lift(*args)
        if self.value is not None:
            found = Lifted(*(part.copy() for part in found))
            for name in self.outputs:
                getattr(found, name)[self.people] = self.value
        return found


@pytest.fixture
def graph(tiny_bundle: Bundle) -> Spoilt:
    return Spoilt(Predictor(tiny_bundle.folder))


@pytest.fixture
def lifter(graph: Any) -> PeopleLifter:
    return PeopleLifter(graph)


@pytest.fixture
def frame(standing_m: NDArray[np.float64]) -> Callable[..., People2D]:
    def make(ms: int, *places_m: float) -> People2D:
        people = tuple(
            Person2D(
                '',
                project(standing_m + np.array([x_m, 0.0, 4.0]), CAMERA).astype(np.float32),
                np.full(17, 0.9, np.float32),
            )
            for x_m in places_m
        )
        return People2D(ms * MS, 'h36m_17', people)

    return make


def _finite(found: Skeletons3D) -> bool:
    assert found.elevation is not None
    values: list[Any] = [found.elevation.up_cam, [found.elevation.elevation_variance]]
    values += [person.root_cam_m for person in found.skeletons]
    values += [person.root_covariance_m2 for person in found.skeletons]
    values += [person.joints_cam_m for person in found.skeletons]
    return all(np.isfinite(value).all() for value in values)


@pytest.mark.parametrize('value', [math.nan, math.inf])
@pytest.mark.parametrize('output', ALL_OUTPUTS)
def test_one_nan_of_the_graph_costs_a_frame_and_not_the_lifter(
    output: str,
    value: float,
    graph: Spoilt,
    lifter: PeopleLifter,
    frame: Callable[..., People2D],
) -> None:
    ground = Surroundings(1.5)
    for ms in range(0, 3000, 200):
        before = lifter.lift(frame(ms, -1, 1), CAMERA, ground)
    graph.value, graph.outputs = value, (output,)
    for ms in range(3000, 5000, 200):
        during = lifter.lift(frame(ms, -1, 1), CAMERA, ground)
        assert during.skeletons == ()
        assert during.sources == ()
        assert during.elevation == before.elevation
    graph.value = None
    for ms in range(5000, 7000, 200):
        after = lifter.lift(frame(ms, -1, 1), CAMERA, ground)
        assert [person.track for person in after.skeletons] == [0, 1], 'the same people'
        assert _finite(after)
    assert after.elevation is not None
    assert before.elevation is not None
    assert after.elevation.samples > before.elevation.samples


def test_who_is_spoilt_is_left_out_and_the_others_are_lifted(
    graph: Spoilt, lifter: PeopleLifter, frame: Callable[..., People2D]
) -> None:
    graph.value, graph.people = math.nan, slice(1, 2)
    for ms in range(0, 2000, 200):
        found = lifter.lift(frame(ms, -1, 0, 1), CAMERA, Surroundings(1.5))
        assert found.sources == (0, 2)
        assert [person.track for person in found.skeletons] == [0, 2]
        assert _finite(found)


def test_nan_from_the_first_frame_on_is_no_elevation(
    graph: Spoilt, lifter: PeopleLifter, frame: Callable[..., People2D]
) -> None:
    graph.value = math.nan
    assert lifter.lift(frame(0, 0), CAMERA).elevation is None
    graph.value = None
    assert _finite(lifter.lift(frame(1000, 0), CAMERA))


def test_tracks_that_ended_in_a_frame_that_failed_are_told_with_the_next(
    graph: Spoilt, lifter: PeopleLifter, frame: Callable[..., People2D]
) -> None:
    """Their markers would stay for ever."""
    lifter.lift(frame(0, -1), CAMERA)
    graph.error = RuntimeError('out of memory')
    with pytest.raises(RuntimeError):
        lifter.lift(frame(5000, 1), CAMERA)
    graph.error = None
    assert lifter.lift(frame(5033, 1), CAMERA).ended_tracks == (0,)
    assert lifter.lift(frame(5066, 1), CAMERA).ended_tracks == ()


def _play(
    lifter: PeopleLifter, frame: Callable[..., People2D], camera: Camera, seconds: range
) -> Skeletons3D:
    for second in seconds:
        found = lifter.lift(frame(1000 * second, -1, 1), camera)
    return found


@pytest.mark.parametrize(
    'other',
    [
        Camera(np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]]), 640, 480),
        Camera(np.array([[600.0, 0, 320], [0, 600, 290], [0, 0, 1]]), 640, 480),
        Camera(CAMERA.matrix, 640, 480, 'plumb_bob', (-0.3, 0.1, 0.0, 0.0)),
        Camera(CAMERA.matrix, 640, 480, assumed=True),
    ],
    ids=['focal length', 'centre', 'lens', 'assumed'],
)
def test_camera_that_was_another_one_starts_the_tilt_anew(
    other: Camera, lifter: PeopleLifter, frame: Callable[..., People2D]
) -> None:
    before = _play(lifter, frame, other, range(10))
    after = _play(lifter, frame, CAMERA, range(10, 11))
    assert before.elevation is not None
    assert after.elevation is not None
    assert (before.elevation.samples, after.elevation.samples) == (20, 2)
    assert [person.track for person in after.skeletons] == [0, 1], 'people stay'


def test_calibration_that_trembles_or_is_resized_is_the_same_camera(
    lifter: PeopleLifter, frame: Callable[..., People2D]
) -> None:
    for second in range(10):
        focal_px = 600.0 + 0.5 * (-1) ** second
        matrix = np.array([[focal_px, 0, 320], [0, focal_px, 240], [0, 0, 1]])
        found = _play(lifter, frame, Camera(matrix, 640, 480), range(second, second + 1))
    assert found.elevation is not None
    assert found.elevation.samples == 20
    assert CAMERA.sees_like(CAMERA.scaled_to(1280, 960))


def test_elevation_of_an_assumed_camera_never_counts_as_converged(
    tiny_bundle: Bundle, frame: Callable[..., People2D]
) -> None:
    assumed = Camera(CAMERA.matrix, 640, 480, assumed=True)
    status = []
    for camera in (CAMERA, assumed):
        predictor = Predictor(tiny_bundle.folder)
        metrics = {'val': {'elevation_clip_mae_deg': 1.0}}
        predictor._manifest = predictor.manifest.model_copy(update={'metrics': metrics})
        found = _play(PeopleLifter(predictor), frame, camera, range(20))
        assert found.elevation is not None
        status.append(found.elevation.status)
    assert status == [TiltStatus.CONVERGED, TiltStatus.COLLECTING]
