# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Measure a lifter that looks at neighbouring frames: each frame from a window of its own."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift

__all__ = ['WindowLift', 'over_windows', 'window_rows']

Float32 = NDArray[np.float32]
# Windows of one call: some 100 MB of network activations.
_WINDOWS_AT_ONCE = 512


class WindowLift(Protocol):
    """A lifter of B windows of T frames, neighbours in time; a frame without joints is a gap."""

    def __call__(
        self, rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32, ...]:
        """Lift.

        Args:
            rays: (B, T, 17, 2), NaN = missing.
            scores: (B, T, 17), 0 = missing.
            up_cam: (B, 3) known direction against gravity in the frame in the middle, or None.

        Returns:
            Joints (B, T, 17, 3) and up (B, 3) in the camera frame.
        """


def over_windows(lift: WindowLift, poses: PoseSet, window_s: float) -> Lift:
    """Return a lifter that gives each pose of a set from the window about it, and nothing else.

    Windows of neighbouring frames overlap, so that each is lifted as if it were the only one:
    what a frame outside the window shows cannot help.

    Args:
        lift: Lifter of windows; the pose in the middle is taken.
        poses: Set whose rows will be lifted.
        window_s: Length of the window, seconds.

    Raises:
        InputError: The window is not longer than one frame or longer than a minute.
    """
    frames = round(window_s * poses.fps) if 0 <= window_s <= 60 else 0
    if frames < 2:
        raise InputError(
            f'window_s is {window_s} at {poses.fps:g} frames per second; expected two frames to '
            'one minute'
        )
    rows = window_rows(poses, frames)

    def lift_rows(
        rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32, Float32]:
        # The row after the last one stands for a frame that is not there.
        padded = np.concatenate([rays, np.full_like(rays[:1], np.nan)])
        shown = np.concatenate([scores, np.zeros_like(scores[:1])])
        parts = []
        for start in range(0, len(rays), _WINDOWS_AT_ONCE):
            part = slice(start, start + _WINDOWS_AT_ONCE)
            told = None if up_cam is None else up_cam[part]
            joints, up = lift(padded[rows[part]], shown[rows[part]], told)[:2]
            parts.append((joints[:, frames // 2], up))
        joints, up = (np.concatenate(column) for column in zip(*parts, strict=True))
        return joints, up

    return lift_rows


def window_rows(poses: PoseSet, frames: int) -> NDArray[np.int64]:
    """Return (N, frames) rows of the frames about each pose of the same clip.

    The pose itself stands at frames // 2. N stands where the clip has no such frame.
    """
    count = len(poses)
    first, last = poses.frame_index.min(), poses.frame_index.max()
    # Clips lie so far apart on one time line that no window reaches from one into the next.
    _, clip = np.unique(poses.clip_index, return_inverse=True)
    place = clip * (last - first + 1 + frames) + poses.frame_index - first
    order = np.argsort(place)
    wanted = place[:, None] + np.arange(frames) - frames // 2
    found = np.minimum(np.searchsorted(place[order], wanted), count - 1)
    rows = order[found]
    return np.where(place[rows] == wanted, rows, count)
