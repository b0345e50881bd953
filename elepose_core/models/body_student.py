# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The student: clips of 2D joints, some missing or shaken, to the parameters of the body model."""

from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from elepose_core.body.data import PHENOTYPES, POSE_BONES
from elepose_core.geometry.virtual_camera import (
    elevation_and_roll,
    image_turn,
    rotated,
    rotated_rays,
    up_from_elevation_and_roll,
)
from elepose_core.models.body import BodyModel, BodyShape
from elepose_core.models.body_pose import pose_of_joints
from elepose_core.models.clip_teacher import ClipTeacher
from elepose_core.models.completion import assumed_roll
from elepose_core.models.graph import fused, variances_of
from elepose_core.models.lifter import UpEstimate
from elepose_core.models.observation import Observation, back_project, observe, observe_whole
from elepose_core.models.rotations import rotation_from_columns
from elepose_core.models.teacher import LifterConfig
from elepose_core.models.temporal import (
    TemporalConfig,
    TemporalTrunk,
    for_each_frame,
    of_clips,
    of_frames,
    up_of_frames,
)
from elepose_core.priors.bones import bone_lengths
from elepose_core.skeleton import H36M_17

__all__ = ['BodyEstimate', 'BodyStudent', 'SeenClips', 'StudentConfig', 'UpOfClips']

_JOINTS, _BONES = len(H36M_17), len(POSE_BONES)
# Scaled joints, which were seen, logarithm of the angular size, whether anything was seen.
_SEEN = 3 * _JOINTS + 2
_LEAST_DEVIATION_RAD = 0.02
# How fast what was seen in other frames counts less, per frame.
_FADING = 1.3
# Beyond so many frames it counts no less: weights must not vanish in float32.
_FARTHEST = 50


