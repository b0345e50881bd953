# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Second detections of one person go, other people stay."""

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.detect import Detection
from elepose_core.detect.duplicates import without_duplicates

# Somebody upright, 100 px wide (arms) and 300 px high, COCO-17 order.
STANDING_PX = np.array(
    [
        *[(50, 20), (55, 15), (45, 15), (60, 18), (40, 18)],
        *[(75, 60), (25, 60), (90, 110), (10, 110), (100, 160), (0, 160)],
        *[(65, 160), (35, 160), (65, 230), (35, 230), (65, 300), (35, 300)],
    ],
    np.float32,
)


def person(
    moved_px: tuple[float, float] = (0, 0),
    scores: NDArray[np.float32] | None = None,
    scale: float = 1.0,
) -> Detection:
    points = STANDING_PX * np.float32(scale) + np.array(moved_px, np.float32)
    return Detection(points, np.full(17, 0.8, np.float32) if scores is None else scores)


def test_the_surer_one_stays() -> None:
    first, second = person(), person((5, -4))
    kept = without_duplicates([first, second])
    assert len(kept) == 1
    assert kept[0] is first


@pytest.mark.parametrize('noise_px', [0.0, 3.0, 6.0])
def test_jittered_copies_go(noise_px: float, rng: np.random.Generator) -> None:
    for _ in range(50):
        noise = rng.normal(0, noise_px, (17, 2)).astype(np.float32)
        copy = Detection(STANDING_PX + noise, np.full(17, 0.5, np.float32))
        assert len(without_duplicates([person(), copy])) == 1


@pytest.mark.parametrize('moved_px', [(60, 0), (-60, 0), (0, 80), (45, 30)])
def test_people_side_by_side_stay(moved_px: tuple[float, float]) -> None:
    assert len(without_duplicates([person(), person(moved_px)])) == 2


def test_a_child_in_front_of_an_adult_stays() -> None:
    assert len(without_duplicates([person(), person((20, 130), scale=0.55)])) == 2


def test_guessed_keypoints_do_not_count() -> None:
    """Two halves of which each sees other joints share nothing that could make them one."""
    upper, lower = np.full(17, 0.05, np.float32), np.full(17, 0.05, np.float32)
    upper[:11], lower[11:] = 0.9, 0.9
    assert len(without_duplicates([person(scores=upper), person(scores=lower)])) == 2


def test_a_copy_with_hidden_legs_goes() -> None:
    scores = np.full(17, 0.8, np.float32)
    scores[13:] = 0.05
    assert len(without_duplicates([person(), person((3, 3), scores)])) == 1


def test_three_copies_and_another_person() -> None:
    people = [person(), person((2, 0)), person((200, 0)), person((-2, 1))]
    kept = without_duplicates(people)
    assert [k is p for k, p in zip(kept, (people[0], people[2]), strict=True)] == [True, True]


def test_nobody() -> None:
    assert without_duplicates([]) == []


def test_missing_and_coincident_keypoints_do_not_break_it() -> None:
    nothing = Detection(np.full((17, 2), np.nan, np.float32), np.zeros(17, np.float32))
    point = Detection(np.zeros((17, 2), np.float32), np.ones(17, np.float32))
    assert len(without_duplicates([nothing, nothing, point, point])) == 3
