# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Windows that are refined each by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.refinement.clips import refine
from elepose_core.refinement.windows import RefinedWindows

Array = NDArray[Any]
FRAMES = 20


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


def test_a_joint_that_was_not_seen_lies_where_the_lifter_has_it(walk: Any, lift: Any) -> None:
    rays, scores = _windows(walk)
    rays, wrist = rays.copy(), 13
    rays[0, 9, wrist] = np.nan
    joints, _ = RefinedWindows(lift, walk.bones)(rays, scores, None)
    lifted = lift(walk.rays, scores.reshape(-1, 17), None)[0].reshape(2, FRAMES, 17, 3)[
        0, 9, wrist
    ]
    given = joints[0, 9, wrist]
    assert np.isfinite(joints).all()
    assert np.allclose(given[:2] / given[2], lifted[:2] / lifted[2], atol=1e-5)


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
