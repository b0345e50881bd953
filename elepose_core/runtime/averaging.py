# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The mean of two measurements of one thing, one of which may be of something else."""

import numpy as np
from numpy.typing import NDArray

__all__ = ['MOST_NEARER', 'average', 'fading']

Array = NDArray[np.float64]

# Beyond so many deviations (squared) a measurement is of something else: it fades out.
_CREDIBLE = 4.0
_MOST_BEYOND = 20.0
# Nobody is so many times nearer than expected: the lifter's shape has collapsed.
MOST_NEARER = 10.0


def average(
    first: tuple[Array, Array],
    second: tuple[Array, Array],
    shared: Array,
    is_clear: NDArray[np.bool_],
) -> tuple[Array, Array, Array]:
    """Return the best mean of two correlated values, its variance and the second's share.

    When they contradict each other one of them is of something else and counts less: the first
    when the second is larger (nearer) or clear, else the second.

    Args:
        first: (N,) values and (N,) variances.
        second: Likewise; an infinite variance leaves it out.
        shared: (N,) their covariance.
        is_clear: (N,) the second is right, whatever the first says.
    """
    is_there = np.isfinite(second[1])
    miss = np.where(is_there, second[0] - first[0], 0.0)
    own, other = first[1], np.where(is_there, second[1], 1.0)
    spread = np.maximum(own + other - 2 * shared, 1e-9)
    surplus = (fading(miss**2 / spread) - 1) * spread
    blames_first = (miss > 0) | is_clear
    own = own + np.where(blames_first, surplus, 0.0)
    other = other + np.where(blames_first, 0.0, surplus)
    spread = np.maximum(own + other - 2 * shared, 1e-9)
    share = np.where(is_there, np.clip((own - shared) / spread, 0.0, 1.0), 0.0)
    variance = own - 2 * share * (own - shared) + share**2 * spread
    return first[0] + share * miss, np.where(is_there, variance, first[1]), share


def fading(excess: Array) -> Array:
    """Return by how much a variance grows with the squared deviation over what is expected.

    Faster than the square, so that what is far off pulls less the farther it is off.
    """
    beyond = np.clip(np.asarray(excess) / _CREDIBLE - 1, 0.0, _MOST_BEYOND)
    return np.asarray(np.exp(beyond))
