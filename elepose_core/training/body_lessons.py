# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The student of bodies learns from clips that the teacher lifted, seen in all ways."""

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core import losses
from elepose_core.body.data import POSE_BONES
from elepose_core.geometry.virtual_camera import elevation_and_roll
from elepose_core.models.body import turned_from_parents
from elepose_core.models.body_graph import BodyGraph
from elepose_core.models.body_pose import pose_of_joints
from elepose_core.models.body_student import BodyEstimate, BodyStudent, SeenClips, UpOfClips
from elepose_core.models.observation import observe
from elepose_core.models.temporal import for_each_frame, of_clips, of_frames, up_of_frames
from elepose_core.priors.bones import bone_lengths
from elepose_core.skeleton import H36M_17
from elepose_core.training.clip_windows import draw_windows, mirrored_clips
from elepose_core.training.distillation import (
    Lessons,
    draw_view,
    seen_anew,
    stretched,
)
from elepose_core.training.loop import Group
from elepose_core.training.sampling import SamplingConfig, draw_visibility

__all__ = [
    'BodyLessons',
    'BodyWeights',
    'body_terms',
    'draw_variation',
    'fit_body',
    'implausible_turn',
    'varied',
]

# How often hidden joints stay hidden over a window, instead of others in each frame; how often
# whole frames are lost, as with a slower camera, and how many; how often a window begins before
# the person was seen.
_STAYING_SHARE = 0.6
_PATCHY_SHARE, _LOST_FRAMES = 0.15, 0.5
_LATE_SHARE = 0.15
# How fast the student's lifter learns on, which starts as the teacher.
_LIFTER_RATE = 0.2
# The fit of the body that most people have.
_FIT_STEPS, _FIT_POSES, _FIT_RATE, _OFFSET_WEIGHT = 150, 256, 0.01, 0.5
# Largest turns of bones against their parents, degrees.
_LIMITS_DEG = {
    'root': 180.0,
    'spine05': 60.0,
    'spine03': 60.0,
    'spine01': 60.0,
    'neck01': 60.0,
    'head': 45.0,
    'upperleg01': 130.0,
    'lowerleg01': 150.0,
    'foot': 45.0,
    'clavicle': 35.0,
    'upperarm01': 150.0,
    'lowerarm01': 150.0,
    'wrist': 60.0,
}


class BodyWeights(BaseModel):
    """Weights of the terms of the student."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    lifted: float = Field(4.0, ge=0)
    pose: float = Field(4.0, ge=0)
    velocity: float = Field(20.0, ge=0)
    reprojection: float = Field(2.0, ge=0)
    completion: float = Field(4.0, ge=0)
    change: float = Field(0.1, ge=0)
    implausible_turn: float = Field(1.0, ge=0)
    usual_shape: float = Field(0.02, ge=0)
    joint_offset: float = Field(0.2, ge=0)
    elevation: float = Field(0.2, ge=0)
    roll: float = Field(0.2, ge=0)
    sigma: float = Field(0.05, ge=0)


@dataclass(frozen=True)
class BodyLessons:
    """Recipe of `training.loop`: supervision by the teacher of clips, through the body model.

    Attributes:
        module: The graph that is deployed; its student learns.
        lessons: Joints of all frames, in the order of the data.
        starts: (W,) rows at which windows begin, see `window_starts`.
        frames: Of a window.
        loss_weights: Of the terms.
        sampling: How the input is varied; what does not change over a window is drawn once.
    """

    module: BodyGraph
    lessons: Lessons
    starts: Tensor
    frames: int
    loss_weights: BodyWeights
    sampling: SamplingConfig

    @property
    def groups(self) -> list[Group]:
        """Return the student's parameters; the prior is done, the lifter nearly so."""
        student = self.module.student
        lifter = list(student.lifter.parameters())
        ours = {id(parameter) for parameter in lifter}
        others = [p for p in student.parameters() if id(p) not in ours]
        return [Group(others), Group(lifter, _LIFTER_RATE)]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw windows of joints, and how the student sees them."""
        share = self.sampling.mirrored_share
        rows, flip = draw_windows(self.starts, self.frames, batch_size, share, generator)
        return {
            'joints': mirrored_clips(self.lessons.joints[rows], flip),
            'elevation_rad': self.lessons.elevation_rad[rows[:, 0]],
            'pose_weight': self.lessons.pose_weight[rows],
            'elevation_weight': self.lessons.elevation_weight[rows[:, 0]],
            **draw_variation(batch_size, self.frames, self.sampling, generator),
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        return body_terms(self.module, varied(draw))[0]

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        return self.loss_weights.model_dump()

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step


def fit_body(student: BodyStudent, joints: Tensor, seed: int) -> None:
    """Let a student begin with the body that fits most people.

    Offsets of joints and a usual shape are fitted to lifted joints whose pose the body takes;
    without, everybody's shoulders begin some centimetres off.

    Args:
        student: Its `body.joint_offset` and the bias of its `shape_head` are set.
        joints: (N, 17, 3) lessons.
        seed: Everything random follows from it.
    """
    body, generator = student.body, torch.Generator().manual_seed(seed)
    logits = student.shape_head.bias
    optimiser = torch.optim.Adam([body.joint_offset, logits], _FIT_RATE)
    for step in range(_FIT_STEPS):
        optimiser.param_groups[0]['lr'] = _FIT_RATE * (1 - step / _FIT_STEPS)
        rows = torch.randint(len(joints), (_FIT_POSES,), generator=generator)
        seen = joints[rows.to(joints.device)]
        size = bone_lengths(seen).mean(1)[:, None, None]
        wanted = (seen - seen[:, :1]) / size
        shape = body.shape(torch.sigmoid(logits)[None], with_skin=False)
        own = shape._replace(joints=shape.joints + body.joint_offset)
        pose = pose_of_joints(wanted, own, with_collars=True)
        metres = bone_lengths(own.joints).mean()
        posed = body(shape, pose, torch.zeros_like(wanted[:, 0])).joints / metres
        offset = body.joint_offset.square().sum(-1).mean()
        loss = _length(posed - wanted).mean() + _OFFSET_WEIGHT * offset
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    student.zero_grad()


def draw_variation(
    batch_size: int, frames: int, config: SamplingConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw how windows are seen: bones, view and what is told once each, keypoints by frame."""
    view = draw_view(config, batch_size, generator)
    noise = torch.randn(batch_size, frames, len(H36M_17), 2, generator=generator)
    noisy = (torch.rand(batch_size, generator=generator) < config.noisy_share).float()
    return {
        **view,
        'visible': _draw_visible(batch_size, frames, config, generator),
        'noise': noise * (view['spread'] * noisy)[:, None, None, None],
        'told_error': torch.randn(2, batch_size, generator=generator).T,
    }


