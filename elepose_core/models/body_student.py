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
    up_from_elevation_and_roll,
)
from elepose_core.models.body import BodyModel, BodyShape
from elepose_core.models.graph import fused, variances_of
from elepose_core.models.lifter import UpEstimate
from elepose_core.models.observation import Observation, observe
from elepose_core.models.rotations import rotation_from_columns
from elepose_core.models.temporal import (
    TemporalConfig,
    TemporalTrunk,
    for_each_frame,
    of_clips,
    of_frames,
    up_of_frames,
)
from elepose_core.skeleton import H36M_17

__all__ = ['BodyEstimate', 'BodyStudent', 'SeenClips', 'StudentConfig', 'UpOfClips']

_JOINTS, _BONES = len(H36M_17), len(POSE_BONES)
# Scaled joints, which were seen, logarithm of the angular size, whether anything was seen.
_SEEN = 3 * _JOINTS + 2
# Mean distance of a person's joints from the pelvis, metres: where training starts.
_USUAL_RADIUS_M = 0.5
_LEAST_DEVIATION_RAD = 0.02


class StudentConfig(BaseModel):
    """Size of the two networks over time, see `TemporalConfig`: of bodies and of up."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    width: int = Field(256, ge=8, le=4096)
    blocks: int = Field(3, ge=1, le=6)
    up_width: int = Field(128, ge=8, le=4096)
    up_blocks: int = Field(3, ge=1, le=6)


class SeenClips(NamedTuple):
    """Clips as the virtual cameras of their frames see them.

    Attributes:
        frame: B * T frames.
        present: (B, T) 1 where anything was seen in a frame.
    """

    frame: Observation
    present: Tensor

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
        orientations: (B, T, 20, 3, 3) of bones, camera frame.
        size: (B, T) units per metre of the body model.
        place: (B, T, 3) of the pelvis.
        sigma: (B, T, 17) radius in which 68 % of the errors are expected.
    """

    phenotypes: Tensor
    orientations: Tensor
    size: Tensor
    place: Tensor
    sigma: Tensor


