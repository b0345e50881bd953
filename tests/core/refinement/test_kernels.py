# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Robust costs."""

import numpy as np
import pytest

from elepose_core.refinement.kernels import GemanMcClure, Kernel, PseudoHuber, Quadratic

KERNELS = [Quadratic(2.0), PseudoHuber(2.0, 3.0), GemanMcClure(2.0, 3.0)]


@pytest.mark.parametrize('kernel', KERNELS, ids=lambda k: type(k).__name__)
def test_weight_is_twice_the_slope_of_the_cost(kernel: Kernel) -> None:
    squared, small = np.array([0.0, 0.5, 9.0, 400.0]) + 1e-3, 1e-4
    above, below = kernel(squared + small)[0], kernel(squared - small)[0]
    np.testing.assert_allclose(kernel(squared)[1], (above - below) / small, rtol=1e-4)


@pytest.mark.parametrize('kernel', KERNELS, ids=lambda k: type(k).__name__)
def test_small_residuals_cost_half_their_square_in_sigmas(kernel: Kernel) -> None:
    cost, weight = kernel(np.array([1e-4]))
    assert cost[0] == pytest.approx(0.5 * 1e-4 / 4, rel=1e-4)
    assert weight[0] == pytest.approx(1 / 4, rel=1e-4)


def test_far_residuals_by_hand() -> None:
    far = np.array([1e8])
    # Linear: sigma 2, soft 3; cost = soft |r| / sigma^2 = 3 * 1e4 / 4 less soft^2 / sigma^2.
    assert PseudoHuber(2.0, 3.0)(far)[0][0] == pytest.approx(7500 - 9 / 4, rel=1e-6)
    # Constant: half the squared soft length in sigmas.
    assert GemanMcClure(2.0, 3.0)(far)[0][0] == pytest.approx(0.5 * 9 / 4, rel=1e-6)