def varied(draw: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a draw with other bones and views: 'joints' (B, T, 17, 3) and their 'up' (B, 3).

    Args:
        draw: 'joints' as cameras without roll see them, their 'elevation_rad' (B,), and what
            `draw_variation` gave.
    """
    frames = draw['joints'].shape[1]

    joints, up = seen_anew(
        stretched(of_frames(draw['joints']), for_each_frame(draw['stretch'], frames)),
        *(
            for_each_frame(draw[name], frames)
            for name in ('elevation_rad', 'azimuth', 'tilt', 'roll')
        ),
    )
    return {**draw, 'joints': of_clips(joints, frames), 'up': of_clips(up, frames)[:, 0]}


def body_terms(graph: BodyGraph, draw: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the student still has to learn, and its joints (B, T, 17, 3), camera frame.

    Lengths are in units of each person's angular size.
    """
    student, truth = graph.student, draw['joints']
    seen, up, estimate = _estimated(graph, draw)
    joints = student.joints(estimate)
    whole = observe(of_frames(_rays(truth)), torch.ones_like(of_frames(draw['visible'])))
    # In the virtual camera of the whole pose its root is at depth 1.
    rotation = of_clips(whole.rotation, seen.frames)
    scale = of_clips(whole.scale, seen.frames)[..., None, None]
    aim = truth @ rotation.transpose(-1, -2)
    aim = aim / aim[..., :1, 2:]
    made, lifted = (j @ rotation.transpose(-1, -2) for j in (joints, estimate.lifted))
    made, lifted = (j / j[..., :1, 2:].clamp(min=0.1) for j in (made, lifted))
    relative, before, wanted = ((j - j[..., :1, :]) / scale for j in (made, lifted, aim))
    present = seen.present
    distance = torch.sqrt((relative - wanted).square().sum(-1) + 1e-8)
    # Motion in the camera's frame: virtual cameras turn with the person.
    moved, meant = (torch.diff(j @ rotation, dim=1) for j in (relative, wanted))
    image = made[..., :2] / made[..., 2:].clamp(min=0.1) - of_clips(whole.pose_2d, seen.frames)
    missed = _length(seen.rays - of_frames(_rays(truth))) / whole.scale[:, None]
    elevation, roll = elevation_and_roll(up_of_frames(draw['up'], seen.frame, seen.frames))
    here = present.flatten() > 0
    terms = {
        'lifted': _over(_length(before - wanted).mean(-1) * draw['pose_weight'], present),
        'pose': _over(distance.mean(-1) * draw['pose_weight'], present),
        'velocity': _over(_length(moved - meant).mean(-1), present[:, 1:] * present[:, :-1]),
        'reprojection': _over(_length(image).mean(-1) / scale[..., 0, 0], present),
        'completion': (missed * (1 - seen.frame.visible)).mean(),
        'change': _over(estimate.change, present),
        'implausible_turn': implausible_turn(estimate.orientations),
        'usual_shape': (estimate.phenotypes - 0.5).square().mean(),
        'joint_offset': student.body.joint_offset.square().sum(-1).mean(),
        'elevation': losses.two_sided_surprise(
            (up.own.elevation_rad - elevation)[here],
            up.own.elevation_deviation_rad[here],
            for_each_frame(draw['elevation_weight'], seen.frames)[here],
        ),
        'roll': losses.two_sided_surprise(
            (up.own.roll_rad - roll)[here], up.own.roll_deviation_rad[here]
        ),
        'sigma': losses.radius_surprise(
            distance.detach()[present > 0][:, 1:],
            (estimate.sigma / of_clips(seen.frame.scale, seen.frames)[..., None])[present > 0][
                :, 1:
            ],
        ),
    }
    return terms, joints


def implausible_turn(orientations: Tensor) -> Tensor:
    """Return how much bones turn beyond what bodies can, as the mean excess of cosines."""
    limits = [_LIMITS_DEG[name.partition('.')[0]] for name in POSE_BONES]
    cosine = torch.cos(torch.deg2rad(orientations.new_tensor(limits)))
    turns = turned_from_parents(orientations)
    trace = turns.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.relu(cosine - (trace - 1) / 2).mean()


def _estimated(
    graph: BodyGraph, draw: dict[str, Tensor]
) -> tuple[SeenClips, UpOfClips, BodyEstimate]:
    """Return what the student sees and makes of it, told up exactly, roughly or not at all."""
    student, visible = graph.student, draw['visible']
    rays = _rays(draw['joints'])
    size = observe(of_frames(rays), torch.ones_like(of_frames(visible))).scale
    shaken = rays + draw['noise'] * of_clips(size, visible.shape[1])[..., None, None]
    told, deviation = draw['told'], draw['told_deviation_rad']
    unknown = torch.full_like(told, torch.inf)
    variance = torch.where(told > 0, 2 * deviation**2, torch.inf)
    seen = student.seen(shaken, visible, draw['up'], variance)
    frames = seen.frames
    error = draw['told_error'] * deviation[:, None]
    up = student.up(seen, draw['up'], unknown)
    elevation, roll = elevation_and_roll(up_of_frames(draw['up'], seen.frame, seen.frames))
    is_told = for_each_frame(told, frames) > 0
    error = for_each_frame(error, frames)
    estimate = student(
        seen,
        torch.where(is_told, elevation + error[:, 0], up.own.elevation_rad.detach()),
        torch.where(is_told, roll + error[:, 1] / 2, up.own.roll_rad.detach()),
        torch.where(
            is_told,
            for_each_frame(deviation, frames),
            up.own.elevation_deviation_rad.detach(),
        ),
    )
    return seen, up, estimate


def _draw_visible(
    batch_size: int, frames: int, config: SamplingConfig, generator: torch.Generator
) -> Tensor:
    """Draw (B, T, 17) masks, 1 = visible."""
    each = of_clips(draw_visibility(batch_size * frames, config, generator), frames)
    stays = torch.rand(batch_size, generator=generator) < _STAYING_SHARE
    visible = torch.where(stays[:, None, None], each[:, :1], each)
    patchy = torch.rand(batch_size, 1, generator=generator) < _PATCHY_SHARE
    lost = torch.rand(batch_size, frames, generator=generator) < _LOST_FRAMES
    visible = visible * (1.0 - (patchy & lost).float())[..., None]
    late = torch.rand(batch_size, generator=generator) < _LATE_SHARE
    first = torch.randint(1, frames, (batch_size,), generator=generator) * late
    return visible * (torch.arange(frames) >= first[:, None]).float()[..., None]


def _rays(joints: Tensor) -> Tensor:
    return joints[..., :2] / joints[..., 2:].clamp(min=0.05)


def _length(vectors: Tensor) -> Tensor:
    return torch.sqrt(vectors.square().sum(-1) + 1e-10)


def _over(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean of values (B, T) over the frames that are present."""
    return (values * present).sum() / present.sum().clamp(min=1.0)
