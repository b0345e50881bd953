# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Each metric against a second, slow and plain implementation, and against numbers by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

from elepose_core import metrics
from elepose_core.geometry.alignment import similarity_aligned

Array = NDArray[np.float64]
# MPI-INF-3DHP: head top, shoulders, elbows, wrists, hips, knees, ankles, and the neck (thorax).
SCORED = [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16]


@pytest.fixture
def pair(random: np.random.Generator) -> tuple[Array, Array]:
    """Return ten poses with 17 joints in mm and truths some 100 mm away, both root-centred."""
    target = random.normal(scale=300, size=(10, 17, 3))
    pose = target + random.normal(scale=90, size=(10, 17, 3))
    return pose - pose[:, :1], target - target[:, :1]


def _mean_distance(pose: Array, target: Array, joints: list[int] | None = None) -> float:
    chosen = range(17) if joints is None else joints
    return float(np.mean([math.dist(pose[j], target[j]) for j in chosen]))


def _scaled(pose: Array, target: Array) -> Array:
    factor = np.linalg.lstsq(pose.reshape(-1, 1), target.ravel(), rcond=None)[0]
    return pose * factor


def _procrustes(pose: Array, target: Array) -> Array:
    rotation, _ = Rotation.align_vectors(target - target.mean(0), pose - pose.mean(0))
    turned = rotation.apply(pose - pose.mean(0))
    return _scaled(turned, target - target.mean(0)) + target.mean(0)


def test_joint_error_by_hand() -> None:
    pose, target = np.zeros((1, 17, 3)), np.zeros((1, 17, 3))
    pose[0, 5] = (3, 4, 12)
    assert metrics.joint_errors_mm(pose, target)[0, 5] == 13.0
    assert metrics.joint_errors_mm(pose, target).sum() == 13.0


def test_root_centred_shifts_the_pelvis_to_the_origin(random: np.random.Generator) -> None:
    for batch in ((), (5,), (2, 3)):
        pose = random.normal(size=(*batch, 17, 3))
        centred = metrics.root_centred(pose)
        assert (centred[..., 0, :] == 0).all()
        np.testing.assert_allclose(centred[..., 7, :], pose[..., 7, :] - pose[..., 0, :])


def test_n_mpjpe_by_hand() -> None:
    pose, target = np.zeros((1, 17, 3)), np.zeros((1, 17, 3))
    pose[0, 1], target[0, 1] = (100, 0, 0), (200, 0, 0)
    assert metrics.n_mpjpe_mm(pose, target)[0] == 0.0
    target[0, 1] = (200, 30, 0)  # least squares gives x = 200, 30 mm are left on one joint
    assert math.isclose(metrics.n_mpjpe_mm(pose, target)[0], 30 / 17)
    # The ratio of norms stretches it to 202.237... instead: worse.
    worse = math.hypot(math.hypot(200, 30) - 200, 30) / 17
    assert math.isclose(metrics.n_mpjpe_norm_mm(pose, target)[0], worse)


def test_scaled_errors_are_those_of_the_plain_implementation(pair: tuple[Array, Array]) -> None:
    pose, target = pair
    plain = [_mean_distance(_scaled(p, t), t) for p, t in zip(pose, target, strict=True)]
    np.testing.assert_allclose(metrics.n_mpjpe_mm(pose, target), plain)
    plain = [
        _mean_distance(p * np.sqrt((t**2).sum() / (p**2).sum()), t)
        for p, t in zip(pose, target, strict=True)
    ]
    np.testing.assert_allclose(metrics.n_mpjpe_norm_mm(pose, target), plain)


def test_strict_procrustes_error_is_that_of_the_plain_implementation(
    pair: tuple[Array, Array],
) -> None:
    pose, target = pair
    plain = [_mean_distance(_procrustes(p, t), t) for p, t in zip(pose, target, strict=True)]
    np.testing.assert_allclose(metrics.pa_mpjpe_mm(pose, target), plain, rtol=1e-6)


def test_errors_do_not_change_with_what_each_metric_forgives(pair: tuple[Array, Array]) -> None:
    pose, target = pair
    for metric in (metrics.n_mpjpe_mm, metrics.n_mpjpe_norm_mm):
        np.testing.assert_allclose(metric(4.2 * pose, target), metric(pose, target))
    turned = Rotation.from_rotvec([0.4, 2.0, -1.0]).apply(pose.reshape(-1, 3)).reshape(pose.shape)
    moved = 0.3 * turned + (500.0, -100.0, 9000.0)
    strict = metrics.pa_mpjpe_mm(pose, target)
    np.testing.assert_allclose(metrics.pa_mpjpe_mm(moved, target), strict)
    # A mirror image is not forgiven by the strict one, and is by the other.
    mirrored = pose * (1, 1, -1)
    assert (np.abs(metrics.pa_mpjpe_mm(mirrored, target) - strict) > 20).all()
    np.testing.assert_allclose(
        metrics.pa_mpjpe_mm(mirrored, target, reflection=True),
        metrics.pa_mpjpe_mm(pose, target, reflection=True),
    )


