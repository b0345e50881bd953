# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The arrow of camera and people against the same normal distribution with a whole matrix."""

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.runtime.camera_and_people import SHARED, CameraAndPeople, Posterior

PEOPLE = 5
PRIOR = np.linspace(0.004, 0.02, PEOPLE)
CAMERA = np.array([0.01, -0.02, 0.0]), np.array([300.0, 900.0, 2000.0])
Array = NDArray[np.float64]


class Whole:
    """Camera first, then people."""

    def __init__(self, people: int) -> None:
        self.information = np.zeros((SHARED + people, SHARED + people))
        self.vector = np.zeros(SHARED + people)

    def add(self, row: int, gradient: Array, value: float, variance: float) -> None:
        direction = np.concatenate([-gradient, np.zeros(len(self.vector) - SHARED)])
        direction[SHARED + row] = 1.0
        self.information += np.outer(direction, direction) / variance
        self.vector += direction * value / variance

    def posterior(self) -> tuple[Array, Array]:
        weights = np.concatenate([CAMERA[1], 1 / PRIOR])
        mean = np.concatenate([CAMERA[0], np.zeros(PEOPLE)])
        covariance = np.linalg.inv(self.information + np.diag(weights))
        return covariance @ (self.vector + weights * mean), covariance


@pytest.fixture
def both() -> tuple[CameraAndPeople, Whole]:
    arrow, whole = CameraAndPeople(), Whole(PEOPLE)
    arrow.append(2)
    arrow.append(PEOPLE - 2)
    random = np.random.default_rng(0)
    for _ in range(3):
        rows = random.permutation(PEOPLE)[:3]
        gradient, value = random.normal(size=(3, SHARED)), 0.1 * random.normal(size=3)
        variance = random.uniform(1e-4, 1e-2, 3)
        arrow.add(rows, gradient, value, variance)
        for person in zip(rows.tolist(), gradient, value, variance, strict=True):
            whole.add(*person)
    return arrow, whole


def _compare(found: Posterior, mean: Array, covariance: Array) -> None:
    np.testing.assert_allclose(found.camera, mean[:SHARED], atol=1e-9)
    np.testing.assert_allclose(found.mean, mean[SHARED:], atol=1e-9)
    np.testing.assert_allclose(found.camera_covariance, covariance[:SHARED, :SHARED], atol=1e-10)
    np.testing.assert_allclose(found.variance, np.diag(covariance)[SHARED:], atol=1e-10)
    np.testing.assert_allclose(found.cross, covariance[SHARED:, :SHARED], atol=1e-10)


def test_arrow_is_the_whole_matrix(both: tuple[CameraAndPeople, Whole]) -> None:
    arrow, whole = both
    _compare(arrow.posterior(CAMERA, PRIOR), *whole.posterior())
    arrow.fade(0.25)
    whole.information, whole.vector = whole.information / 4, whole.vector / 4
    _compare(arrow.posterior(CAMERA, PRIOR), *whole.posterior())


def test_who_is_dropped_leaves_what_they_told(both: tuple[CameraAndPeople, Whole]) -> None:
    arrow, whole = both
    gone = np.array([False, True, False, True, False])
    arrow.drop(gone, PRIOR)
    assert len(arrow) == 3
    mean, covariance = whole.posterior()
    kept = np.concatenate([np.ones(SHARED, bool), ~gone])
    _compare(arrow.posterior(CAMERA, PRIOR[~gone]), mean[kept], covariance[np.ix_(kept, kept)])


def test_people_are_kept_when_the_camera_is_forgotten(
    both: tuple[CameraAndPeople, Whole],
) -> None:
    arrow, _ = both
    before = arrow.posterior(CAMERA, PRIOR)
    arrow.keep_people(before, PRIOR)
    after = arrow.posterior(CAMERA, PRIOR)
    np.testing.assert_allclose(after.mean, before.mean, atol=1e-12)
    np.testing.assert_allclose(after.variance, before.variance, atol=1e-12)
    np.testing.assert_allclose(after.camera, CAMERA[0], atol=1e-12)
    np.testing.assert_allclose(after.camera_covariance, np.diag(1 / CAMERA[1]), atol=1e-12)


def test_what_the_camera_keeps_goes_on_to_people_as_far_as_it_told_of_them(
    both: tuple[CameraAndPeople, Whole],
) -> None:
    """Given the camera people are apart: its variance enters theirs by the regression on it."""
    arrow, whole = both
    mean, covariance = whole.posterior()
    least = np.diag([1e-4, 2e-4, 0.0])
    slope = np.eye(SHARED + PEOPLE)[:, :SHARED]
    slope[SHARED:] = covariance[SHARED:, :SHARED] @ np.linalg.inv(covariance[:SHARED, :SHARED])
    wider = covariance + slope @ least @ slope.T
    _compare(arrow.posterior(CAMERA, PRIOR, np.diag(least)), mean, wider)


def test_nothing_measured_is_the_prior() -> None:
    state = CameraAndPeople()
    state.append(PEOPLE)
    found = state.posterior(CAMERA, PRIOR)
    np.testing.assert_allclose(found.camera, CAMERA[0])
    np.testing.assert_allclose(found.variance, PRIOR)
    assert not found.mean.any()
