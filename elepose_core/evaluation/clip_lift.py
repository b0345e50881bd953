# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A lifter of clips, in torch, as the callable that the protocol measures."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elepose_core.data.poseset import PoseSet
from elepose_core.evaluation.protocol import Lift
from elepose_core.evaluation.windows import over_windows

__all__ = ['clip_lift']

Float32 = NDArray[np.float32]
# Frames that are lifted together at most; longer clips are cut.
_MOST_FRAMES = 60

ClipGraph = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def clip_lift(graph: ClipGraph, poses: PoseSet, device: torch.device) -> Lift:
    """Return the lifter of the rows of a set that lifts whole clips of up to 60 frames.

    Args:
        graph: (rays, scores, up_cam, up_variance) of B clips of T frames to joints
            (B, T, 17, 3) and up (B, 3); see `BodyGraph.of_all_frames`.
        poses: Set whose rows will be lifted.
        device: Of the graph.
    """
    _, counts = np.unique(poses.clip_index, return_counts=True)
    frames = max(2, min(_MOST_FRAMES, int(counts.max())))

    def lift(rays: Float32, scores: Float32, up_cam: Float32 | None) -> tuple[Float32, ...]:
        nearest = _nearest_frame(scores)
        rows = np.arange(len(rays))[:, None]
        known = up_cam is not None
        up = (
            np.tile(np.array([0, -1, 0], np.float32), (len(rays), 1)) if up_cam is None else up_cam
        )
        variance = torch.full((len(rays),), 0.0 if known else torch.inf)
        feeds = (torch.from_numpy(a[rows, nearest]) for a in (rays, scores))
        with torch.no_grad():
            outputs = graph(
                *(feed.to(device) for feed in (*feeds, torch.from_numpy(up), variance))
            )
        return tuple(output.cpu().numpy() for output in outputs)

    return over_windows(lift, poses, frames / poses.fps)


def _nearest_frame(scores: Float32) -> NDArray[np.int64]:
    """Return for each frame (B, T) the nearest that shows anything: windows go on after a clip."""
    frames = np.arange(scores.shape[1])
    away = (
        np.abs(frames[:, None] - frames)[None]
        + np.where((scores > 0).any(2), 0, len(frames))[:, None]
    )
    return np.asarray(away.argmin(2))
