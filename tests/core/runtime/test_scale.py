# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Stature, ground and depth fused: people whose true place is known, over time."""

import math
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.runtime.averaging import average
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.people import Elevation, ScaleSource, Surroundings
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.scale import ScaleFusion, Scales
from elepose_core.runtime.shapes import Shapes
from elepose_core.skeleton import H36M_17

CAMERA = Camera(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), 640, 480)
ANKLES = [H36M_17.index('left_ankle'), H36M_17.index('right_ankle')]
Array = NDArray[np.float64]


def _elevation(
    deg: float, sigma_deg: float = 0.5, converged: bool = True, starts: int = 0
) -> Elevation:
    angle, variance = math.radians(deg), math.radians(sigma_deg) ** 2
    up_cam = up_cam_from_elevation(angle)
    return Elevation(angle, 0.0, variance, variance, up_cam, 9, converged, starts=starts)


class World:
    """A camera with a true height and elevation; people of true statures on the ground."""

    def __init__(self, standing_m: Array, height_m: float = 1.5, elevation_deg: float = 8.0):
        self.elevation_deg, self.height_m = elevation_deg, height_m
        self._from_level = level_from_camera(up_cam_from_elevation(math.radians(elevation_deg))).T
        self._standing = standing_m / float(skeleton_stature(standing_m.astype(np.float32)))
        self.fusion = ScaleFusion(60.0)
        self.now_ns = 0
        self.first_number = 0

    def person(self, stature_m: float, away_m: float, up_m: float = 0.0) -> Array:
        """Return true joints; ankles stand 0.05 of the stature above the ground."""
        joints = self._standing * stature_m
        # Facing the camera: forward of the level frame is x, left is y.
        level = np.stack([joints[:, 2], -joints[:, 0], -joints[:, 1]], axis=-1)
        level[:, 2] += 0.05 * stature_m - level[ANKLES, 2].min() - self.height_m + up_m
        level[:, 0] += away_m
        return np.asarray(level @ self._from_level.T)

    def see(
        self,
        people: list[Array],
        surroundings: Surroundings,
        elevation: Elevation | None = None,
        feet: bool = True,
    ) -> Scales:
        """Fuse a frame, 100 ms after the one before; factor 1 would be the true place."""
        self.now_ns += 100_000_000
        true = np.array(people)
        unit = 1.7 / skeleton_stature(true.astype(np.float32))
        seen = np.ones(true.shape[:2], bool)
        if not feet:
            seen[:, ANKLES] = False
        shapes = Shapes(
            true * unit[:, None, None],
            np.full(true.shape[:2], 0.03),
            seen,
            (600 * true[..., :2] / true[..., 2:] + (320, 240)).astype(np.float32),
            1.7,
        )
        view = CAMERA, elevation or _elevation(self.elevation_deg), surroundings
        numbers = [self.first_number + row for row in range(len(people))]
        found = self.fusion.fuse(numbers, shapes, self.now_ns, view)
        return found._replace(factor=found.factor * unit)


@pytest.fixture
def world(standing_m: Array) -> World:
    return World(standing_m)


def _ground(world: World) -> Surroundings:
    return Surroundings(world.height_m, 0.02)


def test_nothing_known_is_stature_alone_to_the_bit(world: World) -> None:
    for _ in range(3):
        found = world.see([world.person(1.85, 3.0)], Surroundings())
    assert found.source.tolist() == [ScaleSource.STATURE]
    unit = 1.7 / skeleton_stature(world.person(1.85, 3.0).astype(np.float32)[None])
    assert found.factor.tolist() == unit.tolist()
    assert found.spread.tolist() == [0.07]


@pytest.mark.parametrize('stature_m', [1.5, 1.7, 1.9])
@pytest.mark.parametrize('away_m', [2.0, 4.0])
def test_feet_on_the_ground_tell_the_distance(
    world: World, stature_m: float, away_m: float
) -> None:
    for _ in range(30):
        found = world.see([world.person(stature_m, away_m)], _ground(world))
    assert abs(found.factor[0] - 1) < 0.035, 'stature alone is 12 % off'
    assert found.source.tolist() == [ScaleSource.GROUND]
    assert abs(found.factor[0] - 1) < 2 * found.spread[0] < 0.12


