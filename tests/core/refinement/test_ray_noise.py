# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Rays of somebody who walks, exact, noisy and hidden."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.ray_noise import SmoothRays, smooth_rays
from elepose_core.refinement.sequences import Sequences

Array = NDArray[np.float64]
# The walk is 16 mean bones away from the camera.
BONE = 1 / 16


def _smooth(
    walk: Any, rays: Array, seen: NDArray[np.bool_] | None = None, fps: float = 30.0
) -> SmoothRays:
    sequences = Sequences.of_image(rays, walk.clip, walk.frame)
    everything = np.ones(rays.shape[:2], bool)
    return smooth_rays(
        rays, everything if seen is None else seen, sequences, RefinementConfig().at_rate(fps)
    )


@pytest.fixture(scope='module')
def walk(walk_of: Callable[..., Any]) -> Any:
    return walk_of(clips=3, frames=100)


@pytest.fixture(scope='module')
def rays(walk: Any) -> Array:
    return walk.rays.astype(np.float64)  # type: ignore[no-any-return]


def test_exact_rays_stay(walk: Any, rays: Array) -> None:
    smooth = _smooth(walk, rays)
    assert np.abs(smooth.rays - rays).max() < 0.005 * BONE
    assert smooth.deviation.max() < 0.01


@pytest.mark.parametrize('noise', [0.02, 0.05, 0.15])
def test_noise_is_measured_and_taken_away(
    walk: Any, rays: Array, random: np.random.Generator, noise: float
) -> None:
    # The walker comes nearer and goes: about so many bones at the mean distance of each clip.
    smooth = _smooth(walk, rays + random.normal(0, noise * BONE, rays.shape))
    left = np.sqrt(np.square(smooth.rays - rays).mean()) / BONE
    assert left < 0.65 * noise
    assert 0.7 < left / np.sqrt(np.square(smooth.deviation).mean()) < 1.4


def test_each_clip_has_its_own_noise(walk: Any, rays: Array, random: np.random.Generator) -> None:
    spoilt = walk.clip == 1
    noisy = rays + spoilt[:, None, None] * random.normal(0, 0.1 * BONE, rays.shape)
    smooth = _smooth(walk, noisy)
    assert np.array_equal(smooth.rays[~spoilt], _smooth(walk, rays).rays[~spoilt])
    assert smooth.deviation[spoilt].min() > 10 * smooth.deviation[~spoilt].max()


def test_a_hidden_joint_is_led_through(walk: Any, rays: Array) -> None:
    seen = np.ones(rays.shape[:2], bool)
    seen[50:54, 10] = False
    guessed = rays.copy()
    guessed[50:54, 10] += 2 * BONE
    smooth = _smooth(walk, guessed, seen)
    assert np.abs(smooth.rays - rays).max() < 0.1 * BONE
    assert smooth.deviation[52, 10] > 3 * smooth.deviation[40, 10]


def test_nothing_is_led_across_a_gap(walk: Any, rays: Array, random: np.random.Generator) -> None:
    noisy = rays + random.normal(0, 0.1 * BONE, rays.shape)
    whole = _smooth(walk, noisy)
    walk_with_gap = type(walk)(
        walk.joints_cam, walk.up_cam, walk.clip, walk.frame + (walk.frame >= 50), walk.bones
    )
    other = noisy.copy()
    other[50:100] += 3 * BONE
    apart = _smooth(walk_with_gap, other)
    assert np.abs(apart.rays[:49] - whole.rays[:49]).max() < 0.1 * BONE
    assert np.abs(apart.rays[51:100] - 3 * BONE - whole.rays[51:100]).max() < 0.1 * BONE


@pytest.mark.parametrize('every', [2, 3, 6])
def test_motion_at_a_low_rate_is_not_taken_for_noise(walk: Any, rays: Array, every: int) -> None:
    kept = walk.frame % every == 0
    slow = type(walk)(
        walk.joints_cam[kept],
        walk.up_cam[kept],
        walk.clip[kept],
        walk.frame[kept] // every,
        walk.bones,
    )
    moved = np.abs(_smooth(slow, rays[kept], fps=30.0 / every).rays - rays[kept])
    assert moved.max() < 0.05 * BONE
    as_if_fast = np.abs(_smooth(slow, rays[kept]).rays - rays[kept])
    assert as_if_fast.mean() >= moved.mean()


def test_what_cannot_be_measured_is_not_taken_as_exact(
    walk: Any, rays: Array, random: np.random.Generator
) -> None:
    noisy = rays + random.normal(0, 0.1 * BONE, rays.shape)
    flicker = np.ones(rays.shape[:2], bool)
    flicker[walk.clip == 1] = (walk.frame[walk.clip == 1] % 3 < 2)[:, None]
    smooth = _smooth(walk, noisy, flicker)
    # As noisy as its neighbours.
    assert np.median(smooth.deviation[walk.clip == 1]) > 0.03
    everywhere = np.broadcast_to((walk.frame % 3 < 2)[:, None], rays.shape[:2])
    alone = _smooth(walk, noisy, everywhere)
    assert np.median(alone.deviation) > 1.0 / 245


def test_joints_in_one_point_that_moves_are_no_fault(
    walk: Any, random: np.random.Generator
) -> None:
    point = random.normal(size=(len(walk.clip), 1, 2)).repeat(17, axis=1)
    smooth = _smooth(walk, point)
    assert np.isfinite(smooth.rays).all()
    assert np.isfinite(smooth.deviation).all()


@pytest.mark.parametrize('frames', [1, 2])
def test_too_few_frames_are_not_moved(
    walk_of: Callable[..., Any], random: np.random.Generator, frames: int
) -> None:
    few = walk_of(clips=2, frames=frames)
    noisy = few.rays + random.normal(0, 0.1 * BONE, few.rays.shape)
    assert np.abs(_smooth(few, noisy).rays - noisy).max() < 0.001 * BONE