class StudentConfig(BaseModel):
    """Size of the networks over time, see `TemporalConfig`: bodies, up, missing joints."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(192, ge=8, le=4096)
    blocks: int = Field(3, ge=1, le=6)
    up_width: int = Field(96, ge=8, le=4096)
    up_blocks: int = Field(2, ge=1, le=6)
    completion_width: int = Field(128, ge=8, le=4096)
    completion_blocks: int = Field(3, ge=1, le=6)


class SeenClips(NamedTuple):
    """Clips as the virtual cameras of their frames see them, completed.

    Attributes:
        frame: B * T frames with all joints.
        present: (B, T) 1 where anything was seen in a frame.
        rays: (B * T, 17, 2) of `frame`, in the camera; gradients reach the completion.
    """

    frame: Observation
    present: Tensor
    rays: Tensor

    @property
    def frames(self) -> int:
        """Return T."""
        return self.present.shape[1]


class UpOfClips(NamedTuple):
    """The up direction of clips, estimated and as it is used.

    Attributes:
        up_cam: (B, 3) own estimate.
        own: Own estimate in the virtual camera of each of B * T frames.
        elevation_rad: (B * T,) in the virtual cameras, fused with what is told.
        roll_rad: (B * T,) likewise.
        deviation_rad: (B * T,) how far off the elevation may be.
    """

    up_cam: Tensor
    own: UpEstimate
    elevation_rad: Tensor
    roll_rad: Tensor
    deviation_rad: Tensor


class BodyEstimate(NamedTuple):
    """Bodies in the camera frame; one unit is the root's depth in the virtual camera of its frame.

    Attributes:
        phenotypes: (B, 6) of the person of each clip.
        shape: Of the same.
        orientations: (B, T, 20, 3, 3) of bones, camera frame.
        size: (B, T) units per metre of the body model.
        place: (B, T, 3) of the pelvis.
        sigma: (B, T, 17) radius in which 68 % of the errors are expected.
        change: (B, T) mean squared difference of the orientations from what lifted joints show.
        lifted: (B, T, 17, 3) joints as they were lifted, before a body took their pose.
    """

    phenotypes: Tensor
    shape: BodyShape
    orientations: Tensor
    size: Tensor
    place: Tensor
    sigma: Tensor
    change: Tensor
    lifted: Tensor


class BodyStudent(nn.Module):
    """Sees a window of frames; people keep one shape, cameras one up direction.

    Joints that are missing are completed, all are lifted as the teacher does, from which the
    student starts; the body then takes their pose, and a network over time puts joints, bones and
    shape right.

    Source: the student of PoseNet3D (arXiv 2003.03473), which gives the parameters of SMPL.
        Differs: Anny instead of SMPL; orientations of bones in closed form from joints, with a
        learned change, instead of joint angles from a network alone: an error does not add up
        along a limb, and training begins where the teacher ended; it sees neighbouring frames and
        learns with missing joints.
    """

    def __init__(
        self, config: StudentConfig, lifter: LifterConfig, temporal: TemporalConfig
    ) -> None:
        super().__init__()
        self.config = config
        self.body = BodyModel()
        self.lifter = ClipTeacher(lifter, temporal)
        self.completion_trunk, self.completion_head = _network(
            _SEEN, config.completion_width, config.completion_blocks, 2 * _JOINTS
        )
        self.up_trunk, self.up_head = _network(_SEEN, config.up_width, config.up_blocks, 4)
        width = config.width
        self.trunk, self.joint_head = _network(
            _SEEN + _JOINTS + 3, width, config.blocks, 3 * _JOINTS
        )
        self.pose_head = nn.Linear(width, 6 * _BONES)
        self.shape_head = nn.Linear(width, len(PHENOTYPES))
        self.size_head = nn.Linear(width, 1)
        self.sigma_head = nn.Linear(width, _JOINTS)
        # Training starts with what the lifter sees, on a usual body.
        for head in (self.pose_head, self.shape_head, self.size_head, self.sigma_head):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        with torch.no_grad():
            self.up_head.bias[2:] = -2.0
            self.sigma_head.bias.fill_(-1.5)

    def seen(self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_variance: Tensor) -> SeenClips:
        """Return what virtual cameras see of clips (B, T, 17, 2), (B, T, 17), all joints.

        A joint that is missing in a frame is first taken to be where it was in the frames around.

        Args:
            rays: NaN = missing.
            scores: 0 = missing.
            up_cam: (B, 3) told of up; says how much the image rolls.
            up_variance: (B,) of it; infinite = nothing is told.
        """
        count = rays.shape[1]
        finite = (rays == rays).all(-1) & (rays.abs() < 1e4).all(-1)
        visible = (finite & (scores > 0)).to(rays.dtype)
        shown = torch.where(visible[..., None] > 0, rays, 0.0)
        frames = torch.arange(count, device=rays.device)
        away = (frames[:, None] - frames).abs().clamp(max=_FARTHEST).to(rays.dtype)
        weight = torch.exp(-_FADING * away)
        total = (weight @ visible).clamp(min=1e-30)
        around = (weight @ shown.flatten(2)).reshape(shown.shape) / total[..., None]
        around = torch.where(visible[..., None] > 0, shown, around)
        known = visible.amax(1, keepdim=True).expand(-1, count, -1)
        partly = observe(of_frames(around), of_frames(known))
        present = visible.amax(-1)
        told = up_of_frames(up_cam, partly, count)
        roll = assumed_roll(elevation_and_roll(told)[1], for_each_frame(up_variance, count))
        turn = image_turn(roll)
        upright = partly.pose_2d @ turn * partly.visible[..., None]
        hidden = self.completion_trunk(of_clips(_features(upright, partly, visible), count))
        change = of_frames(self.completion_head(hidden)).reshape(-1, _JOINTS, 2)
        guess = partly.pose_2d + change @ turn.transpose(1, 2) * partly.scale[:, None, None]
        complete = torch.where(of_frames(visible)[..., None] > 0, partly.pose_2d, guess)
        completed = rotated_rays(complete, partly.rotation.transpose(1, 2))
        # Only its own errors teach the completion: the lifter takes what it gets.
        frame = observe_whole(completed.detach(), of_frames(visible))
        return SeenClips(frame, present, completed)

    def up(self, seen: SeenClips, up_cam: Tensor, up_variance: Tensor) -> UpOfClips:
        """Estimate up, and weigh it against what is told: (B, 3), (B,); infinite = nothing."""
        frame, frames = seen.frame, seen.frames
        features = _features(frame.pose_2d, frame, frame.visible)
        out = self.up_head(self.up_trunk(of_clips(features, frames)))
        change = of_frames(1.5 * torch.tanh(out[..., :2]))
        logarithms = out[..., 2:].clamp(-5.0, 1.0)
        elevation = self.lifter.frame.elevation(frame) + change[:, 0]
        each = up_from_elevation_and_roll(elevation, change[:, 1])
        each = of_clips(rotated(each, frame.rotation.transpose(1, 2)), frames)
        weight = seen.present[..., None] * torch.exp(-2 * logarithms[..., :1])
        # A clip without anybody has up somewhere, too.
        own_cam = normalize((each * (weight + 1e-6)).sum(1), dim=1)
        # Frames of one clip err alike: their mean is as uncertain as they are.
        deviations = torch.exp(_mean(logarithms, seen.present))
        deviations = for_each_frame(deviations, frames)
        own_elevation, own_roll = elevation_and_roll(up_of_frames(own_cam, frame, frames))
        own = UpEstimate(own_elevation, own_roll, deviations[:, 0], deviations[:, 1])
        told_elevation, told_roll = elevation_and_roll(up_of_frames(up_cam, frame, frames))
        told_variance = for_each_frame(up_variance, frames)
        elevation_variance, roll_variance = variances_of(own)
        used, variance = fused(own_elevation, elevation_variance, told_elevation, told_variance)
        roll, _ = fused(own_roll, roll_variance, told_roll, told_variance)
        return UpOfClips(own_cam, own, used, roll, torch.sqrt(variance / 2))

    def forward(
        self,
        seen: SeenClips,
        elevation_rad: Tensor,
        roll_rad: Tensor,
        deviation_rad: Tensor,
        for_node: bool = False,
    ) -> BodyEstimate:
        """Estimate bodies, told up (B * T,) in the virtual cameras and how certain it is.

        Args:
            seen: What was seen.
            elevation_rad: Of the virtual cameras.
            roll_rad: Likewise.
            deviation_rad: How far off the elevation may be.
            for_node: Give the last frame only, with its skin: T is 1.
        """
        frame, frames = seen.frame, seen.frames
        # The networks see an upright image; what they give is turned back.
        turn = image_turn(roll_rad)
        upright = Observation(frame.pose_2d @ turn, frame.visible, frame.scale, frame.rotation)
        sine, cosine = torch.sin(elevation_rad)[:, None], torch.cos(elevation_rad)[:, None]
        lifted = self.lifter(upright, pad(torch.cat([-cosine, -sine], 1), (1, 0)), frames)
        offset = (lifted[..., 2] - 1.0) / frame.scale[:, None]
        certain = torch.log(deviation_rad + _LEAST_DEVIATION_RAD)[:, None]
        features = [
            _features(upright.pose_2d, frame, frame.visible),
            offset,
            sine,
            cosine,
            certain,
        ]
        hidden = self.trunk(of_clips(torch.cat(features, dim=1), frames))
        phenotypes = torch.sigmoid(_mean(self.shape_head(hidden), seen.present))
        turns = of_clips(frame.rotation.transpose(1, 2) @ _about_axis(turn), frames)
        seen_parts = (upright.pose_2d, offset, frame.scale)
        parts = [hidden, turns, *(of_clips(part, frames) for part in seen_parts)]
        if for_node:
            parts = [part[:, -1:] for part in parts]
        hidden, camera_from_upright, pose_2d, offset, scale = parts
        change = self.joint_head(hidden).reshape(*offset.shape, 3)
        joints = _put(pose_2d, offset, change, scale)
        shape = self.body.shape(phenotypes, with_skin=for_node)
        own_joints = (shape.joints + self.body.joint_offset)[:, None]
        own = BodyShape(shape.bones[:, None], own_joints, None)
        columns = self.pose_head(hidden).reshape(*offset.shape[:2], _BONES, 6)
        bent = rotation_from_columns(columns + torch.eye(3)[:2].flatten().to(columns))
        identity = torch.eye(3, dtype=bent.dtype, device=bent.device)
        orientations = (
            camera_from_upright[:, :, None] @ pose_of_joints(joints, own, with_collars=True) @ bent
        )
        size = _mean_length(joints) / _mean_length(own_joints)
        return BodyEstimate(
            phenotypes,
            shape,
            orientations,
            size * torch.exp(self.size_head(hidden)[..., 0].clamp(-1.0, 1.0)),
            (camera_from_upright @ joints[..., 0, :, None])[..., 0],
            torch.exp(self.sigma_head(hidden).clamp(-8.0, 3.0)) * scale[..., None],
            (bent - identity).square().sum((-1, -2)).mean(-1),
            joints @ camera_from_upright.transpose(-1, -2),
        )

    def joints(self, estimate: BodyEstimate) -> Tensor:
        """Return joints (B, T, 17, 3) of bodies, camera frame, in their units."""
        shape = estimate.shape
        of_clip = BodyShape(shape.bones[:, None], shape.joints[:, None], None)
        body = self.body(of_clip, estimate.orientations, torch.zeros_like(estimate.place))
        joints = body.joints * estimate.size[..., None, None] + estimate.place[..., None, :]
        return torch.as_tensor(joints)


def _network(
    inputs: int, width: int, blocks: int, outputs: int
) -> tuple[TemporalTrunk, nn.Linear]:
    """Return a trunk and a head whose output starts at 0."""
    head = nn.Linear(width, outputs)
    nn.init.normal_(head.weight, std=1e-3)
    nn.init.zeros_(head.bias)
    return TemporalTrunk(inputs, TemporalConfig(width=width, blocks=blocks)), head


def _features(pose_2d: Tensor, frame: Observation, visible: Tensor) -> Tensor:
    """Return (B * T, 53): scaled joints, which were seen, size, whether any was."""
    seen = visible.reshape(-1, _JOINTS)
    scaled = pose_2d / frame.scale[:, None, None]
    log_scale = torch.log(frame.scale)[:, None]
    return torch.cat([scaled.flatten(1), seen, log_scale, seen.amax(1, keepdim=True)], dim=1)


def _put(pose_2d: Tensor, offset: Tensor, change: Tensor, scale: Tensor) -> Tensor:
    """Return joints (B, T, 17, 3) moved by `change` in units of the angular size, root at 1."""
    deep = offset + change[..., 2]
    deep = deep - deep[..., :1]
    beside = pose_2d + change[..., :2] * scale[..., None, None]
    return back_project(beside, 1.0 + deep * scale[..., None])


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean (B, C) of values (B, T, C) over the frames that are present."""
    weight = present[..., None]
    return torch.as_tensor((values * weight).sum(1) / weight.sum(1).clamp(min=1.0))


def _mean_length(joints: Tensor) -> Tensor:
    """Return the mean length (B, T) of the bones of joints (B, T, 17, 3)."""
    return bone_lengths(of_frames(joints)).mean(1).reshape(joints.shape[:2])


def _about_axis(turn: Tensor) -> Tensor:
    """Return turns of the image (B, 2, 2) as turns about the optical axis (B, 3, 3)."""
    padded = pad(turn, (0, 1, 0, 1))
    return torch.as_tensor(padded + torch.diag(turn.new_tensor([0.0, 0.0, 1.0])))
