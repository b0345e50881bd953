# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""First stage: from 2D poses alone to a teacher that stands upright and knows its elevation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elepose_core import losses
from elepose_core.geometry.virtual_camera import elevation_and_roll
from elepose_core.losses import DiscoveryWeights
from elepose_core.models.observation import observe
from elepose_core.models.teacher import Teacher
from elepose_core.priors.bones import bone_lengths
from elepose_core.priors.flow import FlowPrior, scaled_pose
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import new_view, round_trip_terms
from elepose_core.training.sampling import Keypoints2D, draw_angle, draw_rows, mirrored

__all__ = ['Discovery']


@dataclass(frozen=True)
class Discovery:
    """Recipe of `training.loop`: everything that judges the teacher.

    Attributes:
        module: The teacher.
        data: Complete poses; nothing else is known.
        prior: Frozen density of scaled 2D poses from all views.
        bone_ratios: (16,) relative bone lengths with mean 1.
        loss_weights: Of the terms.
        mirrored_share: Share of poses that are mirrored.

    Source: the loop of ElePose, section 3.2.
        Differs: the new view turns about the predicted up direction alone; the elevation of the
        new view must be predicted like that of the first.
    """

    module: Teacher
    data: Keypoints2D
    prior: FlowPrior
    bone_ratios: Tensor
    loss_weights: DiscoveryWeights
    mirrored_share: float

    @property
    def groups(self) -> list[Group]:
        """Return all parameters at one rate."""
        return [Group(list(self.module.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses (B, 17, 2) and the azimuth (B,) of the second view."""
        rows, flip = draw_rows(len(self.data.rays), batch_size, self.mirrored_share, generator)
        azimuth = draw_angle(batch_size, torch.pi, generator)
        return {'rays': mirrored(self.data.rays[rows], flip), 'azimuth_rad': azimuth}

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        teacher = self.module
        first = observe(draw['rays'], torch.ones_like(draw['rays'][..., 0]))
        up = teacher.up(first)
        joints = teacher(first, up)
        second = new_view(joints, up, draw['azimuth_rad'])
        components = self.prior.whitened(scaled_pose(second.observation.pose_2d))
        surprise = self.prior.negative_log_likelihood(components)
        elevation_again = teacher.elevation(second.observation)
        return {
            'likelihood': losses.bounded(surprise),
            'bone_ratio': losses.bone_ratio_loss(bone_lengths(joints), self.bone_ratios),
            'elevation_consistency': (elevation_again - elevation_and_roll(up)[0]).abs().mean(),
            **round_trip_terms(teacher, first, joints, up, second),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term at a step."""
        return self.loss_weights.at(step)

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step
