# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Joints that neither tremble at rest nor lag behind in motion."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ['Smoother']

Array = NDArray[np.float64]
# Of the low pass that speeds go through before they open the filter.
_SPEED_CUTOFF_HZ = 1.0


class _Track(NamedTuple):
    """What is remembered of a person; the first of the 18 points is the root.

    Attributes:
        points: (18, 3) root in the camera frame, then joints relative to it, smoothed, metres.
        speeds: (18, 3) likewise, m/s.
        seen_s: (18,) time when each was last seen; -inf = never.
    """

    points: Array
    speeds: Array
    seen_s: Array


class Smoother:
    """One Euro filter per joint, on message time: a low pass that opens with the joint's speed.

    The root and the pose round it are smoothed apart, since distance trembles more than posture.
    A joint that was hidden goes on from where it was last seen if that is not too long ago.

    Source: G. Casiez, N. Roussel, D. Vogel: 1 Euro Filter (CHI 2012).
        Differs: one cutoff per point from the length of its velocity, so that the filter does not
        depend on the axes of the camera.
    """

    def __init__(self, cutoff_hz: float, opening_hz_per_m_s: float, max_gap_s: float) -> None:
        """Start without anybody.

        Args:
            cutoff_hz: Of the low pass at rest; 0 = no smoothing at all.
            opening_hz_per_m_s: By so much the cutoff rises with speed.
            max_gap_s: After so long without being seen a joint starts anew.
        """
        self._cutoff_hz = cutoff_hz
        self._opening = opening_hz_per_m_s
        self._max_gap_s = max_gap_s
        self._tracks: dict[int, _Track] = {}

    def reset(self) -> None:
        """Forget everybody."""
        self._tracks.clear()

    def smooth(
        self,
        numbers: Sequence[int],
        joints_cam_m: NDArray[np.float32],
        root_cam_m: Array,
        stamp_ns: int,
    ) -> tuple[NDArray[np.float32], Array]:
        """Return the smoothed joints and roots of one frame; who is not in it is not touched.

        Args:
            numbers: (N,) track of each person.
            joints_cam_m: (N, 17, 3), NaN = not seen.
            root_cam_m: (N, 3).
            stamp_ns: Time of the frame, not before that of the last one.
        """
        if not self._cutoff_hz or not len(numbers):
            return joints_cam_m, root_cam_m
        now_s = stamp_ns * 1e-9
        relative = joints_cam_m - root_cam_m[:, None]
        points = np.concatenate([root_cam_m[:, None], relative], axis=1)
        tracks = [self._tracks.get(number) or _nobody(points.shape[1]) for number in numbers]
        before = np.array([track.points for track in tracks])
        speeds = np.array([track.speeds for track in tracks])
        seen_s = np.array([track.seen_s for track in tracks])
        points, new_speeds = self._filtered(points, before, speeds, now_s - seen_s)
        shown = np.isfinite(points.sum(-1))
        before = np.where(shown[..., None], points, before)
        speeds = np.where(shown[..., None], new_speeds, speeds)
        seen_s = np.where(shown, now_s, seen_s)
        for row, number in enumerate(numbers):
            self._tracks[number] = _Track(before[row], speeds[row], seen_s[row])
        root = points[:, 0]
        return (points[:, 1:] + root[:, None]).astype(np.float32), root

    def forget(self, numbers: Sequence[int]) -> None:
        """Forget tracks that ended."""
        for number in numbers:
            self._tracks.pop(number, None)

    def _filtered(
        self, points: Array, before: Array, speeds: Array, elapsed_s: Array
    ) -> tuple[Array, Array]:
        """Return points and speeds (N, 18, 3) after a step; NaN stays NaN."""
        goes_on = (elapsed_s > 0) & (elapsed_s <= self._max_gap_s)
        step_s = np.where(goes_on, elapsed_s, 1.0)[..., None]
        # The same stamp twice: nothing can be said of speed, the newer one counts.
        seen_speed = (points - before) / step_s
        speed = speeds + _share(_SPEED_CUTOFF_HZ, step_s) * (seen_speed - speeds)
        cutoff_hz = self._cutoff_hz + self._opening * np.linalg.norm(speed, axis=-1, keepdims=True)
        smooth = before + _share(cutoff_hz, step_s) * (points - before)
        kept = goes_on[..., None]
        return np.where(kept, smooth, points), np.where(kept, speed, 0.0)


def _share(cutoff_hz: float | Array, step_s: Array) -> Array:
    """Return how much of the new value a first-order low pass takes over in a step."""
    turn = 2 * np.pi * cutoff_hz * step_s
    return np.asarray(turn / (turn + 1))


def _nobody(points: int) -> _Track:
    nowhere = np.zeros((points, 3))
    return _Track(nowhere, nowhere, np.full(points, -np.inf))
