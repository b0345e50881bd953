# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that was moved: all people turn at once, or recent samples contradict older ones."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.runtime.tilt_solver import TiltSamples
from elepose_core.runtime.tilt_watch import Jump, JumpWatch, tilt_change

Array = NDArray[np.float64]
MS = 1_000_000
UP = np.array([0.0, -1.0, 0.0])
PLACES = np.array([[-1.0, 0.2, 4.0], [0.0, 0.2, 5.0], [1.5, 0.2, 6.0]])


def _turned(axis: int, degrees: float) -> Array:
    """Return the rotation about an axis of the camera."""
    angle = math.radians(degrees)
    after, behind = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[[after, behind], [after, behind]] = math.cos(angle)
    rotation[behind, after], rotation[after, behind] = math.sin(angle), -math.sin(angle)
    return rotation


def _seen(standing_m: Array, places: Array, rotation: Array | None = None) -> Array:
    points = standing_m + places[:, None]
    points = points if rotation is None else points @ rotation.T
    return np.asarray(points / np.linalg.norm(points, axis=-1, keepdims=True))


def _after(
    standing_m: Array, last: Array, people: int, walk_m: Array | None = None
) -> Jump | None:
    """Return what the watch finds in `last` after five frames of people who walk."""
    watch, step = JumpWatch(), np.zeros(3) if walk_m is None else walk_m
    for frame in range(5):
        places = PLACES[:people] + frame * step
        watch.look(np.arange(people), _seen(standing_m, places), UP, frame * 100 * MS)
    return watch.look(np.arange(people), last, UP, 500 * MS)


@pytest.mark.parametrize(('axis', 'people'), [(0, 1), (0, 3), (2, 3)])
def test_tilt_of_the_camera_is_found_and_measured(
    axis: int, people: int, standing_m: Array
) -> None:
    seen = _seen(standing_m, PLACES[:people], _turned(axis, 5.0))
    jump = _after(standing_m, seen, people)
    assert jump is not None
    assert jump.people == people
    assert abs(math.degrees(jump.angle_rad) - 5.0) < 0.3
    assert jump.significance > 7


def test_turn_about_the_vertical_is_not_a_tilt(standing_m: Array) -> None:
    jump = _after(standing_m, _seen(standing_m, PLACES, _turned(1, 8.0)), 3)
    assert jump is not None
    assert math.degrees(jump.angle_rad) < 0.5


def test_people_who_go_on_walking_are_no_jump(standing_m: Array) -> None:
    walk_m = np.array([0.1, 0.0, -0.1])
    assert _after(standing_m, _seen(standing_m, PLACES + 5 * walk_m), 3, walk_m) is None


def test_those_who_leap_are_no_jump_of_the_camera(standing_m: Array) -> None:
    places = PLACES.copy()
    places[0, 1] -= 0.4
    assert _after(standing_m, _seen(standing_m, places), 3) is None, 'two of three stand'
    places[1, 1] += 0.4
    jump = _after(standing_m, _seen(standing_m, places), 3)
    assert jump is not None
    assert jump.significance < 6, 'one leaps, one falls'


def test_only_frames_that_are_near_in_time_are_compared(standing_m: Array) -> None:
    seen = _seen(standing_m, PLACES), _seen(standing_m, PLACES, _turned(0, 5.0))
    # Two steps tell the pace; the next tells a jump, unless it comes too soon or too late.
    for last_ms, found in ((290, True), (230, False), (540, True), (560, False)):
        watch = JumpWatch()
        for frame in range(3):
            assert watch.look(np.arange(3), seen[0], UP, frame * 100 * MS) is None
        assert (watch.look(np.arange(3), seen[1], UP, last_ms * MS) is not None) == found
    other, fresh = JumpWatch(), JumpWatch()
    for frame in range(3):
        for watch in (other, fresh):
            watch.look(np.arange(3), seen[0], UP, frame * 100 * MS)
    assert other.look(np.arange(3) + 10, seen[1], UP, 300 * MS) is None, 'other people'
    fresh.forget()
    assert fresh.look(np.arange(3), seen[1], UP, 300 * MS) is None


def test_people_of_whom_little_is_seen_are_not_compared(standing_m: Array) -> None:
    seen = _seen(standing_m, PLACES)
    seen[:, 5:] = np.nan
    watch = JumpWatch()
    for frame in range(6):
        assert watch.look(np.arange(3), seen, UP, frame * 100 * MS) is None


def _walkers(elevation_deg: float, frames: int, random: np.random.Generator) -> TiltSamples:
    """Return samples of two people whose feet show this tilt, whatever the lifter says."""
    up = up_cam_from_elevation(math.radians(elevation_deg))
    forward = np.array([0.0, up[2], -up[1]])
    there = random.uniform([2.0, -1.0], [4.0, 1.0], (2 * frames, 2))
    foot = there[:, :1] * forward + there[:, 1:] * np.array([1.0, 0.0, 0.0]) - 0.9 * up
    return TiltSamples(
        np.tile(up_cam_from_elevation(math.radians(12.0)), (2 * frames, 1)),
        np.full(2 * frames, math.radians(5.0) ** 2),
        foot * (1 + 0.03 * random.normal(size=(2 * frames, 1))),
        np.ones(2 * frames),
        np.tile([4, 5], frames),
        np.ones(2 * frames),
    )


def test_recent_samples_contradict_older_ones_only_if_the_camera_moved(
    random: np.random.Generator,
) -> None:
    up = up_cam_from_elevation(math.radians(10.0))
    recent = np.arange(80) >= 70
    for elevation_deg, moved in ((10.0, False), (15.0, True), (5.0, True)):
        parts = _walkers(10.0, 35, random), _walkers(elevation_deg, 5, random)
        samples = TiltSamples(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        angle_rad, distance = tilt_change(samples, recent, (0.06, 0.03), up)
        if moved:
            assert abs(math.degrees(angle_rad) - 5.0) < 1.5
            assert distance > 3
        else:
            assert math.degrees(angle_rad) < 1.5
            assert distance < 1.5