def test_depth_flip_is_found_and_an_ordinary_error_is_not(
    pair: tuple[Array, Array], standing_m: Array, random: np.random.Generator
) -> None:
    pose, target = pair
    assert not metrics.is_flipped(pose, target).any()
    assert metrics.is_flipped(target * (1, 1, -1), target).all()
    np.testing.assert_allclose(
        metrics.pa_mpjpe_mm(target * (1, 1, -1), target, reflection=True), 0, atol=1e-9
    )
    flat = (standing_m * 1000 * (1, 1, 0))[None]
    assert not metrics.is_flipped(flat * (1, 1, -1), flat).any()


def test_pck_by_hand() -> None:
    target = np.zeros((1, 17, 3))
    target[0, :, 1] = np.arange(17) * 100.0
    pose = target.copy()
    # Two opposite errors across the axis of the pose leave its best scale at 1.
    pose[0, 10, 0], pose[0, 13, 0] = 149.9, 150.0
    pose[0, 7, 0] = 5000.0  # the spine is not scored
    scale = (pose * target).sum() / (pose**2).sum()
    target = target * scale
    pck, auc = metrics.pck_and_auc(pose / 1.0, target)
    found = metrics.joint_errors_mm(pose * ((pose * target).sum() / (pose**2).sum()), target)[0]
    assert pck[0] == np.mean([found[j] < 150 for j in SCORED])
    plain = [np.mean([found[j] < t for j in SCORED]) for t in range(0, 151, 5)]
    assert math.isclose(auc[0], float(np.mean(plain)))


def test_perfect_pose_scores_one_and_the_zero_threshold_counts_as_zero(
    pair: tuple[Array, Array],
) -> None:
    _, target = pair
    pck, auc = metrics.pck_and_auc(target, target)
    np.testing.assert_array_equal(pck, 1.0)
    np.testing.assert_allclose(auc, 30 / 31)  # 31 thresholds, of which 0 mm holds nothing


def test_pck_and_auc_are_those_of_the_plain_implementation(pair: tuple[Array, Array]) -> None:
    pck, auc = metrics.pck_and_auc(*pair)
    for row, (p, t) in enumerate(zip(*pair, strict=True)):
        errors = [math.dist(a, b) for a, b in zip(_scaled(p, t), t, strict=True)]
        correct = [[errors[j] < limit for j in SCORED] for limit in range(0, 151, 5)]
        assert math.isclose(pck[row], np.mean(correct[-1]))
        assert math.isclose(auc[row], np.mean(correct))


def test_correct_pose_score_counts_millimetres_above_the_worst_joint(
    pair: tuple[Array, Array],
) -> None:
    pose, target = pair
    plain = []
    for p, t in zip(pose, target, strict=True):
        aligned = _procrustes(p, t)
        worst = max(math.dist(a, b) for a, b in zip(aligned, t, strict=True))
        plain.append(sum(worst < limit for limit in range(301)))
    np.testing.assert_array_equal(metrics.correct_pose_score(pose, target), plain)
    assert metrics.correct_pose_score(target, target).tolist() == [300.0] * 10
    assert metrics.correct_pose_score(target * (1, 1, -1), target).max() < 200


def test_velocity_error_by_hand() -> None:
    # The true hand moves 10 mm per frame, the found one 13 mm, across a pose so large that its
    # best scale stays at 1.
    target = np.zeros((3, 17, 3))
    target[:, 1:16, 1:] = np.random.default_rng(0).normal(scale=1e6, size=(15, 2))
    pose = target.copy()
    target[:, 16, 0], pose[:, 16, 0] = [0, 10, 20], [0, 13, 26]
    clips, frames = np.zeros(3, np.int64), np.arange(3)
    assert math.isclose(metrics.mpjve_mm(pose, target, clips, frames), 3 / 17, rel_tol=1e-3)


