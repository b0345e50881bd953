# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's tilt over people and time: what is sampled, forgotten, found out."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import (
    angle_between,
    level_from_camera,
    up_cam_from_elevation,
)
from elepose_core.runtime.elevation import CameraTilt
from elepose_core.runtime.people import Elevation, TiltStatus
from elepose_core.runtime.predictor import Lifted
from elepose_core.runtime.tilt_solver import TiltSolution, solve_tilt

Array = NDArray[np.float64]
SECOND = 1_000_000_000
HZ = 10


def _up(elevation_deg: float, roll_deg: float = 0.0) -> Array:
    return up_cam_from_elevation(math.radians(elevation_deg), math.radians(roll_deg))


class Scene:
    """People who walk about under a camera at 1.5 m, and a lifter that errs by 3 degrees."""

    def __init__(self, standing_m: Array, people: int, tilt: CameraTilt) -> None:
        # Camera coordinates become x to the right, y forward, z up from the floor.
        self._body = standing_m[:, [0, 2, 1]] * [1.0, 1.0, -1.0]
        self._body = self._body - [0.0, 0.0, self._body[:, 2].min()]
        self._random = np.random.default_rng(0)
        self._people, self.tilt = people, tilt
        self.frame = self.renumber = 0
        self.status: list[TiltStatus] = []
        self.sampled: list[int] = []

    def play(self, seconds: float, up_cam: Array, walking: bool = True) -> Elevation:
        for _ in range(round(seconds * HZ)):
            self._step(up_cam, walking)
            self.frame += 1
        found = self.tilt.estimate()
        assert found is not None
        return found

    def _step(self, up_cam: Array, walking: bool) -> None:
        number = np.arange(self._people)
        phase = 0.25 * self.frame / HZ * walking + 2.4 * number
        places = np.stack(
            [1.2 * np.sin(1.7 * phase), 5.0 + 1.5 * np.cos(phase), np.full(len(phase), -1.5)], -1
        )
        level = self._body + places[:, None]
        # The level frame has x forward and y left.
        joints = np.stack([level[..., 1], -level[..., 0], level[..., 2]], -1)
        joints = joints @ level_from_camera(up_cam)
        joints = joints * (1 + 0.02 * self._random.normal(size=(len(number), 1, 1)))
        rays, seen = joints[..., :2] / joints[..., 2:], np.ones(joints.shape[:2], bool)
        stamp_ns = self.frame * SECOND // HZ
        number += self.frame * self.renumber
        due = self.tilt.look(number.tolist(), rays, seen, stamp_ns)
        self.sampled.append(len(due))
        wrong = up_cam + np.array([0.0, 0.0, math.radians(3.0)])
        wrong = wrong / np.linalg.norm(wrong)
        lifted = Lifted(
            joints_cam=joints[due].astype(np.float32),
            up_cam=np.tile(wrong.astype(np.float32), (len(due), 1)),
            sigma=np.ones((len(due), 17), np.float32),
            plausibility=np.ones(len(due), np.float32),
            up_variance=np.full((len(due), 2), math.radians(5.0) ** 2, np.float32),
            vertices_cam=np.zeros((len(due), 0, 3), np.float32),
        )
        self.tilt.add(number.tolist(), due, lifted, seen)
        found = self.tilt.estimate()
        self.status.append(TiltStatus.COLLECTING if found is None else found.status)


def _error_deg(found: Elevation, up_cam: Array) -> float:
    return math.degrees(float(angle_between(found.up_cam, up_cam)))


def _tilt(memory_s: float = 60.0) -> CameraTilt:
    return CameraTilt(math.radians(3.0), memory_s)


def test_nothing_seen_is_no_estimate(standing_m: Array) -> None:
    tilt = _tilt()
    assert tilt.estimate() is None
    nobody = np.zeros((0, 17, 2))
    assert not len(tilt.look([], nobody, np.zeros((0, 17), bool), 0))
    assert tilt.estimate() is None


def test_first_person_is_an_estimate_that_is_being_collected(standing_m: Array) -> None:
    scene = Scene(standing_m, 1, _tilt())
    found = scene.play(0.1, _up(20.0, 3.0))
    assert found.samples == 1
    assert found.status is TiltStatus.COLLECTING
    assert 2.5 < _error_deg(found, _up(20.0, 3.0)) < 3.5, 'it believes the lifter'
    # 5 degrees of two alike samples, 3 that all estimates share, half a degree at least.
    wanted = 2 * 5.0**2 + 3.0**2 + 0.5**2
    assert math.isclose(
        math.degrees(math.sqrt(found.elevation_variance)), wanted**0.5, rel_tol=1e-3
    )


@pytest.mark.parametrize(('elevation_deg', 'roll_deg'), [(-10.0, 4.0), (5.0, 0.0), (35.0, -5.0)])
def test_walking_people_show_the_tilt_in_spite_of_the_lifter(
    elevation_deg: float, roll_deg: float, standing_m: Array
) -> None:
    up = _up(elevation_deg, roll_deg)
    found = Scene(standing_m, 2, _tilt()).play(30, up)
    assert found.converged
    assert _error_deg(found, up) < 1.0
    sigma_deg = math.degrees(math.sqrt(found.elevation_variance))
    assert 0.5 < sigma_deg < 1.5
    assert abs(math.degrees(found.elevation_rad) - elevation_deg) < 2 * sigma_deg


def test_standing_people_leave_what_the_lifter_errs(standing_m: Array) -> None:
    found = Scene(standing_m, 2, _tilt()).play(30, _up(10.0), walking=False)
    assert 2.5 < _error_deg(found, _up(10.0)) < 3.5
    assert math.degrees(math.sqrt(found.elevation_variance)) > 3.0


