# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Geometric self-supervision: new views must look real and must lift back to the same person."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core.errors import InputError
from elepose_core.geometry.virtual_camera import azimuth_rotation, elevation_and_roll, rotated
from elepose_core.models.observation import Observation, observe
from elepose_core.models.teacher import Teacher
from elepose_core.training.adversarial import (
    AdversarialWeights,
    JudgedTeacher,
    Pairs,
    adversarial_terms,
)
from elepose_core.training.clip_windows import window_starts
from elepose_core.training.distillation import Lessons
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import NewView, new_view, round_trip_terms, view_after
from elepose_core.training.sampling import Keypoints2D, draw_angle, draw_rows, mirrored

__all__ = [
    'Geometric',
    'GeometricParts',
    'GeometricWeights',
    'ViewsConfig',
    'lessons_of',
    'pair_starts',
]

# Pairs that show what is usual.
_USUAL_PAIRS = 20_000
# Fewer do not span what judges see of a motion.
_ENOUGH_PAIRS = 100
# Poses that are lifted at once for lessons.
_AT_ONCE = 8192


class ViewsConfig(BaseModel):
    """How new views are drawn, and how fast they are judged.

    `views` is 'level' (turned about the predicted up direction, by a camera of the same height)
    or 'published' (turned about the image's vertical, then by up to `elevation_deg` about its
    horizontal axis; no up direction is learned). `usual_elevation_deg` is where the teacher starts
    from with 'level' views: it says which of a person and its mirror image in depth is meant,
    which hardly shows in level cameras. `judge_rate` is the discriminators' learning rate as a
    factor of the teacher's.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    views: Literal['level', 'published'] = 'level'
    elevation_deg: float = Field(20.0, ge=0, le=90)
    usual_elevation_deg: float = Field(10.0, ge=-60, le=60)
    mirrored_share: float = Field(0.5, ge=0, le=1)
    judge_rate: float = Field(2.0, gt=0)


class GeometricWeights(BaseModel):
    """Weights of the terms beside the adversarial ones."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    reprojection: float = Field(3.0, ge=0)
    consistency_3d: float = Field(3.0, ge=0)
    pairwise_deformation: float = Field(0.0, ge=0)
    elevation_consistency: float = Field(1.0, ge=0)


class GeometricParts(JudgedTeacher[Teacher]):
    """A teacher of single frames that is told up, and its judges."""


