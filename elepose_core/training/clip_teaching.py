# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher of clips learns without 3D.

New views look real, people keep their bones, and motion is smooth.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core.geometry.virtual_camera import elevation_and_roll
from elepose_core.models.clip_teacher import ClipTeacher
from elepose_core.models.discriminator import PoseJudges
from elepose_core.models.observation import Observation, observe
from elepose_core.models.temporal import for_each_frame, of_clips, of_frames, up_of_frames
from elepose_core.priors.bones import bone_lengths
from elepose_core.refinement.clips import Lift
from elepose_core.skeleton import H36M_17
from elepose_core.training.adversarial import (
    AdversarialWeights,
    JudgedTeacher,
    Pairs,
    adversarial_terms,
)
from elepose_core.training.clip_windows import draw_windows, mirrored_clips
from elepose_core.training.geometric import GeometricWeights
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import new_view, round_trip_terms
from elepose_core.training.sampling import Keypoints2D, draw_angle

__all__ = [
    'ClipLift',
    'ClipParts',
    'ClipTeaching',
    'ClipWeights',
    'WindowConfig',
    'clip_teacher_terms',
    'lift_of_rows',
    'trembling',
]


Float32 = NDArray[np.float32]


class WindowConfig(BaseModel):
    """Windows of clips to learn from; `judge_rate` is the judges' learning rate as a factor."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    frames: int = Field(16, ge=4, le=120, multiple_of=2)
    mirrored_share: float = Field(0.5, ge=0, le=1)
    judge_rate: float = Field(2.0, gt=0)


class ClipWeights(GeometricWeights):
    """Weights of the terms beside the adversarial ones: those of frames, and of their motion."""

    bone_constancy: float = Field(30.0, ge=0)
    bone_symmetry: float = Field(15.0, ge=0)
    smoothness: float = Field(15.0, ge=0)


class ClipParts(JudgedTeacher[ClipTeacher]):
    """A teacher of clips, and its judges."""


@dataclass(frozen=True)
class ClipTeaching:
    """Recipe of `training.loop`: whole windows, each turned as one and judged frame by frame.

    Attributes:
        module: Teacher and judges, as the stage of single frames left them.
        data: Complete poses; nothing else is known.
        starts: (W,) rows at which windows begin, see `window_starts`.
        config: Of the windows.
        loss_weights: Of the terms.
        adversarial: Weights of the judges' terms.

    Source: PoseNet3D (arXiv 2003.03473), the teacher.
        Differs: the turn is about the up direction that the teacher predicts, one per clip.
    """

    module: ClipParts
    data: Keypoints2D
    starts: Tensor
    config: WindowConfig
    loss_weights: ClipWeights
    adversarial: AdversarialWeights

    @property
    def groups(self) -> list[Group]:
        """Return the teacher and the judges, each with its own rate."""
        return self.module.groups(self.config.judge_rate)

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw windows (B, T, 17, 2) and one turn (B,) for all frames of each."""
        frames, share = self.config.frames, self.config.mirrored_share
        rows, flip = draw_windows(self.starts, frames, batch_size, share, generator)
        azimuth = draw_angle(batch_size, torch.pi, generator)
        return {'rays': mirrored_clips(self.data.rays[rows], flip), 'azimuth_rad': azimuth}

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        parts = self.module
        return clip_teacher_terms(parts.teacher, parts.judges, draw, self.adversarial)[0]

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        return self.loss_weights.model_dump() | self.adversarial.by_term()

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step


class ClipLift(NamedTuple):
    """What a teacher made of clips.

    Attributes:
        seen: B * T frames.
        up_cam: (B, 3) in the cameras.
        up: (B * T, 3) in the virtual cameras.
        joints: (B * T, 17, 3) in the virtual cameras.
    """

    seen: Observation
    up_cam: Tensor
    up: Tensor
    joints: Tensor

    @property
    def joints_cam(self) -> Tensor:
        """Return (B, T, 17, 3) in the cameras."""
        frames = len(self.up) // len(self.up_cam)
        return of_clips(self.joints @ self.seen.rotation, frames)


