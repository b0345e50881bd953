# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher of clips: one up direction each, and depths that neighbouring frames put right."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from elepose_core.geometry.virtual_camera import rotated
from elepose_core.models.observation import Observation, back_project, observe
from elepose_core.models.teacher import LifterConfig, Teacher
from elepose_core.models.temporal import (
    TemporalConfig,
    TemporalTrunk,
    of_clips,
    of_frames,
    up_of_frames,
)
from elepose_core.skeleton import H36M_17

__all__ = ['ClipTeacher', 'ClipTeacherGraph']

_JOINTS = len(H36M_17)
_ROOT = H36M_17.index('pelvis')


class ClipTeacher(nn.Module):
    """Lifts complete, clean clips seen by cameras that stand still and do not roll.

    Source: the teacher of PoseNet3D (arXiv 2003.03473), which lifts frames and is trained with
        temporal losses.
        Differs: it also sees neighbouring frames; it starts as the teacher of single frames, to
        which a network over time adds.
    """

    def __init__(self, config: LifterConfig, temporal: TemporalConfig) -> None:
        super().__init__()
        self.frame = Teacher(config)
        self.trunk = TemporalTrunk(3 * _JOINTS + 4, temporal)
        self.depth_head = nn.Linear(temporal.width, _JOINTS)
        nn.init.zeros_(self.depth_head.weight)
        nn.init.zeros_(self.depth_head.bias)

    def up(self, seen: Observation, frames: int) -> Tensor:
        """Return up (B, 3) in the camera of each clip.

        Args:
            seen: B * T frames.
            frames: T.
        """
        each = rotated(self.frame.up(seen), seen.rotation.transpose(1, 2))
        return normalize(of_clips(each, frames).mean(1), dim=1)

    def forward(self, seen: Observation, up: Tensor, frames: int) -> Tensor:
        """Lift.

        Args:
            seen: Complete poses of B * T frames in their virtual cameras.
            up: (B * T, 3) unit vectors against gravity in the virtual cameras.
            frames: T.

        Returns:
            (B * T, 17, 3) joints in the virtual cameras, on their rays, root at depth 1.
        """
        alone = self.frame(seen, up)
        scale = seen.scale[:, None]
        offset = (alone[..., 2] - 1.0) / scale
        features = [seen.pose_2d.flatten(1) / scale, torch.log(scale), up, offset]
        hidden = self.trunk(of_clips(torch.cat(features, dim=1), frames))
        change = of_frames(self.depth_head(hidden))
        offset = offset + change - change[:, _ROOT, None]
        return back_project(seen.pose_2d, 1.0 + offset * scale)


class ClipTeacherGraph(nn.Module):
    """The teacher of clips in the camera's frame, as evaluation wants it."""

    def __init__(self, teacher: ClipTeacher) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lift complete poses (B, T, 17, 2); see `BodyGraph.of_all_frames`.

        Returns:
            joints_cam: (B, T, 17, 3).
            up_cam_estimate: (B, 3).
        """
        frames = rays.shape[1]
        flat = of_frames(rays)
        seen = observe(flat, torch.ones_like(of_frames(scores)))
        estimate = self.teacher.up(seen, frames)
        told = torch.where(torch.isinf(up_variance)[:, None], estimate, up_cam)
        joints = self.teacher(seen, up_of_frames(told, seen, frames), frames)
        return of_clips(joints @ seen.rotation, frames), estimate
