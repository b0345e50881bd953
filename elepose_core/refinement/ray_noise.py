# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Keypoints are never exact: how noisy those of a clip are, and where they were meant to lie."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from elepose_core.refinement.config import MEAN_BONE_MM, RefinementConfig
from elepose_core.refinement.sequences import JOINTS, LIMBS, Sequences
from elepose_core.skeleton import H36M_17

__all__ = ['SmoothRays', 'smooth_rays']

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# A bone that may point anywhere appears on average so much shorter than seen from the side.
_FORESHORTENING = np.pi / 4
_THIRD_DIFFERENCE = np.array([1.0, -3.0, 3.0, -1.0])
# Of a normal distribution, the median of absolute values in standard deviations.
_MEDIAN_OF_NORMAL = 0.6745
# Nothing is measured better than to a hundredth of a millimetre.
_LEAST_NOISE_MM = 0.01
# Fewer differences than these, of two coordinates each, do not tell the noise of a clip.
_LEAST_DIFFERENCES = 12
# Frames so far apart hardly influence each other: their variances are computed together.
_APART = 32


class SmoothRays(NamedTuple):
    """Rays that move as people do.

    Attributes:
        rays: (F, 17, 2) x/z, y/z.
        deviation: (F, 17) what they may still be wrong by at the person's distance: a standard
            deviation for each of the two directions, mean bone lengths.
    """

    rays: Array
    deviation: Array


def smooth_rays(
    rays: Array, seen: NDArray[np.bool_], sequences: Sequences, config: RefinementConfig
) -> SmoothRays:
    """Smooth each joint's path through the image by as much as the clip's noise asks for.

    The noise is measured: third differences of neighbouring frames hold much of it and little of
    a person's motion, which `ray_acceleration_mm` bounds; exact rays of an ordinary camera
    therefore stay where they are. A joint that was not seen is led through where its neighbours in
    time were seen, and stays near the guess where none was.

    Args:
        rays: (F, 17, 2) of the sequences' frames, with a guess where nothing was seen.
        seen: (F, 17).
        sequences: Says which frames are neighbours.
        config: What motion and guesses may amount to.

    Source: E. Whittaker, 1923 (penalised differences); P. Eilers, 2003.
    """
    size = _mean_bone(rays, sequences)
    noise = _noise(rays, seen, sequences) / size
    measured = noise[np.isfinite(noise)]
    usual = np.median(measured) if len(measured) else config.usual_noise_mm / MEAN_BONE_MM
    # What was seen counts no less than a guess.
    bounds = np.array([_LEAST_NOISE_MM, config.guess_mm]) / MEAN_BONE_MM
    noise = np.where(np.isfinite(noise), noise, usual).clip(*bounds)
    deviation = np.where(seen, noise[sequences.clip, None], config.guess_mm / MEAN_BONE_MM)
    acceleration = np.where(LIMBS, config.limb_looseness, 1.0) * (
        config.ray_acceleration_mm / MEAN_BONE_MM
    )
    precision = np.square(acceleration / deviation)
    motion = _squared_accelerations(len(rays), sequences.runs(3))
    smooth, left = np.empty_like(rays), np.empty_like(deviation)
    for joint in range(JOINTS):
        smooth[:, joint], variance = _least_squares(motion, precision[:, joint], rays[:, joint])
        left[:, joint] = acceleration[joint] * np.sqrt(variance)
    return SmoothRays(smooth, left)


def _mean_bone(rays: Array, sequences: Sequences) -> Array:
    """Return how long a mean bone is before the camera (C,), in units of the rays."""
    parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    length = np.linalg.norm(rays[:, parents] - rays[:, children], axis=-1).mean(1)
    seen = np.bincount(sequences.clip, length) / np.bincount(sequences.clip)
    return np.asarray(np.maximum(seen, np.finfo(np.float32).eps) / _FORESHORTENING)


def _noise(rays: Array, seen: NDArray[np.bool_], sequences: Sequences) -> Array:
    """Return the standard deviation (C,) of a coordinate of the rays, NaN where nothing tells."""
    run = sequences.runs(len(_THIRD_DIFFERENCE))[:, None] + np.arange(len(_THIRD_DIFFERENCE))
    change = np.abs(np.einsum('rtjk,t->rjk', rays[run], _THIRD_DIFFERENCE))
    told = seen[run].all(1)
    edges = np.searchsorted(sequences.clip[run[:, 0]], np.arange(1, sequences.clips))
    medians = [
        np.median(part[of_part]) if of_part.sum() >= _LEAST_DIFFERENCES else np.nan
        for part, of_part in zip(np.split(change, edges), np.split(told, edges), strict=True)
    ]
    normal = _MEDIAN_OF_NORMAL * float(np.linalg.norm(_THIRD_DIFFERENCE))
    return np.array(medians, np.float64) / normal


def _squared_accelerations(frames: int, runs: Integers) -> Array:
    """Return the normal matrix (3, F) of all second differences, the diagonal last."""
    band = np.zeros((3, frames))
    for first, coefficient in enumerate((1.0, -2.0, 1.0)):
        for second, other in enumerate((1.0, -2.0, 1.0)[first:], start=first):
            np.add.at(band[2 - (second - first)], runs + second, coefficient * other)
    return band


def _least_squares(motion: Array, precision: Array, path: Array) -> tuple[Array, Array]:
    """Return the smoothed path (F, 2) and the variance (F,) of what is left."""
    band, frames = motion.copy(), np.arange(len(path))
    band[2] += precision
    comb = np.zeros((len(path), _APART))
    comb[frames, frames % _APART] = 1.0
    solved = solveh_banded(
        band, np.concatenate([precision[:, None] * path, comb], axis=1), check_finite=False
    )
    variance = solved[frames, path.shape[1] + frames % _APART]
    return solved[:, : path.shape[1]], np.maximum(variance, 0.0)