@dataclass(frozen=True)
class Geometric:
    """Recipe of `training.loop`: lift, turn, project, lift again, turn back; and two judges.

    Attributes:
        module: Teacher and judges; `prepare` it first.
        data: Complete poses; nothing else is known.
        starts: (P,) rows that the next frame of the same clip follows, see `pair_starts`.
        config: How new views are drawn.
        loss_weights: Of the terms.
        adversarial: Weights of the judges' terms.

    Source: Chen et al. (CVPR 2019), section 3.
        Differs: with 'level' views the turn is about the up direction, which the teacher predicts
        and is told. Our cameras look down by 0 to 60 degrees: a turn about the image's vertical
        shows people who lean, and a random elevation shows people from where no camera stood.
        The new view must be predicted to have the elevation of the first. Distances instead of
        their squares, in units of the person's size.
    """

    module: GeometricParts
    data: Keypoints2D
    starts: Tensor
    config: ViewsConfig
    loss_weights: GeometricWeights
    adversarial: AdversarialWeights

    @property
    def groups(self) -> list[Group]:
        """Return the teacher and the judges, each with its own rate."""
        return self.module.groups(self.config.judge_rate)

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw pairs of poses (B, 2, 17, 2) in a row and one new view (B,) for both of a pair."""
        config = self.config
        pairs, flip = draw_rows(len(self.starts), batch_size, config.mirrored_share, generator)
        rows = self.starts[pairs]
        two = [mirrored(self.data.rays[row], flip) for row in (rows, rows + 1)]
        tilt = math.radians(config.elevation_deg)
        return {
            'rays': torch.stack(two, dim=1),
            'azimuth_rad': draw_angle(batch_size, torch.pi, generator),
            'tilt_rad': draw_angle(batch_size, tilt, generator),
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        teacher, judges = self.module.teacher, self.module.judges
        # All first poses, then all second ones.
        rays = draw['rays'].transpose(0, 1).flatten(0, 1)
        first = observe(rays, torch.ones_like(rays[..., 0]))
        up = self._up(first)
        joints = teacher(first, up)
        second = self._new_view(joints, up, draw)
        real, made = (Pairs(*view.pose_2d.chunk(2)) for view in (first, second.observation))
        terms = round_trip_terms(teacher, first, joints, up, second)
        if self.config.views == 'level':
            again = teacher.elevation(second.observation)
            error = (again - elevation_and_roll(up)[0]).abs().mean()
            terms['elevation_consistency'] = error
        return terms | adversarial_terms(judges, real, made, self.adversarial)

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        weights = self.loss_weights.model_dump() | self.adversarial.by_term()
        if self.config.views == 'published':
            del weights['elevation_consistency']
        return weights

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step

    def prepare(self) -> None:
        """Show the judges what poses and motions are usual, the teacher a usual camera."""
        if self.config.views == 'level':
            self.module.teacher.start_at(math.radians(self.config.usual_elevation_deg))
        every = max(1, len(self.starts) // _USUAL_PAIRS)
        rows = self.starts[::every]
        pair = []
        for row in (rows, rows + 1):
            rays = self.data.rays[row]
            pair.append(observe(rays, torch.ones_like(rays[..., 0])).pose_2d)
        self.module.judges.fit(*pair)

    def _up(self, first: Observation) -> Tensor:
        """Return up (2B, 3) in the virtual cameras, one direction in the camera per pair."""
        if self.config.views == 'published':
            return first.pose_2d.new_tensor([0.0, -1.0, 0.0]).expand(len(first.scale), 3)
        up_cam = rotated(self.module.teacher.up(first), first.rotation.transpose(1, 2))
        elevation, _ = elevation_and_roll(up_cam)
        return first.level_up(torch.stack(elevation.chunk(2)).mean(0).repeat(2))

    def _new_view(self, joints: Tensor, up: Tensor, draw: dict[str, Tensor]) -> NewView:
        azimuth = draw['azimuth_rad'].repeat(2)
        if self.config.views == 'level':
            return new_view(joints, up, azimuth)
        across = up.new_tensor([1.0, 0.0, 0.0]).expand_as(up)
        tilt = azimuth_rotation(across, draw['tilt_rad'].repeat(2))
        return view_after(joints, tilt @ azimuth_rotation(up, azimuth))


def pair_starts(data: Keypoints2D) -> Tensor:
    """Return the rows (P,) of `data` that the next frame of the same clip follows.

    Raises:
        InputError: There are too few.
    """
    rows = window_starts(data, 2)
    if len(rows) < _ENOUGH_PAIRS:
        raise InputError(
            f'{len(rows)} poses are followed by the next frame of their clip; expected '
            f'{_ENOUGH_PAIRS} or more, clips of motion'
        )
    return rows


@torch.no_grad()
def lessons_of(teacher: Teacher, data: Keypoints2D, clip_elevation: Tensor) -> Lessons:
    """Return what a teacher lifts of all poses, told the elevation (clips,) of each clip.

    All lessons count alike.
    """
    elevation = clip_elevation[data.clip]
    parts = []
    for start in range(0, len(data.rays), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        rays = data.rays[rows]
        first = observe(rays, torch.ones_like(rays[..., 0]))
        joints = teacher(first, first.level_up(elevation[rows]))
        parts.append(joints @ first.rotation)
    alike = torch.ones_like(elevation)
    return Lessons(torch.cat(parts), elevation, alike, alike)
