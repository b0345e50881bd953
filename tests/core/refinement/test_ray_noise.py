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


def _smooth(walk: Any, rays: Array, seen: NDArray[np.bool_] | None = None) -> SmoothRays:
    sequences = Sequences.of_image(rays, walk.clip, walk.frame)
    everything = np.ones(rays.shape[:2], bool)
    return smooth_rays(rays, everything if seen is None else seen, sequences, RefinementConfig())


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


@pytest.mark.parametrize('frames', [1, 2, 3])
def test_too_few_frames_are_taken_as_they_are(
    walk_of: Callable[..., Any], random: np.random.Generator, frames: int
) -> None:
    few = walk_of(clips=2, frames=frames)
    noisy = few.rays + random.normal(0, 0.1 * BONE, few.rays.shape)
    assert np.abs(_smooth(few, noisy).rays - noisy).max() < 0.001 * BONE
