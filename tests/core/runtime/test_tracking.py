# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Who is who: people who move, cross, leave, come back, and upstream ids."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.runtime.tracking import Tracker, pose_similarity

MS = 1_000_000
Pose = NDArray[np.float32]


def _pose(x_px: float, height_px: float = 200.0) -> Pose:
    """A person of 17 joints at x, as tall as given."""
    y = np.linspace(0, height_px, 17)
    x = x_px + 20 * np.sin(np.arange(17))
    return np.stack([x, y], -1).astype(np.float32)


def _update(tracker: Tracker, ms: int, *places_px: float) -> tuple[list[int], tuple[int, ...]]:
    people = np.array([_pose(x) for x in places_px], np.float32).reshape(-1, 17, 2)
    return tracker.update(people, [''] * len(places_px), ms * MS)


def test_similarity_by_hand() -> None:
    first = np.zeros((2, 2), np.float32)
    first[1] = (300, 400)  # 500 px from corner to corner
    # Moved by 0.16 of the size: exp(-1 / 2)
    moved = first + np.float32([80, 0])
    assert math.isclose(pose_similarity(moved, first), math.exp(-0.5), rel_tol=1e-5)
    assert pose_similarity(first, first) == 1.0
    assert pose_similarity(first + np.float32(1e4), first) < 1e-6


def test_similarity_of_all_pairs_is_that_of_each() -> None:
    first = np.stack([_pose(100), _pose(130, 150), np.full((17, 2), np.nan, np.float32)])
    second = np.stack([_pose(110), _pose(400, 90), first[2], _pose(120)])
    second[3, 4:] = np.nan
    found = pose_similarity(first[:, None], second)
    assert found.shape == (3, 4)
    each = [[float(pose_similarity(a, b)) for b in second] for a in first]
    np.testing.assert_allclose(found, each, rtol=1e-6)


def test_similarity_rests_on_common_joints() -> None:
    first, second = _pose(100), _pose(100)
    first[:9] = np.nan
    assert pose_similarity(first, second) == pytest.approx(1.0)
    second[9:] = np.nan
    assert pose_similarity(first, second) == 0.0
    assert pose_similarity(np.full((17, 2), np.nan, np.float32), second) == 0.0


def test_people_who_walk_keep_their_numbers_in_any_order() -> None:
    tracker = Tracker(0.5)
    assert _update(tracker, 0, 100, 400) == ([0, 1], ())
    assert _update(tracker, 33, 410, 110) == ([1, 0], ())
    assert _update(tracker, 66, 120, 420, 700) == ([0, 1, 2], ())


def test_person_far_from_every_track_is_new() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 0, 100)
    assert _update(tracker, 33, 900) == ([1], ())


def test_track_ends_once_after_the_gap() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 0, 100, 400)
    assert _update(tracker, 300, 400) == ([1], ())
    assert _update(tracker, 500, 400) == ([1], ())  # exactly the gap: not yet
    assert _update(tracker, 501, 400) == ([1], (0,))
    assert _update(tracker, 502, 400) == ([1], ())
    assert _update(tracker, 503, 100, 400) == ([2, 1], ())


def test_person_who_comes_back_within_the_gap_is_the_same() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 0, 100)
    assert _update(tracker, 200) == ([], ())
    assert _update(tracker, 400, 105) == ([0], ())


def test_person_at_the_same_place_after_a_long_gap_is_a_new_one() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 0, 100)
    assert _update(tracker, 60_000, 100) == ([1], (0,))


def test_upstream_id_wins_over_the_place() -> None:
    tracker = Tracker(0.5)
    people = np.stack([_pose(100), _pose(400)])
    assert tracker.update(people, ['a', 'b'], 0)[0] == [0, 1]
    assert tracker.update(people, ['b', 'a'], 33 * MS)[0] == [1, 0]
    # Another id at the same place is another person; the old ones go after the gap.
    assert tracker.update(people, ['c', 'd'], 66 * MS)[0] == [2, 3]
    assert tracker.update(people, ['c', 'd'], 550 * MS) == ([2, 3], (0, 1))


def test_people_with_and_without_ids_do_not_take_each_others_tracks() -> None:
    tracker = Tracker(0.5)
    same = _pose(100)[None]
    assert tracker.update(same.repeat(2, axis=0), ['a', ''], 0)[0] == [0, 1]
    assert tracker.update(same, [''], 33 * MS)[0] == [1]
    assert tracker.update(same, ['a'], 66 * MS)[0] == [0]


def test_each_track_is_given_to_one_person_only() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 0, 100)
    numbers, _ = _update(tracker, 33, 101, 99, 100)
    assert sorted(numbers) == [0, 1, 2]


def test_reset_names_the_tracks_and_gives_no_number_twice() -> None:
    tracker = Tracker(0.5)
    _update(tracker, 1000, 100, 400)
    assert tracker.reset() == (0, 1)
    assert _update(tracker, 0, 100) == ([2], ())


@pytest.mark.parametrize('step_ms', [33, 100])
def test_people_who_pass_each_other_keep_their_numbers(step_ms: int) -> None:
    """The farther one is hidden while they pass, and comes out on the other side."""
    tracker = Tracker(1.0)
    for ms in range(0, 4000, step_ms):
        right, left = 100 + 0.1 * ms, 500 - 0.1 * ms
        hidden = abs(right - left) < 60
        places = [right] if hidden else [right, left]
        numbers, _ = _update(tracker, ms, *places)
        assert numbers == ([0] if hidden else [0, 1])


def test_a_standing_person_is_not_expected_elsewhere(random: np.random.Generator) -> None:
    tracker = Tracker(1.0)
    for ms in range(0, 2000, 33):
        shaken = _pose(300) + random.normal(0, 5, (17, 2)).astype(np.float32)
        tracker.update(shaken[None], [''], ms * MS)
    assert _update(tracker, 2900, 300) == ([0], ())


def test_the_same_stamp_twice_says_nothing_of_velocity() -> None:
    tracker = Tracker(1.0)
    for place in (100, 110, 105):
        assert _update(tracker, 7, place)[0] == [0]
    assert _update(tracker, 500, 105)[0] == [0]
