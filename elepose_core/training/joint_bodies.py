# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Teacher of clips and student of bodies learn on together, and from each other."""

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core.models.body_graph import BodyGraph
from elepose_core.models.discriminator import motion_features
from elepose_core.models.observation import observe
from elepose_core.models.temporal import for_each_frame, of_frames, up_of_frames
from elepose_core.priors.flow import scaled_pose
from elepose_core.training.adversarial import AdversarialWeights, fooling_loss
from elepose_core.training.body_lessons import BodyWeights, body_terms, draw_variation, varied
from elepose_core.training.clip_teaching import (
    ClipParts,
    ClipWeights,
    WindowConfig,
    clip_teacher_terms,
    trembling,
)
from elepose_core.training.clip_windows import draw_windows, mirrored_clips
from elepose_core.training.distillation import Lessons
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import new_view
from elepose_core.training.sampling import Keypoints2D, SamplingConfig, draw_angle

__all__ = ['JointBodies', 'JointParts', 'JointWeights']


class JointWeights(BaseModel):
    """Weights of what both learn from each other, and of what the judges say of the student."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    agreement: float = Field(1.0, ge=0)
    student_smoothness: float = Field(1.0, ge=0)
    student_frame_adversarial: float = Field(0.1, ge=0)
    student_motion_adversarial: float = Field(0.03, ge=0)


class JointParts(nn.Module):
    """Everything that learns in this stage.

    Attributes:
        clips: Teacher and judges.
        graph: The graph that is deployed.
    """

    def __init__(self, clips: ClipParts, graph: BodyGraph) -> None:
        super().__init__()
        self.clips = clips
        self.graph = graph


@dataclass(frozen=True)
class JointBodies:
    """Recipe of `training.loop`: the student's new views are judged, and the teacher heeds it.

    Attributes:
        module: Teacher, judges and graph, trained apart before.
        data: Complete poses; nothing else is known.
        lessons: What the student learned from, in the order of the data.
        starts: (W,) rows at which windows begin, see `window_starts`.
        config: Of the windows.
        sampling: How the student's input is varied.
        clip_weights: Of the teacher's terms.
        body_weights: Of the student's terms.
        joint_weights: Of the terms between the two.
        adversarial: Weights of the judges' terms.

    Source: PoseNet3D (arXiv 2003.03473), the joint fine-tuning.
        Differs: the student goes on with refined lessons, which are better than the teacher's
        own; the teacher heeds the student where that saw whole and clean poses.
    """

    module: JointParts
    data: Keypoints2D
    lessons: Lessons
    starts: Tensor
    config: WindowConfig
    sampling: SamplingConfig
    clip_weights: ClipWeights
    body_weights: BodyWeights
    joint_weights: JointWeights
    adversarial: AdversarialWeights

    @property
    def groups(self) -> list[Group]:
        """Return teacher, judges and student, each with its own rate."""
        student = Group(list(self.module.graph.student.parameters()))
        return [*self.module.clips.groups(self.config.judge_rate), student]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw windows (B, T, 17, 2), a turn (B,) of each, and how the student sees them."""
        frames, share = self.config.frames, self.config.mirrored_share
        rows, flip = draw_windows(self.starts, frames, batch_size, share, generator)
        return {
            'rays': mirrored_clips(self.data.rays[rows], flip),
            'joints': mirrored_clips(self.lessons.joints[rows], flip),
            'elevation_rad': self.lessons.elevation_rad[rows[:, 0]],
            'pose_weight': self.lessons.pose_weight[rows],
            'elevation_weight': self.lessons.elevation_weight[rows[:, 0]],
            'azimuth_rad': draw_angle(batch_size, torch.pi, generator),
            **draw_variation(batch_size, frames, self.sampling, generator),
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        clips = self.module.clips
        teaching, lift = clip_teacher_terms(clips.teacher, clips.judges, draw, self.adversarial)
        lesson = varied(draw)
        lifted = varied({**draw, 'joints': lift.joints_cam})['joints']
        learning, made = body_terms(self.module.graph, lesson)
        clean = (draw['visible'].amin((1, 2)) > 0) & (draw['noise'].abs().amax((1, 2, 3)) == 0)
        return {
            **teaching,
            **{f'student_{name}': term for name, term in learning.items()},
            'agreement': _disagreement(lifted, made.detach(), clean.to(made)),
            'student_smoothness': trembling(made),
            **self._judged(made, lesson),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        own = self.body_weights.model_dump()
        return {
            **self.clip_weights.model_dump(),
            **{f'student_{name}': weight for name, weight in own.items()},
            **self.joint_weights.model_dump(),
            **self.adversarial.by_term(),
        }

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step

    def _judged(self, joints: Tensor, lesson: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how unlike real poses the student's joints (B, T, 17, 3) look from elsewhere."""
        judges = self.module.clips.judges
        flat = of_frames(joints)
        rays = flat[..., :2] / flat[..., 2:].clamp(min=0.05)
        seen = observe(rays, torch.ones_like(rays[..., 0]))
        virtual = flat @ seen.rotation.transpose(1, 2)
        virtual = virtual / virtual[:, :1, 2:].clamp(min=0.1)
        frames = joints.shape[1]
        azimuth = for_each_frame(lesson['azimuth_rad'], frames)
        up = up_of_frames(lesson['up'], seen, frames)
        view = new_view(virtual, up, azimuth).observation.pose_2d
        frame = scaled_pose(view)
        motion = motion_features(view[0::2], view[1::2])
        return {
            f'student_{kind}_adversarial': fooling_loss(judge.frozen(judge.whitened(features)))
            for kind, judge, features in (
                ('frame', judges.frame, frame),
                ('motion', judges.motion, motion),
            )
        }


def _disagreement(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Return the mean distance of joints (B, T, 17, 3) in units of their size, by clip (B,)."""
    one, other = (_scaled(joints) for joints in (first, second))
    distance = torch.sqrt((one - other).square().sum(-1) + 1e-10).mean((1, 2))
    return (distance * weight).sum() / weight.sum().clamp(min=1.0)


def _scaled(joints: Tensor) -> Tensor:
    relative = joints - joints[..., :1, :]
    size = torch.sqrt(relative.square().sum(-1) + 1e-10).mean(-1)
    return relative / size[..., None, None]