def test_ground_waits_for_the_elevation(world: World) -> None:
    unsure = _elevation(world.elevation_deg, 0.5, converged=False)
    found = world.see([world.person(1.9, 3.0)], _ground(world), unsure)
    assert found.source.tolist() == [ScaleSource.STATURE]


def test_camera_at_the_height_of_the_feet_gains_nothing(standing_m: Array) -> None:
    """What the ground says there is said to be uncertain, and stature decides."""
    low = World(standing_m, height_m=0.15, elevation_deg=-5)
    high = World(standing_m, height_m=1.5, elevation_deg=10)
    spreads = []
    for world in (low, high):
        for _ in range(30):
            told = _elevation(world.elevation_deg + 2, 2.0)
            found = world.see([world.person(1.7, 6.0)], _ground(world), told)
        spreads.append(found.spread[0])
        assert abs(found.factor[0] - 1) < 2 * found.spread[0]
    assert low.see([low.person(1.7, 6.0)], _ground(low)).source.tolist() == [ScaleSource.STATURE]
    assert spreads[0] > 1.15 * spreads[1]


def test_wrong_elevation_is_found_out_by_people_near_and_far(world: World) -> None:
    """2 degrees put somebody 8 m away 25 % off; those who are near know better."""
    told = _elevation(world.elevation_deg + 2, 2.0)
    for _ in range(60):
        people = [world.person(1.7, away) for away in (2.0, 3.0, 5.0, 8.0)]
        found = world.see(people, _ground(world), told)
    np.testing.assert_allclose(found.factor, 1, atol=0.04)


def test_hidden_feet_are_replaced_by_the_stature_that_was_learned(world: World) -> None:
    person = world.person(1.9, 3.0)
    for _ in range(50):
        before = world.see([person], _ground(world))
    for _ in range(20):
        after = world.see([world.person(1.9, 4.0)], _ground(world), feet=False)
    assert abs(after.factor[0] - 1) < 0.04
    assert after.source.tolist() == [ScaleSource.GROUND]
    assert before.spread[0] < after.spread[0] < 0.06
    world.fusion.forget([0])
    newcomer = world.see([person], _ground(world), feet=False)
    assert newcomer.source.tolist() == [ScaleSource.STATURE]
    assert newcomer.factor[0] < 0.93


def test_a_jump_does_not_throw_a_person_away(world: World) -> None:
    person = world.person(1.7, 4.0)
    for _ in range(40):
        world.see([person], _ground(world))
    distances = []
    for up_m in (0.2, 0.5, 0.6, 0.5, 0.2):
        found = world.see([world.person(1.7, 4.0, up_m)], _ground(world))
        distances.append(found.factor[0])
    # The ground alone would put them two thirds farther away at the top.
    np.testing.assert_allclose(distances, 1, atol=0.05)
    for _ in range(20):
        found = world.see([person], _ground(world))
    assert abs(found.factor[0] - 1) < 0.03


def test_somebody_on_a_table_spoils_neither_themselves_nor_others(world: World) -> None:
    for _ in range(60):
        people = [world.person(1.7, 4.0, 0.8), world.person(1.7, 3.0), world.person(1.7, 5.0)]
        found = world.see(people, _ground(world))
    np.testing.assert_allclose(found.factor, 1, atol=0.05)


def test_a_child_is_not_taken_for_an_adult_far_away(world: World) -> None:
    for _ in range(30):
        found = world.see([world.person(1.1, 3.0)], _ground(world))
    assert abs(found.factor[0] - 1) < 0.06, 'an adult would stand 55 % farther away'


def test_what_becomes_known_moves_nobody_at_once(world: World) -> None:
    """Elevation converges: 12 % of stature error go away within seconds, not in a frame."""
    person = world.person(1.9, 4.0)
    unsure = _elevation(world.elevation_deg, converged=False)
    for _ in range(5):
        found = world.see([person], _ground(world), unsure)
    start = before = found.factor[0]
    for _ in range(30):
        now = world.see([person], _ground(world)).factor[0]
        assert abs(now - before) < 0.25 * abs(start - 1)
        before = now
    assert abs(now - 1) < 0.03


