# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Object keypoint similarity and matching, in numbers worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from elepose_core.errors import InputError
from elepose_core.evaluation.keypoints import (
    AnnotatedPerson,
    best_similarities,
    greedy_matches,
    similarity_matrix,
)
from elepose_core.geometry.keypoint_similarity import COCO_SIGMAS, keypoint_similarity

BOX = (0.0, 0.0, 100.0, 100.0)


def coco(marked: dict[int, tuple[float, float, int]]) -> list[float]:
    """Write a COCO keypoint list with these joints marked."""
    values = [0.0] * 51
    for joint, xyv in marked.items():
        values[3 * joint : 3 * joint + 3] = xyv
    return values


def test_one_keypoint_by_hand() -> None:
    """Nose off by 5 px, area 10000 px2: k = 2 * 0.026, exp(-25 / (2 * 10000 * 0.002704))."""
    person = AnnotatedPerson.from_coco(coco({0: (50, 50, 2)}), BOX, 10_000)
    detection = np.full((17, 2), np.nan)
    detection[0] = 53, 54
    similarity = similarity_matrix([detection], [person])
    assert similarity.shape == (1, 1)
    assert similarity[0, 0] == pytest.approx(0.629847, abs=1e-6)


def test_mean_over_marked_keypoints_only() -> None:
    """Left hip exact (1), left ankle off by 17.8 px at area 10000: d = 2 sigma s / 1, exp(-1/2).

    Sigma of an ankle is 0.089, so 2 sigma times 100 px is 17.8 px. Joints that nobody marked do
    not count, wherever the detector puts them.
    """
    person = AnnotatedPerson.from_coco(coco({11: (10, 10, 1), 15: (30, 30, 2)}), BOX, 10_000)
    detection = np.full((17, 2), 999.0)
    detection[11], detection[15] = (10, 10), (30 + 17.8, 30)
    expected = (1 + math.exp(-0.5)) / 2
    assert similarity_matrix([detection], [person])[0, 0] == pytest.approx(expected, abs=1e-9)


def test_a_missing_keypoint_counts_as_zero() -> None:
    person = AnnotatedPerson.from_coco(coco({5: (10, 10, 2), 6: (30, 30, 2)}), BOX, 10_000)
    detection = np.full((17, 2), np.nan)
    detection[5] = 10, 10
    assert similarity_matrix([detection], [person])[0, 0] == pytest.approx(0.5)


def test_nothing_marked_is_nothing_found() -> None:
    person = AnnotatedPerson.from_coco(coco({}), BOX)
    assert similarity_matrix([np.zeros((17, 2))], [person])[0, 0] == 0


def test_area_from_annotation_or_from_the_box() -> None:
    assert AnnotatedPerson.from_coco(coco({}), (5, 5, 20, 10)).area_px2 == pytest.approx(106)
    assert AnnotatedPerson.from_coco(coco({}), (5, 5, 20, 10), 77.5).area_px2 == 77.5


def test_sigmas_are_symmetric_and_those_of_coco() -> None:
    assert COCO_SIGMAS.shape == (17,)
    assert COCO_SIGMAS[0] == 0.026
    np.testing.assert_array_equal(COCO_SIGMAS[1::2], COCO_SIGMAS[2::2])
    # The published constants are tenfold: 0.26, 0.25, 0.35, 0.79, 0.72, 0.62, 1.07, 0.87, 0.89.
    pairs = [0.25, 0.35, 0.79, 0.72, 0.62, 1.07, 0.87, 0.89]
    np.testing.assert_allclose(COCO_SIGMAS[1::2] * 10, pairs)


@pytest.mark.parametrize(
    ('keypoints', 'box', 'area', 'sentence'),
    [
        ([0.0] * 50, BOX, None, 'annotation has 50 keypoint and 4 box values; expected 51 and 4'),
        ([0.0] * 51, (1.0, 2.0), None, '2 box values'),
        ([0.0] * 51, (0, 0, 0, 5), None, 'annotation has area 0 px2; expected > 0'),
        ([0.0] * 51, BOX, -1.0, 'annotation has area -1 px2'),
        ([0.0] * 51, BOX, float('nan'), 'annotation has area nan px2'),
    ],
)
def test_wrong_annotations(
    keypoints: Sequence[float], box: Sequence[float], area: float | None, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        AnnotatedPerson.from_coco(keypoints, box, area)


@pytest.mark.parametrize('batch', [(), (5,), (2, 3)])
def test_any_batch_shape(batch: tuple[int, ...], rng: np.random.Generator) -> None:
    first, second = rng.normal(0, 30, (2, *batch, 17, 2))
    area = rng.uniform(100, 1000, batch)
    all_at_once = keypoint_similarity(first, second, area, COCO_SIGMAS)
    assert all_at_once.shape == batch
    for i in np.ndindex(*batch):
        alone = keypoint_similarity(first[i], second[i], area[i], COCO_SIGMAS)
        assert all_at_once[i] == pytest.approx(float(alone), abs=1e-12)


def test_similarity_does_not_depend_on_the_size_of_the_picture() -> None:
    first, second = np.random.default_rng(1).normal(0, 20, (2, 17, 2))
    small = keypoint_similarity(first, second, 500.0, COCO_SIGMAS)
    large = keypoint_similarity(3 * first, 3 * second, 9 * 500.0, COCO_SIGMAS)
    assert float(small) == pytest.approx(float(large))
    assert 0 < float(small) < 1


def test_area_must_be_positive() -> None:
    with pytest.raises(InputError, match='area_px2 is 0; expected > 0'):
        keypoint_similarity(np.zeros((17, 2)), np.zeros((17, 2)), 0.0, COCO_SIGMAS)


def test_greedy_matching_takes_the_best_pair_first() -> None:
    similarity = [[0.9, 0.8, 0.1], [0.85, 0.0, 0.2]]
    assert greedy_matches(similarity) == [(0, 0), (1, 2)]
    assert greedy_matches(similarity, least=0.3) == [(0, 0)]
    assert greedy_matches(np.zeros((2, 3))) == []
    assert greedy_matches(np.zeros((0, 3))) == []
    assert greedy_matches(np.zeros((3, 0))) == []


def test_a_missed_person_counts_zero_and_nobody_is_found_twice() -> None:
    here = AnnotatedPerson.from_coco(coco({5: (10, 10, 2)}), BOX)
    near = AnnotatedPerson.from_coco(coco({5: (11, 10, 2)}), BOX)
    detection = np.full((17, 2), 10.0)
    best = best_similarities([detection], [near, here])
    assert best.tolist() == [0.0, 1.0]
    assert best_similarities([], [near, here]).tolist() == [0.0, 0.0]
    assert best_similarities([detection], []).shape == (0,)
