# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames a graph of several is shown, at its own rate and at others; hand-worked times."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.runtime.history import PoseHistory, windows_of_clips

MS = 1_000_000
# 10 frames per second: a step is 100 ms and half a step 50 ms.
FRAMES, FPS = 4, 10.0


def _marked(values: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return people whose rays all have one value each, seen with score 1."""
    column = np.array(values, np.float32)
    return np.tile(column[:, None, None], (1, 17, 2)), np.ones((len(column), 17), np.float32)


def _shown(history: PoseHistory, ms: float, **people: float) -> list[list[float | None]]:
    """Add people (track: mark) and return for each the marks of its frames; None = missing."""
    tracks = [int(name.removeprefix('p')) for name in people]
    rays, scores = history.add(tracks, *_marked(list(people.values())), round(ms * MS))
    assert rays.shape == (len(people), FRAMES, 17, 2)
    assert rays.dtype == scores.dtype == np.float32
    assert (np.isnan(rays).all((2, 3)) == (scores == 0).all(2)).all()
    return [[None if np.isnan(v) else float(v) for v in person] for person in rays[:, :, 3, 1]]


@pytest.fixture
def history() -> PoseHistory:
    return PoseHistory(FRAMES, FPS)


def test_frames_before_a_track_began_are_missing(history: PoseHistory) -> None:
    assert _shown(history, 0, p7=1) == [[None, None, None, 1]]
    assert _shown(history, 100, p7=2) == [[None, None, 1, 2]]
    assert _shown(history, 200, p7=3) == [[None, 1, 2, 3]]
    assert _shown(history, 300, p7=4) == [[1, 2, 3, 4]]
    assert _shown(history, 400, p7=5) == [[2, 3, 4, 5]]


def test_a_frame_that_was_dropped_is_missing_and_the_others_stay_in_time(
    history: PoseHistory,
) -> None:
    for ms in (0, 100):
        _shown(history, ms, p0=ms)
    assert _shown(history, 300, p0=300) == [[0, 100, None, 300]]
    assert _shown(history, 400, p0=400) == [[100, None, 300, 400]]


def test_times_that_tremble_by_less_than_half_a_step_do_not_matter(history: PoseHistory) -> None:
    for ms in (0, 140, 170):
        _shown(history, ms, p0=ms)
    # 300 before 310 ms is 10 (nearest 0), 200 is 110 (140), 100 is 210 (170, 40 away).
    assert _shown(history, 310, p0=310) == [[0, 140, 170, 310]]


def test_a_camera_of_twice_the_rate_has_every_second_frame_looked_at(
    history: PoseHistory,
) -> None:
    for ms in range(0, 600, 50):
        _shown(history, ms, p0=ms)
    assert _shown(history, 600, p0=600) == [[300, 400, 500, 600]]
    assert _shown(history, 650, p0=650) == [[350, 450, 550, 650]]


def test_a_camera_of_half_the_rate_has_every_second_frame_missing(history: PoseHistory) -> None:
    for ms in (0, 200, 400):
        _shown(history, ms, p0=ms)
    assert _shown(history, 600, p0=600) == [[None, 400, None, 600]]


def test_at_any_rate_no_memory_grows_and_no_time_is_missed(history: PoseHistory) -> None:
    """1 kHz: what is kept lies a quarter of a step apart, so that each time is met within that."""
    for ms in range(2000):
        shown = _shown(history, ms, p0=ms)[0]
    assert shown[-1] == 1999
    for wanted, found in zip((1699, 1799, 1899), shown[:3], strict=True):
        assert found is not None
        assert abs(found - wanted) <= 13


def test_each_person_has_its_own_frames_whatever_their_order(history: PoseHistory) -> None:
    _shown(history, 0, p0=10, p1=20)
    _shown(history, 100, p1=21)
    assert _shown(history, 200, p1=22, p0=12) == [[None, 20, 21, 22], [None, 10, None, 12]]


def test_same_stamp_twice_shows_the_newer_one(history: PoseHistory) -> None:
    _shown(history, 0, p0=1)
    _shown(history, 100, p0=2)
    assert _shown(history, 100, p0=3) == [[None, None, 1, 3]]
    assert _shown(history, 200, p0=4)[0][-2:] == [3, 4]


def test_who_ended_and_what_is_reset_begins_anew(history: PoseHistory) -> None:
    _shown(history, 0, p0=1, p1=2)
    history.forget([0, 99])
    assert _shown(history, 100, p0=3, p1=4) == [[None, None, None, 3], [None, None, 2, 4]]
    history.reset()
    assert len(history) == 0
    assert _shown(history, 200, p1=5) == [[None, None, None, 5]]


def test_nobody_is_shown_nobody(history: PoseHistory) -> None:
    rays, scores = history.add([], *_marked([]), 0)
    assert (rays.shape, scores.shape) == ((0, FRAMES, 17, 2), (0, FRAMES, 17))


def test_of_too_many_people_those_unseen_for_longest_are_forgotten(history: PoseHistory) -> None:
    _shown(history, 0, p0=1)
    _shown(history, 10, p1=1)
    for start in range(2, 1002, 50):
        tracks = list(range(start, start + 50))
        history.add([1, *tracks], *_marked([1.0] * 51), start * MS)
        assert len(history) <= 256
    _, scores = history.add([0, 1], *_marked([2, 2]), 1010 * MS)
    assert (scores > 0).any(2).sum(1).tolist() == [1, 4]


def test_more_people_in_one_frame_than_are_usually_kept_are_all_shown(
    history: PoseHistory,
) -> None:
    marks = [float(n) for n in range(300)]
    history.add(range(300), *_marked(marks), 0)
    rays, _ = history.add(range(300), *_marked(marks), 100 * MS)
    np.testing.assert_array_equal(rays[:, 2:, 0, 0], np.stack([marks, marks], 1))


def test_what_was_shown_does_not_change_when_the_next_frame_comes(history: PoseHistory) -> None:
    first, _ = history.add([0], *_marked([1]), 0)
    kept = first.copy()
    history.add([0], *_marked([2]), 100 * MS)
    np.testing.assert_array_equal(first, kept)


def _clips(history: PoseHistory, clip: Any, frame_s: Any) -> list[list[float | None]]:
    marks = np.arange(len(clip), dtype=float)
    shown: list[Any] = [None] * len(clip)
    for rows, rays, scores in windows_of_clips(
        history, np.array(clip), np.array(frame_s, float), *_marked(marks.tolist())
    ):
        assert (np.isnan(rays).all((2, 3)) == (scores == 0).all(2)).all()
        for row, person in zip(rows, rays[:, :, 0, 0], strict=True):
            shown[row] = [None if np.isnan(v) else float(v) for v in person]
    return shown


def test_each_frame_of_a_clip_is_shown_with_those_before_it(history: PoseHistory) -> None:
    """Rows lie as they like; clips begin at different times."""
    clip = [5, 9, 5, 9, 5]
    frame_s = [0.2, 77.0, 0.1, 77.1, 0.0]
    assert _clips(history, clip, frame_s) == [
        [None, 4, 2, 0],
        [None, None, None, 1],
        [None, None, 4, 2],
        [None, None, 1, 3],
        [None, None, None, 4],
    ]


def test_more_clips_than_people_are_kept(history: PoseHistory) -> None:
    clip = np.repeat(np.arange(600), 2)
    shown = _clips(history, clip, np.tile([0.0, 0.1], 600))
    assert [s[-2:] for s in shown[1::2]] == [[2 * n, 2 * n + 1] for n in range(600)]


def test_two_people_in_one_clip_are_refused(history: PoseHistory) -> None:
    with pytest.raises(InputError, match='clip 7 has two poses in one frame; expected one person'):
        _clips(history, [3, 7, 7], [0.0, 0.1, 0.1])
    with pytest.raises(InputError, match=r'a clip is 1e\+12 s long; expected at most'):
        _clips(history, [3, 3], [0.0, 1e12])


def test_no_clip_is_nothing(history: PoseHistory) -> None:
    assert _clips(history, np.zeros(0, np.int64), np.zeros(0)) == []
