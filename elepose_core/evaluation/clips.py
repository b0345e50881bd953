# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Measure a lifter that looks at the frames before: each frame as a node would have lifted it."""

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Lift
from elepose_core.runtime.history import PoseHistory, windows_of_clips

__all__ = ['over_clips']

Float32 = NDArray[np.float32]


def over_clips(lift: Lift, poses: PoseSet, history: PoseHistory) -> Lift:
    """Return a lifter that shows each pose of a set with the frames of its clip before it.

    What comes later in the clip cannot help. Frames before the clip began, and frames that the set
    lacks, are missing.

    Args:
        lift: From rays (B, T, 17, 2) and scores (B, T, 17) to the last frames' joints and so on.
        poses: Set whose rows will be lifted; a clip holds one person.
        history: Empty; its frames and rate are the lifter's.
    """
    frame_s = poses.frame_index / poses.fps

    def lift_rows(
        rays: Float32, scores: Float32, up_cam: Float32 | None
    ) -> tuple[Float32 | None, ...]:
        found: list[Float32] = []
        for rows, *shown in windows_of_clips(history, poses.clip_index, frame_s, rays, scores):
            told = None if up_cam is None else up_cam[rows]
            parts = [part for part in lift(shown[0], shown[1], told) if part is not None]
            if not found:
                found = [np.zeros((len(rays), *part.shape[1:]), np.float32) for part in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[rows] = part
        return tuple(found)

    return lift_rows