def _flat(world: World, person: Array) -> DepthImage:
    """A wall as far away as the person's skin."""
    return DepthImage(np.full((480, 640), person[0, 2] - 0.08, np.float32))


def test_depth_decides_and_is_remembered(world: World) -> None:
    person = world.person(1.95, 3.0)
    for _ in range(30):
        found = world.see([person], Surroundings(depth=_flat(world, person)))
    assert found.source.tolist() == [ScaleSource.DEPTH]
    assert abs(found.factor[0] - 1) < 0.02
    assert found.spread[0] < 0.03
    for _ in range(20):
        without = world.see([person], Surroundings())
    assert without.source.tolist() == [ScaleSource.DEPTH]
    assert abs(without.factor[0] - 1) < 0.03
    assert found.spread[0] < without.spread[0] < 0.06


def test_depth_of_one_teaches_the_ground_of_another(world: World) -> None:
    """Both stand on one ground: depth of the near one makes the elevation known."""
    near, far = world.person(1.8, 2.5), world.person(1.7, 9.0)
    aside = far + np.array([4.0, 0, 0])
    told = _elevation(world.elevation_deg + 1.5, 2.0)
    both = Surroundings(world.height_m, 0.02, depth=None)
    with_depth = World(world._standing, world.height_m, world.elevation_deg)
    for _ in range(40):
        image = np.zeros((480, 640), np.float32)
        pixels = 600 * near[:, :2] / near[:, 2:] + (320, 240)
        left, right = int(pixels[:, 0].min()) - 5, int(pixels[:, 0].max()) + 5
        image[:, left:right] = near[0, 2] - 0.08
        depth = Surroundings(world.height_m, 0.02, DepthImage(image))
        with_depth.see([near, aside], depth, told)
        world.see([near, aside], both, told)
    variances = []
    for place in (world, with_depth):
        known = place.fusion._posterior((CAMERA, told, both))
        variances.append(known.camera_covariance[0, 0])
    assert variances[1] < variances[0]


def test_mount_that_was_moved_is_noticed(world: World) -> None:
    people = [world.person(1.7, 3.0), world.person(1.7, 6.0)]
    for _ in range(40):
        world.see(people, _ground(world))
    moved = World(world._standing, world.height_m, world.elevation_deg + 6)
    moved.fusion, moved.now_ns = world.fusion, world.now_ns
    for _ in range(40):
        found = moved.see([moved.person(1.7, 3.0), moved.person(1.7, 6.0)], _ground(moved))
    np.testing.assert_allclose(found.factor, 1, atol=0.04)


@pytest.mark.parametrize(('move_deg', 'sigma_deg'), [(8.0, 2.5), (-4.0, 3.5)])
def test_knocked_camera_does_not_stretch_people_for_a_minute(
    world: World, move_deg: float, sigma_deg: float
) -> None:
    """The tilt starts anew; what was learned of the one before would weigh against it."""
    told = _elevation(world.elevation_deg, sigma_deg)
    for _ in range(150):
        world.see([world.person(1.8, 3.0), world.person(1.7, 6.0)], _ground(world), told)
    moved = World(world._standing, world.height_m, world.elevation_deg + move_deg)
    moved.fusion, moved.now_ns = world.fusion, world.now_ns
    people = [moved.person(1.8, 3.0), moved.person(1.7, 6.0)]
    told = _elevation(moved.elevation_deg, sigma_deg, starts=1)
    for _ in range(50):
        found = moved.see(people, _ground(moved), told)
    np.testing.assert_allclose(found.factor, 1, atol=0.06)
    assert (np.abs(found.factor - 1) < 2 * found.spread).all()


def test_statures_are_kept_when_the_camera_is_knocked(world: World) -> None:
    for _ in range(100):
        world.see([world.person(1.9, 3.0)], _ground(world))
    told = _elevation(world.elevation_deg, 3.0, converged=False, starts=1)
    for _ in range(10):
        found = world.see([world.person(1.9, 3.0)], _ground(world), told)
    assert abs(found.factor[0] - 1) < 0.04, 'stature alone is 12 % off'
    assert found.source.tolist() == [ScaleSource.GROUND]


