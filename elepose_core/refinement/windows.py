# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Refinement of short windows of a track, as a lifter that needs no training of its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.refinement.clips import Lift, refine
from elepose_core.refinement.config import RefinementConfig

__all__ = ['RefinedWindows']

Float32 = NDArray[np.float32]
# A direction that is told counts so much more than floor and feet that it stays.
_TOLD_DEG = 0.1


class RefinedWindows:
    """Lifts windows of neighbouring frames: lifted one by one, then refined together.

    Every window stands alone: its bones, floor and up direction come from its own frames. Joints
    that were not seen lie where their neighbours in time lead, or where the single-frame lifter
    guesses them.
    """

    def __init__(
        self, lift: Lift, bone_ratios: ArrayLike, config: RefinementConfig | None = None
    ) -> None:
        """Keep what all windows share.

        Args:
            lift: The single-frame lifter, from (rays, scores, up or None) to joints and up.
            bone_ratios: (16,) expected bone lengths up to a factor.
            config: What counts how much, at the rate of the frames; None = the defaults.
        """
        self._lift = lift
        self._bone_ratios = bone_ratios
        self._config = config or RefinementConfig()

    def __call__(
        self, rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32, Float32]:
        """Lift B windows of T frames.

        Args:
            rays: (B, T, 17, 2) undistorted x/z, y/z; NaN = missing.
            scores: (B, T, 17); 0 = missing. A frame without any joint is a gap.
            up_cam: (B, 3) known direction against gravity, or None.

        Returns:
            Joints (B, T, 17, 3) and up (B, 3) in the camera frame, lengths in mean bone lengths of
            the person; 0 and straight up where a gap or nothing but gaps is.
        """
        windows, frames, joints = scores.shape
        shown = (scores > 0) & np.isfinite(rays).all(-1)
        there = np.flatnonzero(shown.any(-1))
        joints_cam = np.zeros((windows * frames, joints, 3), np.float32)
        up = np.tile(np.array([0, -1, 0], np.float32), (windows, 1))
        if not len(there):
            return joints_cam.reshape(windows, frames, joints, 3), up
        window, frame = np.divmod(there, frames)
        flat, seen = rays.reshape(-1, joints, 2)[there], shown.reshape(-1, joints)[there]
        told = None if up_cam is None else up_cam[window].astype(np.float32)
        config = self._config
        if told is not None:
            config = config.model_copy(update={'elevation_deg': _TOLD_DEG, 'roll_deg': _TOLD_DEG})
        refined = refine(
            self._completed(flat, seen, told),
            window,
            frame,
            None,
            self._single(told),
            self._bone_ratios,
            config,
            seen=seen,
        )
        joints_cam[there] = refined.joints_cam
        up[window] = refined.up_cam
        return joints_cam.reshape(windows, frames, joints, 3), up

    def _completed(
        self, rays: Float32, seen: NDArray[np.bool_], up_cam: Float32 | None
    ) -> Float32:
        """Return rays (N, 17, 2) with the lifter's guess where nothing was seen."""
        if seen.all():
            return rays
        joints = self._lift(rays, seen.astype(np.float32), up_cam)[0]
        assert joints is not None
        return np.where(seen[..., None], rays, joints[..., :2] / joints[..., 2:])

    def _single(self, told: Float32 | None) -> Lift:
        """Return the single-frame lifter, which gives back what it is told of up."""
        if told is None:
            return self._lift

        def lift(
            rays: Float32, scores: Float32, up_cam: Float32 | None
        ) -> tuple[Float32 | None, ...]:
            up = told if up_cam is None else up_cam
            return self._lift(rays, scores, up)[0], up

        return lift
