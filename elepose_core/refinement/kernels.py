# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Robust costs: what a squared residual costs, and how much it still pulls.

Each takes squared residuals (R,) and returns their cost (R,) and weight (R,), where the weight is
twice the derivative of the cost by the squared residual: Gauss-Newton weighs the row with it.
Near zero all of them cost half the square of the residual in standard deviations.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ['GemanMcClure', 'Kernel', 'PseudoHuber', 'Quadratic']

Array = NDArray[np.float64]


class Kernel(Protocol):
    """The cost of squared residuals."""

    def __call__(self, squared: Array) -> tuple[Array, Array]:
        """Return cost and weight, both (R,)."""


class Quadratic:
    """Plain least squares."""

    def __init__(self, sigma: float | Array) -> None:
        self._precision = 1 / np.square(sigma)

    def __call__(self, squared: Array) -> tuple[Array, Array]:
        """Return cost and weight, both (R,)."""
        return 0.5 * self._precision * squared, self._precision * np.ones_like(squared)


class PseudoHuber:
    """Linear far beyond the soft length: a residual always pulls, but no harder than that.

    Source: P. Charbonnier et al., 1997.
    """

    def __init__(self, sigma: float | Array, soft: float | Array) -> None:
        self._precision, self._soft2 = 1 / np.square(sigma), np.square(soft)

    def __call__(self, squared: Array) -> tuple[Array, Array]:
        """Return cost and weight, both (R,)."""
        root = np.sqrt(1 + squared / self._soft2)
        return self._precision * self._soft2 * (root - 1), self._precision / root


class GemanMcClure:
    """Constant far beyond the soft length: a residual that does not fit lets go.

    Source: S. Geman and D. McClure, 1987.
    """

    def __init__(self, sigma: float | Array, soft: float | Array) -> None:
        self._precision, self._soft2 = 1 / np.square(sigma), np.square(soft)

    def __call__(self, squared: Array) -> tuple[Array, Array]:
        """Return cost and weight, both (R,)."""
        ratio = squared / self._soft2
        return (
            0.5 * self._precision * self._soft2 * ratio / (1 + ratio),
            self._precision / np.square(1 + ratio),
        )
