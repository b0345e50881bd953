# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of neighbouring frames of one clip."""

import torch
from torch import Tensor

from elepose_core.errors import InputError
from elepose_core.models.temporal import for_each_frame
from elepose_core.training.sampling import Keypoints2D, mirrored

__all__ = ['draw_windows', 'mirrored_clips', 'window_starts']


def window_starts(data: Keypoints2D, frames: int) -> Tensor:
    """Return rows (W,) at which a window of `frames` neighbouring rows begins, on the CPU.

    Rows of a window belong to one clip and follow each other without a gap.

    Raises:
        InputError: No clip is that long.
    """
    # Rows are drawn on the CPU, wherever the data lies.
    clip, frame = data.clip.cpu(), data.frame.cpu()
    follows = (clip[1:] == clip[:-1]) & (frame[1:] == frame[:-1] + 1)
    # How many rows up to each follow the one before: all within a window do.
    count = torch.cat([clip.new_zeros(min(1, len(clip))), follows.cumsum(0)])
    rows = torch.arange(max(len(clip) - frames + 1, 0))
    starts = rows[count[rows + frames - 1] - count[rows] == frames - 1]
    if not len(starts):
        raise InputError(f'no clip has {frames} frames without a gap; expected longer clips')
    return starts


def draw_windows(
    starts: Tensor,
    frames: int,
    batch_size: int,
    mirrored_share: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw rows (B, frames) of windows with replacement, and which (B,) of them to mirror."""
    chosen = starts[torch.randint(len(starts), (batch_size,), generator=generator)]
    flip = torch.rand(batch_size, generator=generator) < mirrored_share
    return chosen[:, None] + torch.arange(frames), flip


def mirrored_clips(points: Tensor, which: Tensor) -> Tensor:
    """Swap left and right in those clips (B, T, 17, 2 or 3) that `which` (B,) names."""
    flat = mirrored(points.flatten(0, 1), for_each_frame(which, points.shape[1]))
    return flat.reshape(points.shape)
