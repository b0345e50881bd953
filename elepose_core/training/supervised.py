# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A teacher that is told the truth: the first stage of the supervised bound."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elepose_core.geometry.virtual_camera import elevation_and_roll, rotated
from elepose_core.losses import mean_distance
from elepose_core.models.observation import observe
from elepose_core.models.teacher import Teacher
from elepose_core.training.distillation import Lessons, draw_lessons
from elepose_core.training.loop import Group
from elepose_core.training.sampling import SamplingConfig

__all__ = ['SupervisedTeaching']

# Like radians and units of a person's size: both errors are about 0.1 when training is half done.
_WEIGHTS = {'pose': 1.0, 'elevation': 0.5}


@dataclass(frozen=True)
class SupervisedTeaching:
    """Recipe of `training.loop`: whole, clean poses and their truth.

    Attributes:
        module: Learns depths given up, and elevations.
        lessons: The truth.
        sampling: How it is varied; roll, gaps and noise are the lifter's business.
    """

    module: Teacher
    lessons: Lessons
    sampling: SamplingConfig

    @property
    def groups(self) -> list[Group]:
        """Return all parameters at one rate."""
        return [Group(list(self.module.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw joints (B, 17, 3) and up (B, 3) in the frame of a camera without roll."""
        level = self.sampling.model_copy(update={'rolled_share': 0.0})
        draw = draw_lessons(self.lessons, level, batch_size, generator)
        return {name: draw[name] for name in ('joints', 'up')}

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return the mean distance of joints, in units of the person's size, and the angle's."""
        del step
        rays = draw['joints'][..., :2] / draw['joints'][..., 2:].clamp(min=0.05)
        seen = observe(rays, torch.ones_like(rays[..., 0]))
        truth = draw['joints'] @ seen.rotation.transpose(1, 2)
        truth = truth / truth[:, :1, 2:]
        up = rotated(draw['up'], seen.rotation)
        joints, scale = self.module(seen, up), seen.scale[:, None, None]
        wanted, _ = elevation_and_roll(up)
        return {
            'pose': mean_distance(
                (joints - joints[:, :1]) / scale, (truth - truth[:, :1]) / scale
            ),
            'elevation': (self.module.elevation(seen) - wanted).abs().mean(),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        return _WEIGHTS

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step