def clip_teacher_terms(
    teacher: ClipTeacher,
    judges: PoseJudges,
    draw: dict[str, Tensor],
    adversarial: AdversarialWeights,
) -> tuple[dict[str, Tensor], ClipLift]:
    """Return what speaks against a teacher, and what it made of the windows of a draw."""
    frames = draw['rays'].shape[1]
    rays = of_frames(draw['rays'])
    first = observe(rays, torch.ones_like(rays[..., 0]))
    up_cam = teacher.up(first, frames)
    up = up_of_frames(up_cam, first, frames)
    joints = teacher(first, up, frames)
    lift = ClipLift(first, up_cam, up, joints)
    second = new_view(joints, up, for_each_frame(draw['azimuth_rad'], frames))
    again = teacher.frame.elevation(second.observation)
    lengths = of_clips(bone_lengths(joints), frames)
    relative = lengths / lengths.mean(2, keepdim=True)
    of_clip = relative.mean(1, keepdim=True)
    # Neighbours in pairs: each frame is judged once alone and once with another.
    real, made = (
        Pairs(view.pose_2d[0::2], view.pose_2d[1::2]) for view in (first, second.observation)
    )
    terms = {
        **round_trip_terms(partial(teacher, frames=frames), first, joints, up, second),
        'elevation_consistency': (again - elevation_and_roll(up)[0]).abs().mean(),
        'bone_constancy': (relative - of_clip).abs().mean(),
        'bone_symmetry': (of_clip - of_clip[..., list(H36M_17.mirror_bones)]).abs().mean(),
        'smoothness': trembling(lift.joints_cam),
        **adversarial_terms(judges, real, made, adversarial),
    }
    return terms, lift


def trembling(joints: Tensor) -> Tensor:
    """Return the mean change of motion from frame to frame, in mean bone lengths.

    Args:
        joints: (B, T, 17, 3) camera frame; each frame in a unit of its own.
    """
    size = bone_lengths(of_frames(joints)).mean(1).reshape(*joints.shape[:2], 1, 1)
    relative = (joints - joints[:, :, :1]) / size
    change = relative[:, 2:] - 2 * relative[:, 1:-1] + relative[:, :-2]
    return torch.sqrt(change.square().sum(-1) + 1e-10).mean()


def lift_of_rows(teacher: ClipTeacher, data: Keypoints2D) -> Lift:
    """Return the lifter of all rows of a set in the order of clip and frame, each run as one.

    Its rows may have other rays than the set; a known up direction is that of a run's first row.
    """
    device = next(teacher.parameters()).device
    order = np.lexsort((data.frame.cpu().numpy(), data.clip.cpu().numpy()))
    clip, frame = (part.cpu().numpy()[order] for part in (data.clip, data.frame))
    ends = np.flatnonzero((np.diff(clip) != 0) | (np.diff(frame) != 1)) + 1
    runs = np.split(np.arange(len(order)), ends)

    @torch.no_grad()
    def lift(rays: Float32, scores: Float32, up_cam: Float32 | None) -> tuple[Float32, Float32]:
        joints, up = np.zeros((*scores.shape, 3), np.float32), np.zeros((len(rays), 3), np.float32)
        for rows in runs:
            seen = observe(
                torch.from_numpy(rays[rows]).to(device),
                torch.from_numpy(np.ones_like(scores[rows])).to(device),
            )
            estimate = teacher.up(seen, len(rows))
            used = estimate
            if up_cam is not None:
                used = torch.from_numpy(up_cam[rows[:1]]).to(device)
            lifted = teacher(seen, up_of_frames(used, seen, len(rows)), len(rows))
            joints[rows] = (lifted @ seen.rotation).cpu().numpy()
            up[rows] = estimate.cpu().numpy()
        return joints, up

    return lift
