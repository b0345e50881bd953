# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Measure a lifter that looks at neighbouring frames: clips are cut into windows."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.metrics import root_centred
from elepose_core.skeleton import H36M_17

__all__ = ['WindowLift', 'lifted_bone_ratios', 'over_windows', 'window_rows']

Float32 = NDArray[np.float32]
# Windows of one call: some 100 MB of unknowns.
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
            up_cam: (B, 3) known direction against gravity, or None.

        Returns:
            Joints (B, T, 17, 3) and up (B, 3) in the camera frame.
        """


def over_windows(lift: WindowLift, poses: PoseSet, window_s: float) -> Lift:
    """Return a lifter that cuts each clip into windows, one after the other, and lifts each.

    What a frame of another window shows cannot help. The camera does not move within a clip: a
    known up direction is that of the window's first frame.

    Args:
        lift: Lifter of windows.
        poses: Set whose rows will be lifted.
        window_s: Length of the window, seconds; the last one of a clip may be shorter.

    Raises:
        InputError: The window is not longer than one frame or longer than a minute, or a clip has
            two poses in one frame.
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
        joints_cam = np.zeros((len(rays) + 1, *rays.shape[1:-1], 3), np.float32)
        up = np.zeros((len(rays) + 1, 3), np.float32)
        for start in range(0, len(rows), _WINDOWS_AT_ONCE):
            part = rows[start : start + _WINDOWS_AT_ONCE]
            told = None if up_cam is None else up_cam[part.min(1)]
            joints_cam[part], of_window = lift(padded[part], shown[part], told)[:2]
            up[part] = of_window[:, None]
        return joints_cam[:-1], up[:-1]

    return lift_rows


def window_rows(poses: PoseSet, frames: int) -> NDArray[np.int64]:
    """Return (W, frames) rows of the windows; N stands where the clip has no such frame.

    Raises:
        InputError: A clip has two poses in one frame: one of them would be in no window.
    """
    _, clip = np.unique(poses.clip_index, return_inverse=True)
    first = np.full(clip.max() + 1, poses.frame_index.max())
    np.minimum.at(first, clip, poses.frame_index)
    block, place = np.divmod(poses.frame_index - first[clip], frames)
    _, window = np.unique(np.stack([clip, block]), axis=1, return_inverse=True)
    rows = np.full((window.max() + 1, frames), len(poses))
    rows[window.ravel(), place] = np.arange(len(poses))
    in_none = np.setdiff1d(np.arange(len(poses)), rows)
    if len(in_none):
        raise InputError(
            f'clip {poses.clip_index[in_none[0]]} has two poses in frame '
            f'{poses.frame_index[in_none[0]]}; expected one person per clip for a lifter that '
            'looks at neighbouring frames'
        )
    return rows


def lifted_bone_ratios(lift: Lift, poses: PoseSet) -> NDArray[np.float64]:
    """Return relative bone lengths (16,) with mean 1, as a single-frame lifter sees people.

    Args:
        lift: Lifter of single frames.
        poses: Any poses; no truth is looked at. Left and right get one length.
    """
    joints = lift(poses.rays.astype(np.float32), poses.scores, None)[0]
    assert joints is not None
    pose = root_centred(joints.astype(np.float64))
    parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
    lengths = np.linalg.norm(pose[:, parents] - pose[:, children], axis=-1)
    ratios = (lengths / lengths.mean(1, keepdims=True)).mean(0)
    return np.asarray((ratios + ratios[list(H36M_17.mirror_bones)]) / 2)