class BodyStudent(nn.Module):
    """Sees a window of frames; people keep one shape, cameras one up direction.

    Source: the student of PoseNet3D (arXiv 2003.03473), which gives the parameters of SMPL.
        Differs: Anny instead of SMPL; orientations of bones instead of joint angles, so that an
        error does not add up along a limb; it sees neighbouring frames and learns with missing
        joints.
    """

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.body = BodyModel()
        of_up = TemporalConfig(width=config.up_width, blocks=config.up_blocks)
        self.up_trunk = TemporalTrunk(_SEEN, of_up)
        self.up_head = nn.Linear(config.up_width, 4)
        width = config.width
        of_body = TemporalConfig(width=width, blocks=config.blocks)
        self.trunk = TemporalTrunk(_SEEN + 3, of_body)
        self.pose_head = nn.Linear(width, 6 * _BONES)
        self.shape_head = nn.Linear(width, len(PHENOTYPES))
        self.place_head = nn.Linear(width, 3)
        self.sigma_head = nn.Linear(width, _JOINTS)
        heads = (self.up_head, self.pose_head, self.shape_head, self.place_head, self.sigma_head)
        for head in heads:
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        # Training starts with a usual person in the reference pose, on the axis.
        with torch.no_grad():
            self.up_head.bias[2:] = -2.0
            self.sigma_head.bias.fill_(-1.5)
            self.pose_head.bias.copy_(torch.eye(3)[:2].flatten().repeat(_BONES))

    def seen(self, rays: Tensor, scores: Tensor) -> SeenClips:
        """Return what virtual cameras see of clips (B, T, 17, 2), (B, T, 17); NaN = missing."""
        finite = (rays == rays).all(-1) & (rays.abs() < 1e4).all(-1)
        visible = (finite & (scores > 0)).to(rays.dtype)
        frame = observe(
            of_frames(torch.where(visible[..., None] > 0, rays, 0.0)), of_frames(visible)
        )
        return SeenClips(frame, visible.amax(-1))

    def up(self, seen: SeenClips, up_cam: Tensor, up_variance: Tensor) -> UpOfClips:
        """Estimate up, and weigh it against what is told: (B, 3), (B,); infinite = nothing."""
        frame, frames = seen.frame, seen.frames
        features = _features(seen, frame.pose_2d)
        out = self.up_head(self.up_trunk(of_clips(features, frames)))
        angles = of_frames(1.5 * torch.tanh(out[..., :2]))
        logarithms = out[..., 2:].clamp(-5.0, 1.0)
        each = up_from_elevation_and_roll(angles[:, 0], angles[:, 1])
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
        elevation, variance = fused(
            own_elevation, elevation_variance, told_elevation, told_variance
        )
        roll, _ = fused(own_roll, roll_variance, told_roll, told_variance)
        return UpOfClips(own_cam, own, elevation, roll, torch.sqrt(variance / 2))

    def forward(
        self, seen: SeenClips, elevation_rad: Tensor, roll_rad: Tensor, deviation_rad: Tensor
    ) -> BodyEstimate:
        """Estimate bodies, told up (B * T,) in the virtual cameras and how certain it is."""
        frame, frames = seen.frame, seen.frames
        # The network sees an upright image; what it gives is turned back.
        turn = image_turn(roll_rad)
        told = [
            torch.sin(elevation_rad),
            torch.cos(elevation_rad),
            torch.log(deviation_rad + _LEAST_DEVIATION_RAD),
        ]
        features = torch.cat(
            [_features(seen, frame.pose_2d @ turn), torch.stack(told, dim=1)], dim=1
        )
        hidden = self.trunk(of_clips(features, frames))
        camera_from_upright = of_clips(frame.rotation.transpose(1, 2) @ _about_axis(turn), frames)
        columns = self.pose_head(hidden).reshape(*hidden.shape[:2], _BONES, 6)
        scale = of_clips(frame.scale, frames)
        out = self.place_head(hidden)
        beside = out[..., :2] * scale[..., None]
        place = torch.cat([beside, torch.ones_like(beside[..., :1])], dim=-1)
        return BodyEstimate(
            torch.sigmoid(_mean(self.shape_head(hidden), seen.present)),
            camera_from_upright[:, :, None] @ rotation_from_columns(columns),
            torch.exp(out[..., 2].clamp(-2.0, 2.0)) * scale / _USUAL_RADIUS_M,
            (camera_from_upright @ place[..., None])[..., 0],
            torch.exp(self.sigma_head(hidden).clamp(-8.0, 3.0)) * scale[..., None],
        )

    def joints(self, estimate: BodyEstimate) -> Tensor:
        """Return joints (B, T, 17, 3) of bodies, camera frame, in their units."""
        shape = self.body.shape(estimate.phenotypes, with_skin=False)
        of_clip = BodyShape(shape.bones[:, None], shape.joints[:, None], None)
        body = self.body(of_clip, estimate.orientations, torch.zeros_like(estimate.place))
        joints = body.joints * estimate.size[..., None, None] + estimate.place[..., None, :]
        return torch.as_tensor(joints)


def _features(seen: SeenClips, pose_2d: Tensor) -> Tensor:
    """Return (B * T, 53) of poses; all zero where nobody was seen."""
    frame = seen.frame
    present = of_frames(seen.present)[:, None]
    scaled = pose_2d * frame.visible[..., None] / frame.scale[:, None, None]
    log_scale = torch.log(frame.scale)[:, None]
    return torch.cat([scaled.flatten(1), frame.visible, log_scale, present], dim=1) * present


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean (B, C) of values (B, T, C) over the frames that are present."""
    weight = present[..., None]
    return torch.as_tensor((values * weight).sum(1) / weight.sum(1).clamp(min=1.0))


def _about_axis(turn: Tensor) -> Tensor:
    """Return turns of the image (B, 2, 2) as turns about the optical axis (B, 3, 3)."""
    padded = pad(turn, (0, 1, 0, 1))
    return torch.as_tensor(padded + torch.diag(turn.new_tensor([0.0, 0.0, 1.0])))
