# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's elevation from all people so far: a plain mean, with an honest variance."""

import math

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import elevation_from_up_cam, roll_from_up_cam
from elepose_core.runtime.people import Elevation

__all__ = ['ElevationMean']

# Neighbouring frames show the same person in almost the same posture: one second counts once.
_INDEPENDENT_NS = 1_000_000_000
_CONVERGED_SIGMA_RAD = math.radians(6.0)
_CONVERGED_SECONDS = 5


class ElevationMean:
    """Mean up direction over people and time.

    Its variance is the spread of single estimates divided by the number of person-seconds that
    were seen, plus the square of the model's own error that no averaging removes.
    """

    def __init__(self, model_error_rad: float) -> None:
        """Start empty.

        Args:
            model_error_rad: Error of the model's elevation after averaging over a clip, as
                measured on data with truth.
        """
        self._model_variance = model_error_rad**2
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._sum = np.zeros(3)
        self._elevation_sum = 0.0
        self._elevation_square_sum = 0.0
        self._samples = 0
        self._person_seconds = 0
        self._last_counted_ns: int | None = None

    def add(self, up_cam: NDArray[np.float32], stamp_ns: int) -> None:
        """Take in the estimates (N, 3) of the people of one frame."""
        if not len(up_cam):
            return
        up = up_cam.astype(np.float64)
        elevation = elevation_from_up_cam(up)
        self._sum += up.sum(0)
        self._elevation_sum += float(elevation.sum())
        self._elevation_square_sum += float((elevation**2).sum())
        self._samples += len(up)
        last = self._last_counted_ns
        if last is None or stamp_ns - last >= _INDEPENDENT_NS:
            self._last_counted_ns = stamp_ns
            self._person_seconds += len(up)

    def estimate(self) -> Elevation | None:
        """Return the mean so far, None before the first sample."""
        if not self._samples:
            return None
        up = self._sum / np.linalg.norm(self._sum)
        mean = self._elevation_sum / self._samples
        spread = max(self._elevation_square_sum / self._samples - mean**2, 0.0)
        variance = spread / self._person_seconds + self._model_variance
        return Elevation(
            elevation_rad=float(elevation_from_up_cam(up)),
            roll_rad=float(roll_from_up_cam(up)),
            elevation_variance=variance,
            roll_variance=math.nan,
            up_cam=up,
            samples=self._samples,
            converged=(
                self._person_seconds >= _CONVERGED_SECONDS and variance < _CONVERGED_SIGMA_RAD**2
            ),
        )
