# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Windows that are refined each by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.refinement.clips import refine
from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.windows import RefinedWindows

Array = NDArray[Any]
FRAMES, WRIST = 20, 13


@pytest.fixture(scope='module')
def walk(walk_of: Callable[..., Any]) -> Any:
    return walk_of(clips=2, frames=FRAMES)


@pytest.fixture(scope='module')
def lift(lifter_of: Callable[..., Any], walk: Any) -> Any:
    """Return a lifter that is wrong like a network and finds each row by its pelvis."""
    joints, up = lifter_of(walk)(walk.rays, np.ones(walk.rays.shape[:2], np.float32), None)

    def found(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        assert rays.dtype == scores.dtype == np.float32
        rows = np.abs(rays[:, None, 0] - walk.rays[None, :, 0]).max(-1).argmin(1)
        return joints[rows], up[rows]

    return found


def _error(joints: Array, walk: Any) -> float:
    """Return the mean distance from the truth, pelvis on pelvis, in mean bones."""
    pose, truth = joints.reshape(-1, 17, 3), walk.joints_cam
    difference = (pose - pose[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(difference, axis=-1).mean())


def _windows(walk: Any) -> tuple[Array, Array]:
    rays = walk.rays.reshape(2, FRAMES, 17, 2)
    return rays, np.ones(rays.shape[:3], np.float32)


def test_windows_are_clips_refined(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    joints, up = RefinedWindows(lift, walk.bones)(rays, scores, None)
    refined = refine(walk.rays, walk.clip, walk.frame, None, lift, walk.bones)
    assert np.array_equal(joints.reshape(-1, 17, 3), refined.joints_cam)
    assert np.array_equal(np.repeat(up, FRAMES, axis=0), refined.up_cam)
    single = lift(walk.rays, scores.reshape(-1, 17), None)[0]
    # The lifter's unit is the pelvis's distance, 16 bones or so.
    size = np.linalg.norm(walk.joints_cam[:, :1], axis=-1, keepdims=True)
    assert _error(joints, walk) < 0.7 * _error(single * size, walk)


def test_gaps_stay_empty_and_change_nothing_else(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    gone = np.zeros((2, FRAMES), bool)
    gone[0, 5:8] = gone[1, :4] = True
    spoilt, hidden = rays.copy(), scores.copy()
    spoilt[gone], hidden[gone] = np.nan, 0.0
    joints, up = RefinedWindows(lift, walk.bones)(spoilt, hidden, None)
    kept = ~gone.reshape(-1)
    refined = refine(walk.rays[kept], walk.clip[kept], walk.frame[kept], None, lift, walk.bones)
    assert np.array_equal(joints[~gone], refined.joints_cam)
    assert not joints[gone].any()
    assert np.array_equal(np.repeat(up, FRAMES, axis=0)[kept], refined.up_cam)


def _wrong_wrist(lift: Any) -> Any:
    """Return the lifter, which now has one wrist one bone too far to the right."""

    def wrong(rays: Array, scores: Array, told: Array | None) -> tuple[Array, Array]:
        joints, up = lift(rays, scores, told)
        joints = joints.copy()
        joints[:, WRIST, 0] += joints[:, WRIST, 2] / 16
        return joints, up

    return wrong


def test_a_joint_that_was_not_seen_lies_where_its_neighbours_lead(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    spoilt = rays.copy()
    spoilt[0, 9:11, WRIST] = np.nan
    joints, _ = RefinedWindows(_wrong_wrist(lift), walk.bones)(spoilt, scores, None)
    given = joints[0, 9:11, WRIST]
    # A tenth of what the lifter's guess is wrong by.
    assert np.allclose(given[:, :2] / given[:, 2:], rays[0, 9:11, WRIST], atol=0.1 / 16)


def test_a_joint_that_was_never_seen_lies_where_the_lifter_has_it(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    spoilt = rays.copy()
    spoilt[0, :, WRIST] = np.nan
    wrong = _wrong_wrist(lift)
    joints, _ = RefinedWindows(wrong, walk.bones)(spoilt, scores, None)
    guess = wrong(walk.rays, scores.reshape(-1, 17), None)[0][:FRAMES, WRIST]
    given = joints[0, :, WRIST]
    assert np.allclose(given[:, :2] / given[:, 2:], guess[:, :2] / guess[:, 2:], atol=0.3 / 16)


def test_noise_is_smoothed_away(
    walk_of: Callable[..., Any], lifter_of: Callable[..., Any], random: np.random.Generator
) -> None:
    walk = walk_of(clips=2, frames=40)
    rays = walk.rays.reshape(2, 40, 17, 2)
    # 0.1 bones are 25 mm.
    noisy = (rays + random.normal(0, 0.1 / 16, rays.shape)).astype(np.float32)
    scores = np.ones(rays.shape[:3], np.float32)

    def error(**changes: float) -> float:
        config = RefinementConfig(**changes)
        joints, _ = RefinedWindows(lifter_of(walk), walk.bones, config)(noisy, scores, None)
        return _error(joints, walk)

    as_exact = error(ray_acceleration_mm=1e4, repeated_noise=1e-6)
    assert error() < 0.4 * as_exact


def test_a_told_direction_stays(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    truth = walk.up_cam[::FRAMES].astype(np.float32)
    _, up = RefinedWindows(lift, walk.bones)(rays, scores, truth)
    assert np.degrees(np.arccos((up * truth).sum(-1).clip(-1, 1))).max() < 0.3
    own = RefinedWindows(lift, walk.bones)(rays, scores, None)[1]
    assert not np.allclose(own, up, atol=1e-3)


def test_nothing_but_gaps_is_nobody(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    joints, up = RefinedWindows(lift, walk.bones)(rays, 0 * scores, None)
    assert not joints.any()
    assert np.array_equal(up, [[0, -1, 0]] * 2)