@pytest.mark.parametrize('before_m', [1.0, 2.0])
def test_height_that_is_put_right_counts_at_once(world: World, before_m: float) -> None:
    """A wrong height makes wrong statures; they go with it, or they last for a minute."""
    people = [world.person(1.7, 3.0), world.person(1.7, 6.0)]
    told = _elevation(world.elevation_deg, 2.5)
    for _ in range(120):
        world.see(people, Surroundings(before_m, 0.03), told)
    for _ in range(40):
        found = world.see(people, Surroundings(world.height_m, 0.03), told)
    np.testing.assert_allclose(found.factor, 1, atol=0.06)
    assert (np.abs(found.factor - 1) < 2 * found.spread).all()


def test_height_that_trembles_keeps_what_was_learned(world: World) -> None:
    for frame in range(60):
        height_m = world.height_m + 0.01 * (-1) ** frame
        world.see([world.person(1.9, 3.0)], Surroundings(height_m, 0.03))
    found = world.see([world.person(1.9, 3.0)], _ground(world), feet=False)
    assert found.source.tolist() == [ScaleSource.GROUND]


def _play_with_numbers(world: World, seconds: float, renumbered: bool) -> float:
    """Return the seconds that the last frames took; people may be new ones in each."""
    people = [world.person(1.7, 3.0 + 0.2 * person, 0.0) for person in range(20)]
    last_s = 0.0
    for frame in range(round(10 * seconds)):
        world.first_number = 20 * frame * renumbered
        start_s = time.process_time()
        world.see(people, _ground(world), _elevation(world.elevation_deg + 2, 2.5))
        last_s = last_s if frame < 10 * seconds - 20 else last_s + time.process_time() - start_s
    return last_s


def test_numbers_that_change_with_each_frame_cost_and_prove_nothing(world: World) -> None:
    """The same 20 people under 1600 numbers are not 1600 witnesses, and take no more time."""
    usual = World(world._standing)
    usual_s, renumbered_s = (
        _play_with_numbers(place, 8, place is world) for place in (usual, world)
    )
    assert len(world.fusion._tracks) == len(world.fusion._state) <= 256 + 20
    assert renumbered_s < 4 * usual_s
    told = _elevation(world.elevation_deg + 2, 2.5)
    variances = [
        place.fusion._posterior((CAMERA, told, _ground(world))).camera_covariance[0, 0]
        for place in (usual, world)
    ]
    assert variances[1] > variances[0]


def test_who_is_hidden_is_remembered_among_many_numbers(world: World) -> None:
    person = world.person(1.9, 3.0)
    for _ in range(20):
        world.see([person], _ground(world))
    for number in range(1, 80):
        world.first_number = number
        world.see([person], _ground(world))
    world.first_number = 0
    found = world.see([person], _ground(world), feet=False)
    assert found.source.tolist() == [ScaleSource.GROUND]


@pytest.mark.parametrize('by_depth', [False, True])
def test_first_thing_that_becomes_known_moves_nobody_at_once(world: World, by_depth: bool) -> None:
    """A height that is set, or a depth camera that starts, after minutes without either."""
    person = world.person(1.9, 4.0)
    told = Surroundings(depth=_flat(world, person)) if by_depth else _ground(world)
    for _ in range(20):
        before = world.see([person], Surroundings())
    after = world.see([person], told)
    assert 0 < after.factor[0] - before.factor[0] < 0.25 * (1 - before.factor[0])
    for _ in range(30):
        after = world.see([person], told)
    assert abs(after.factor[0] - 1) < 0.03


def test_what_is_unlearned_moves_nobody_at_once(world: World) -> None:
    """As with another calibration, model or memory."""
    person = world.person(1.9, 4.0)
    for _ in range(30):
        before = world.see([person], _ground(world))
    world.fusion.set_memory(10.0)
    world.fusion.unlearn()
    after = world.see([person], Surroundings())
    assert -0.03 < after.factor[0] - before.factor[0] < 0
    for _ in range(30):
        after = world.see([person], Surroundings())
    assert abs(after.factor[0] - 1.7 / 1.9) < 0.01, 'stature alone again'
    assert after.source.tolist() == [ScaleSource.STATURE]


