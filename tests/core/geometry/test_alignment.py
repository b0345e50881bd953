# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Alignment against a numerical optimiser and SciPy, its symmetries and its degenerate cases."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from elepose_core.geometry.alignment import scale_aligned, similarity_aligned

BATCHES = [(), (5,), (2, 3)]
Array = NDArray[np.float64]


def _squares(first: Array, second: Array) -> float:
    return float(((first - second) ** 2).sum())


def test_scale_by_hand() -> None:
    pose, target = np.zeros((2, 3)), np.zeros((2, 3))
    pose[1], target[1] = (0, 2, 0), (3, 3, 0)
    # s = <pose, target> / <pose, pose> = 6 / 4
    np.testing.assert_allclose(scale_aligned(pose, target)[1], [0, 3, 0])


@pytest.mark.parametrize('batch', BATCHES)
def test_scale_is_the_least_squares_one(
    batch: tuple[int, ...], random: np.random.Generator
) -> None:
    pose, target = random.normal(size=(2, *batch, 17, 3))
    aligned = scale_aligned(pose, target)
    for index in np.ndindex(batch):
        best = np.linalg.lstsq(pose[index].reshape(-1, 1), target[index].ravel(), rcond=None)[0]
        np.testing.assert_allclose(aligned[index], best * pose[index])


def _aligned_by_scipy(pose: Array, target: Array) -> Array:
    """Best proper rotation by SciPy, then the scale by least squares."""
    pose_mean, target_mean = pose.mean(0), target.mean(0)
    rotation, _ = Rotation.align_vectors(target - target_mean, pose - pose_mean)
    turned = rotation.apply(pose - pose_mean)
    scale = np.linalg.lstsq(turned.reshape(-1, 1), (target - target_mean).ravel(), rcond=None)[0]
    return scale * turned + target_mean


@pytest.mark.parametrize('batch', BATCHES)
def test_similarity_is_the_one_that_scipy_finds(
    batch: tuple[int, ...], random: np.random.Generator
) -> None:
    pose, target = random.normal(size=(2, *batch, 9, 3))
    strict = similarity_aligned(pose, target)
    reflective = similarity_aligned(pose, target, reflection=True)
    for index in np.ndindex(batch):
        goal = target[index]
        proper = _aligned_by_scipy(pose[index], goal)
        np.testing.assert_allclose(strict[index], proper, atol=1e-6)
        mirrored = _aligned_by_scipy(pose[index] * (1, 1, -1), goal)
        best = min(proper, mirrored, key=lambda p: _squares(p, goal))
        np.testing.assert_allclose(reflective[index], best, atol=1e-6)


def test_no_small_change_makes_the_similarity_better(random: np.random.Generator) -> None:
    pose, target = random.normal(size=(2, 8, 3))
    aligned = similarity_aligned(pose, target)
    centre = aligned.mean(0)

    def badness(x: Array) -> float:
        turned = Rotation.from_rotvec(x[:3]).apply(aligned - centre)
        return _squares((1 + x[3]) * turned + centre + x[4:], target)

    best = minimize(badness, np.zeros(7))
    assert badness(np.zeros(7)) <= best.fun + 1e-9


@pytest.mark.parametrize('batch', BATCHES)
def test_any_similarity_is_undone(batch: tuple[int, ...], random: np.random.Generator) -> None:
    target = random.normal(size=(*batch, 17, 3))
    pose = 2.5 * Rotation.from_rotvec([0.3, -2.0, 1.1]).apply(target.reshape(-1, 3))
    pose = np.array([5.0, -3.0, 0.1]) + pose.reshape(target.shape)
    for reflection in (False, True):
        np.testing.assert_allclose(
            similarity_aligned(pose, target, reflection), target, atol=1e-10
        )


def test_mirror_image_stays_wrong_unless_reflection_is_allowed(
    random: np.random.Generator,
) -> None:
    target = random.normal(size=(17, 3))
    flipped = target * (1, 1, -1)
    np.testing.assert_allclose(similarity_aligned(flipped, target, True), target, atol=1e-10)
    assert np.abs(similarity_aligned(flipped, target) - target).max() > 0.3


def test_alignment_does_not_depend_on_where_the_pose_stands(random: np.random.Generator) -> None:
    pose, target = random.normal(size=(2, 17, 3))
    moved = 0.1 * Rotation.random(random_state=3).apply(pose) + (100.0, 5.0, -7.0)
    np.testing.assert_allclose(
        similarity_aligned(moved, target), similarity_aligned(pose, target), atol=1e-9
    )


def test_coincident_joints_collapse_onto_the_mean(random: np.random.Generator) -> None:
    target = random.normal(size=(17, 3))
    aligned = similarity_aligned(np.full((17, 3), 4.0), target)
    np.testing.assert_allclose(aligned, np.broadcast_to(target.mean(0), (17, 3)), atol=1e-12)
    np.testing.assert_array_equal(scale_aligned(np.zeros((17, 3)), target), np.zeros((17, 3)))


def test_flat_and_straight_poses_are_aligned_without_a_warning(
    random: np.random.Generator,
) -> None:
    for rank in (1, 2):
        target = np.zeros((17, 3))
        target[:, :rank] = random.normal(size=(17, rank))
        pose = 3.0 * Rotation.from_rotvec([1.0, 0.5, -0.2]).apply(target) + (0, 1, 0)
        np.testing.assert_allclose(similarity_aligned(pose, target), target, atol=1e-10)


def test_collapsed_target_is_met_in_its_mean(random: np.random.Generator) -> None:
    pose = random.normal(size=(17, 3))
    np.testing.assert_allclose(similarity_aligned(pose, np.full((17, 3), 2.0)), 2.0, atol=1e-12)