@pytest.mark.parametrize('people', [1, 3])
def test_bump_is_found_and_the_estimate_starts_anew_by_itself(
    people: int, standing_m: Array
) -> None:
    scene = Scene(standing_m, people, _tilt())
    scene.play(30, _up(10.0))
    assert scene.status[-1] is TiltStatus.CONVERGED
    assert TiltStatus.DISTURBED not in scene.status
    after = scene.play(1, _up(15.0))
    assert after.status is TiltStatus.DISTURBED
    assert not after.converged
    assert after.starts >= 1, 'scales forget the tilt from before, too'
    assert after.samples <= people * 2, 'what was seen before is forgotten'
    later = scene.play(20, _up(15.0))
    assert later.converged
    assert _error_deg(later, _up(15.0)) < 1.2
    order = [s for s, before in zip(scene.status[1:], scene.status, strict=False) if s != before]
    assert order == [
        TiltStatus.CONVERGED,
        TiltStatus.DISTURBED,
        TiltStatus.COLLECTING,
        TiltStatus.CONVERGED,
    ] or order == [TiltStatus.CONVERGED, TiltStatus.DISTURBED, TiltStatus.CONVERGED]


def test_camera_that_sags_slowly_is_found(standing_m: Array) -> None:
    scene = Scene(standing_m, 3, _tilt())
    scene.play(40, _up(10.0))
    for step in range(80):
        scene.play(0.2, _up(10.0 + step / 10))
    assert TiltStatus.DISTURBED in scene.status
    assert _error_deg(scene.play(15, _up(18.0)), _up(18.0)) < 1.5


def test_still_camera_is_left_alone(standing_m: Array) -> None:
    for people in (1, 4):
        scene = Scene(standing_m, people, _tilt())
        scene.play(45, _up(25.0, -2.0))
        assert TiltStatus.DISTURBED not in scene.status


def test_a_person_is_sampled_once_a_second_and_a_crowd_less(standing_m: Array) -> None:
    one, crowd = Scene(standing_m, 1, _tilt()), Scene(standing_m, 20, _tilt())
    one.play(10, _up(10.0))
    assert sum(one.sampled) == 10
    crowd.play(20, _up(10.0))
    assert max(crowd.sampled) <= 4, 'no frame takes long'
    assert sum(crowd.sampled) <= 8 * 20 + 20
    assert sum(crowd.sampled) >= 6 * 20


def test_memory_is_bounded(standing_m: Array) -> None:
    scene = Scene(standing_m, 16, _tilt(memory_s=1e6))
    found = scene.play(80, _up(10.0))
    assert found.samples == 512
    assert _error_deg(found, _up(10.0)) < 0.5


def test_what_was_seen_fades_but_not_before_an_empty_room(standing_m: Array) -> None:
    scene = Scene(standing_m, 1, _tilt(memory_s=10.0))
    before = scene.play(20, _up(10.0))
    scene.frame += 100 * HZ
    after = scene.play(0.1, _up(10.0))
    assert after.elevation_variance < 1.1 * before.elevation_variance
    # Three times the memory of standing about leaves less of the walk.
    assert (
        scene.play(60, _up(10.0), walking=False).elevation_variance > 2 * before.elevation_variance
    )


def test_reset_forgets(standing_m: Array) -> None:
    tilt = _tilt()
    Scene(standing_m, 1, tilt).play(10, _up(-25.0))
    tilt.reset()
    assert tilt.estimate() is None
    found = Scene(standing_m, 1, tilt).play(0.1, _up(40.0))
    assert found.samples == 1
    assert _error_deg(found, _up(40.0)) < 3.5


@pytest.mark.parametrize('elevation_deg', [70.0, 90.0])
def test_camera_that_looks_down_converges_though_roll_means_little(
    elevation_deg: float, standing_m: Array
) -> None:
    up = _up(elevation_deg)
    found = Scene(standing_m, 2, _tilt()).play(15, up)
    assert found.converged
    assert _error_deg(found, up) < 2.0
    assert math.sqrt(found.up_variance) < math.radians(3.0)


def test_model_that_states_no_error_at_all_is_not_believed(standing_m: Array) -> None:
    scene = Scene(standing_m, 1, CameraTilt(0.0))
    found = scene.play(5, _up(10.0))
    assert math.isfinite(found.elevation_variance)
    assert math.sqrt(found.elevation_variance) >= math.radians(0.5)


def test_new_numbers_in_each_frame_are_no_more_samples(standing_m: Array) -> None:
    usual, renumbered = (Scene(standing_m, 2, _tilt()) for _ in range(2))
    renumbered.renumber = 2
    usual.play(20, _up(10.0))
    renumbered.play(20, _up(10.0))
    assert sum(renumbered.sampled) <= 1.25 * sum(usual.sampled) + 8
    assert len(renumbered.tilt._last_sample_ns) <= 60 * 2.5 + 8


def test_solution_that_is_not_finite_is_not_kept(
    standing_m: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(standing_m, 1, _tilt())
    before = scene.play(5, _up(10.0))

    def spoilt(*args: Any) -> TiltSolution:
        found = solve_tilt(*args)
        return found._replace(up_cam=found.up_cam * np.nan)

    with monkeypatch.context() as patched:
        patched.setattr('elepose_core.runtime.elevation.solve_tilt', spoilt)
        during = scene.play(2, _up(10.0))
    assert during.samples == before.samples
    np.testing.assert_array_equal(during.up_cam, before.up_cam)
    assert scene.play(2, _up(10.0)).samples == 9