def test_velocity_error_skips_gaps_and_clip_borders(random: np.random.Generator) -> None:
    target = random.normal(size=(6, 17, 3))
    pose = target.copy()
    pose[2:] += 1e3 * random.normal(size=(4, 17, 3))
    # Only rows 0 and 1 are neighbours: then come a gap, another clip, and a step back.
    clips, frames = np.array([0, 0, 0, 1, 1, 1]), np.array([4, 5, 7, 8, 8, 6])
    assert metrics.mpjve_mm(pose, target, clips, frames) < 1e-9
    assert math.isnan(metrics.mpjve_mm(pose, target, clips, np.zeros(6, np.int64)))


def test_degenerate_poses_give_numbers(pair: tuple[Array, Array]) -> None:
    _, target = pair
    nothing = np.zeros_like(target)
    size = np.linalg.norm(target, axis=-1).mean(-1)
    np.testing.assert_allclose(metrics.n_mpjpe_mm(nothing, target), size)
    np.testing.assert_allclose(metrics.n_mpjpe_norm_mm(nothing, target), size)
    assert np.isfinite(metrics.pa_mpjpe_mm(nothing, target)).all()
    assert (metrics.pck_and_auc(nothing, target)[0] <= 1).all()


def test_no_poses_give_no_figures() -> None:
    empty = np.zeros((0, 17, 3))
    assert metrics.n_mpjpe_mm(empty, empty).shape == (0,)
    assert metrics.pa_mpjpe_mm(empty, empty).shape == (0,)
    assert metrics.pck_and_auc(empty, empty)[1].shape == (0,)
    assert metrics.correct_pose_score(empty, empty).shape == (0,)


def _erring_by_hand() -> tuple[Array, Array]:
    """Return a pose that errs by 200, 200, 100 mm, and 100 mm at the spine, at best scale 1.

    The spine is 100 mm short of 1000 along the pose: <error, target> + |error|^2 is
    -100 * 1000 + (200^2 + 200^2 + 100^2 + 100^2) = 0, which is the condition for scale 1.
    """
    target = np.zeros((1, 17, 3))
    target[0, 7] = (0, 1000, 0)
    pose = target.copy()
    pose[0, 7, 1] -= 100
    pose[0, [3, 6, 13], 0] = 200, 200, 100
    return pose, target


def test_share_of_correct_joints_by_hand() -> None:
    pose, target = _erring_by_hand()
    assert math.isclose(metrics.n_mpjpe_mm(pose, target)[0], 600 / 17)
    pck, auc = metrics.pck_and_auc(pose, target)
    assert math.isclose(pck[0], 12 / 14), 'both ankles are wrong, the spine is not asked'
    # Eleven joints lie below 30 of the 31 thresholds, the wrist below 105, 110, ... 150.
    assert math.isclose(auc[0], (11 * 30 + 10) / (14 * 31))


def test_velocity_error_by_hand_at_scale_one() -> None:
    pose, target = _erring_by_hand()
    # Right, then wrong in the next frame of the clip; the frame of another clip does not count.
    poses, truth = np.concatenate([target, pose, pose]), np.concatenate([target] * 3)
    clips, frames = np.array([5, 5, 6]), np.array([8, 9, 10])
    assert math.isclose(metrics.mpjve_mm(poses, truth, clips, frames), 600 / 17)


def _bent_cross() -> tuple[Array, Array]:
    """Return a cross whose arms are bent up and down in turn, against the flat one.

    No turn helps, by symmetry. The best scale is 0.4^2 / (0.4^2 + 0.3^2) = 0.64, which leaves
    (0.36 * 400, 0.64 * 300) = (144, 192), 240 mm at each of the four ends; all times 1.001.
    """
    target = np.zeros((1, 17, 3))
    target[0, [1, 4], 0] = 400, -400
    target[0, [11, 14], 1] = 400, -400
    pose = target.copy()
    pose[0, [1, 4], 2], pose[0, [11, 14], 2] = 300, -300
    return pose * 1.001, target * 1.001


def test_correct_pose_score_by_hand() -> None:
    pose, target = _bent_cross()
    assert math.isclose(metrics.pa_mpjpe_mm(pose, target)[0], 4 * 240.24 / 17)
    score = metrics.correct_pose_score(
        np.concatenate([pose, 3 * target]), np.concatenate([target, target])
    )
    # 240.24 mm lies below the 60 thresholds 241..300; a perfect pose below all but 0.
    assert score.tolist() == [60.0, 300.0]