def test_somebody_new_comes_at_once_as_tall_as_the_ground_says(world: World) -> None:
    found = world.see([world.person(1.9, 4.0)], _ground(world))
    assert abs(found.factor[0] - 1) < 0.06, 'stature alone is 12 % off'


def test_a_collapsed_shape_spoils_nobody(world: World) -> None:
    depth = Surroundings(world.height_m, 0.02, DepthImage(np.full((480, 640), 4.0, np.float32)))
    person = world.person(1.7, 4.0)
    for _ in range(30):
        collapsed = np.tile(person[:1] + 1e-9 * np.arange(51).reshape(17, 3), (1, 1))
        found = world.see([person, collapsed, person * 1e-6], depth)
        assert np.isfinite(found.factor).all()
        assert np.isfinite(found.spread).all()
    assert abs(found.factor[0] - 1) < 0.06


def test_reset_forgets_statures(world: World) -> None:
    for _ in range(30):
        world.see([world.person(1.9, 3.0)], _ground(world))
    world.fusion.reset()
    found = world.see([world.person(1.9, 3.0)], Surroundings())
    assert found.spread.tolist() == [0.07]
    assert found.source.tolist() == [ScaleSource.STATURE]


def test_nobody_gives_empty_arrays(world: World) -> None:
    none = Shapes(
        np.zeros((0, 17, 3)),
        np.zeros((0, 17)),
        np.zeros((0, 17), bool),
        np.zeros((0, 17, 2), np.float32),
        1.7,
    )
    depth = DepthImage(np.ones((48, 64), np.float32))
    for surroundings in (Surroundings(), Surroundings(1.0), Surroundings(1.0, depth=depth)):
        found = world.fusion.fuse([], none, 0, (CAMERA, _elevation(5.0), surroundings))
        assert [len(values) for values in found] == [0, 0, 0]


def test_mean_of_two_by_hand() -> None:
    """1 +- 1 and 2 +- 2 without correlation: weights 4 and 1."""
    one = np.ones(1)
    value, variance, share = average((one, one), (2 * one, 4 * one), 0 * one, one < 0)
    assert math.isclose(value[0], 1.2)
    assert math.isclose(variance[0], 0.8)
    assert math.isclose(share[0], 0.2)
    # Errors in common are not averaged away: (1 * 4 - 0.5^2) / (1 + 4 - 2 * 0.5) = 0.9375.
    value, variance, share = average((one, one), (2 * one, 4 * one), 0.5 * one, one < 0)
    assert math.isclose(variance[0], 0.9375)
    assert math.isclose(share[0], 0.125)


def test_contradiction_fades_the_one_that_is_to_blame() -> None:
    one, small = np.ones(1), np.full(1, 0.01)
    lower = average((one, small), (0 * one, small), 0 * one, one < 0)
    higher = average((one, small), (2 * one, small), 0 * one, one < 0)
    clear = average((one, small), (0 * one, small), 0 * one, one > 0)
    assert lower[0][0] > 0.99, 'the second is below: it stands on something'
    assert higher[0][0] > 1.99
    assert clear[0][0] < 0.01
    missing = average((one, small), (one, np.full(1, np.inf)), 0 * one, one < 0)
    assert (missing[0][0], missing[1][0], missing[2][0]) == (1.0, 0.01, 0.0)


@pytest.mark.parametrize(
    ('values', 'sentence'),
    [
        (
            {'camera_height_m': -1.0},
            r'camera_height_m is -1.0; expected 0 \(unknown\) or 0.01..1000',
        ),
        ({'camera_height_m': 1e-165}, 'camera_height_m is 1e-165; expected 0'),
        ({'camera_height_m': math.inf}, 'camera_height_m is inf'),
        ({'camera_height_m': math.nan}, 'camera_height_m is nan'),
        ({'camera_height_deviation_m': 0.0}, 'camera_height_deviation_m is 0.0; expected more'),
    ],
)
def test_impossible_surroundings_are_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Surroundings(**values)