def test_reflective_procrustes_error_is_that_of_scipy(pair: tuple[Array, Array]) -> None:
    """SciPy's `procrustes` allows reflections and gives the squares over those of the target."""
    pose, target = pair
    pose = np.concatenate([pose, target * (1, 1, -1) + 0.2 * pose])
    target = np.concatenate([target, target])
    for one, goal in zip(pose, target, strict=True):
        _, fitted, disparity = procrustes(goal, one)
        size = np.linalg.norm(goal - goal.mean(0))
        plain = _mean_distance(fitted * size + goal.mean(0), goal)
        found = metrics.pa_mpjpe_mm(one[None], goal[None], reflection=True)[0]
        assert math.isclose(found, plain, rel_tol=1e-9)
        assert disparity < 1


def _turned(random: np.random.Generator, pose: Array) -> Array:
    return Rotation.random(random_state=int(random.integers(1 << 31))).apply(pose)


@pytest.mark.parametrize('dimensions', [1, 2])
def test_flat_and_straight_poses_have_no_mirror_image(
    dimensions: int, random: np.random.Generator
) -> None:
    """In a plane or on a line a turn does what a mirror does: both errors are the same."""
    for _ in range(20):
        flat = np.zeros((17, 3))
        flat[1:, :dimensions] = random.normal(scale=300, size=(16, dimensions))
        pose, target = _turned(random, flat)[None], (0.5 * _turned(random, flat))[None]
        for reflection in (False, True):
            error = metrics.pa_mpjpe_mm(pose, target, reflection)
            np.testing.assert_allclose(error, 0, atol=1e-6)
        bulky = target + random.normal(scale=50, size=target.shape)
        strict, reflective = (metrics.pa_mpjpe_mm(pose, bulky, mirror) for mirror in (False, True))
        assert math.isclose(strict[0], reflective[0], rel_tol=1e-6)
        assert not metrics.is_flipped(pose, bulky).any()


def test_strict_error_is_the_least_over_all_turns(random: np.random.Generator) -> None:
    """A crude search over many turns, each with its best scale, never beats the closed form."""
    target = random.normal(scale=300, size=(17, 3))
    pose = target * (1, 1, -1) + random.normal(scale=30, size=(17, 3))
    centred, goal = pose - pose.mean(0), target - target.mean(0)
    turns = Rotation.random(20_000, random_state=1).as_matrix()
    turned = np.einsum('nab,jb->nja', turns, centred)
    # A negative scale would be a mirror image through a point.
    scale = np.maximum(np.einsum('nja,ja->n', turned, goal) / (centred**2).sum(), 0)
    squares = ((scale[:, None, None] * turned - goal) ** 2).sum((1, 2))
    best = turned[squares.argmin()] * scale[squares.argmin()]
    aligned = similarity_aligned(pose, target) - target.mean(0)
    assert ((aligned - goal) ** 2).sum() <= squares.min()
    # The search comes near, so that the bound is no empty one.
    assert ((aligned - goal) ** 2).sum() > 0.9 * squares.min()
    assert np.abs(best - aligned).mean() < 60
    assert metrics.is_flipped(pose[None], target[None]).all()


def test_sigma_is_scaled_like_the_pose(pair: tuple[Array, Array]) -> None:
    pose, target = pair
    sigma = np.full((10, 17), 2.0)
    plain = [
        2.0 * abs(np.linalg.lstsq(p.reshape(-1, 1), t.ravel(), rcond=None)[0].item())
        for p, t in zip(pose, target, strict=True)
    ]
    np.testing.assert_allclose(metrics.scaled_sigma_mm(pose, target, sigma)[:, 5], plain)
    # In units 7 times as large everything is as before.
    again = metrics.scaled_sigma_mm(pose / 7, target, sigma / 7)
    np.testing.assert_allclose(again[:, 5], plain)
    assert (metrics.scaled_sigma_mm(np.zeros_like(pose), target, sigma) == 0).all()


def test_rank_correlation_is_that_of_scipy(random: np.random.Generator) -> None:
    first = random.integers(0, 12, 50).astype(np.float64)  # with ties
    second = first + random.normal(scale=5, size=50)
    found = metrics.rank_correlation(first, second)
    assert found is not None
    assert math.isclose(found, spearmanr(first, second).statistic)
    falling = metrics.rank_correlation(np.array([1.0, 2, 3]), np.array([9.0, 4, 1]))
    assert falling == pytest.approx(-1.0)
    assert metrics.rank_correlation(np.ones(5), np.arange(5.0)) is None
    assert metrics.rank_correlation(np.array([3.0]), np.array([1.0])) is None
    assert metrics.rank_correlation(np.zeros(0), np.zeros(0)) is None
