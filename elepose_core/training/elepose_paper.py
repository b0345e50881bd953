# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The training of ElePose as published, the peer that our own recipe is measured against."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from elepose_core import losses
from elepose_core.geometry.virtual_camera import azimuth_rotation
from elepose_core.models.elepose_paper import ElePoseLifter
from elepose_core.priors.bones import bone_lengths, bone_ratios_from_2d
from elepose_core.priors.flow import FlowPrior, PriorConfig
from elepose_core.skeleton import H36M_17
from elepose_core.training.loop import Group
from elepose_core.training.prior import fit_prior

__all__ = ['PublishedLosses', 'PublishedRecipe', 'new_view', 'train_published_prior']

_BONES = len(H36M_17.bones)


class PublishedLosses(BaseModel):
    """Weights of the terms, and the bone ratios that the last of them wants.

    `bone_ratios` holds one relative length per bone of the skeleton; empty means that they are
    estimated from the 2D poses.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    likelihood: float = Field(1.0, ge=0)
    consistency_3d: float = Field(1.0, ge=0)
    reprojection: float = Field(1.0, ge=0)
    pairwise_deformation: float = Field(1.0, ge=0)
    bone_ratio: float = Field(50.0, ge=0)
    bone_ratios: tuple[float, ...] = ()

    @field_validator('bone_ratios')
    @classmethod
    def _one_per_bone(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if ratios and (len(ratios) != _BONES or min(ratios) <= 0):
            raise ValueError(f'expected {_BONES} ratios > 0, or none')
        return ratios

    def ratios(self, poses: Tensor) -> Tensor:
        """Return (16,) bone ratios with mean 1: the named ones, or those of poses (N, 17, 2)."""
        if not self.bone_ratios:
            return bone_ratios_from_2d(poses)
        named = torch.tensor(self.bone_ratios)
        return named / named.mean()


def train_published_prior(
    rays: Tensor,
    lifter: ElePoseLifter,
    config: PriorConfig,
    seed: int,
    on_step: Callable[[int, float], None],
) -> FlowPrior:
    """Fit the prior to rays (N, 17, 2) under the one scale of `lifter`; see `train_prior`."""

    def draw(count: int, generator: torch.Generator) -> tuple[Tensor, None]:
        chosen = rays[torch.randint(len(rays), (count,), generator=generator)]
        return lifter.normalised(chosen).flatten(1), None

    return fit_prior(draw, config, seed, on_step)


def new_view(
    joints: Tensor, elevation_rad: Tensor, azimuth_rad: Tensor, new_elevation_rad: Tensor
) -> tuple[Tensor, Tensor]:
    """Level joints by the camera's elevation, turn them about the vertical, tilt them anew.

    Args:
        joints: (B, 17, 3) root-centred, camera frame.
        elevation_rad: (B,) of the camera that sees them.
        azimuth_rad: (B,) turn of the person about the downward vertical.
        new_elevation_rad: (B,) of the camera that shall see them.

    Returns:
        The joints (B, 17, 3) in the frame of the new camera, and the rotation (B, 3, 3) from the
        old frame to the new one.
    """
    across = joints.new_tensor([1.0, 0.0, 0.0]).expand(len(joints), 3)
    down = joints.new_tensor([0.0, 1.0, 0.0]).expand(len(joints), 3)
    level = azimuth_rotation(across, -elevation_rad)
    tilt = azimuth_rotation(across, new_elevation_rad)
    rotation = tilt @ azimuth_rotation(down, azimuth_rad) @ level
    return joints @ rotation.transpose(1, 2), rotation


@dataclass(frozen=True)
class PublishedRecipe:
    """What the published training brings to the loop.

    Attributes:
        module: The lifter that learns; its scale is fitted.
        prior: Frozen density of the normalised poses.
        rays: (N, 17, 2) complete poses in normalised image coordinates.
        bone_ratios: (16,) relative bone lengths with mean 1.
        losses: Weights of the terms.

    Source: ElePose, section 3, and the released settings.
        Differs: bone ratios come from the 2D poses instead of the 3D means of Human3.6M, unless
        the settings name some. Poses are drawn with replacement instead of by epochs, and two that
        are neighbours in a batch make a pair. The angle has our sign, see `ElePoseLifter`.
        Projection bounds the depth, as lifting does. Single precision instead of half.

    New elevations follow mean and deviation of the elevations predicted in the batch. With several
    processes each takes those of its own rows, so that their losses are not those of one process.
    """

    module: ElePoseLifter
    prior: FlowPrior
    rays: Tensor
    bone_ratios: Tensor
    losses: PublishedLosses

    @property
    def groups(self) -> list[Group]:
        """Return all parameters at one rate."""
        return [Group(list(self.module.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses (B, 17, 2), azimuths (B,) and standard normal elevations (B,)."""
        rows = torch.randint(len(self.rays), (batch_size,), generator=generator)
        return {
            'rays': self.rays[rows],
            'azimuth_rad': (torch.rand(batch_size, generator=generator) * 2 - 1) * torch.pi,
            'standard_elevation': torch.randn(batch_size, generator=generator),
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Lift, level, turn, tilt, project, lift again, go back; compare.

        Args:
            draw: See `draw`.
            step: Not used: nothing changes over time but the learning rate.

        Returns:
            Scalar by the name of its weight; each is the mean over the batch of one figure per
            pose, a norm over all its coordinates.
        """
        del step
        lifter = self.module
        pose_2d = lifter.normalised(draw['rays'])
        joints, elevation = lifter(pose_2d)
        # The gradient of both statistics is kept: it is all that teaches their distribution.
        wanted = elevation.mean() + elevation.std() * draw['standard_elevation']
        turned, rotation = new_view(joints, elevation, draw['azimuth_rad'], wanted)
        turned_2d = lifter.project(turned)
        turned_again = lifter.joints(turned_2d)
        again = turned_again @ rotation
        surprise = self.prior.negative_log_likelihood(self.prior.whitened(turned_2d.flatten(1)))
        return {
            'likelihood': surprise.mean(),
            'consistency_3d': losses.mean_distance(turned.flatten(1), turned_again.flatten(1)),
            'reprojection': (lifter.project(again) - pose_2d).abs().sum((1, 2)).mean(),
            'pairwise_deformation': losses.pairwise_deformation_loss(
                joints.flatten(1), again.flatten(1)
            ),
            'bone_ratio': losses.bone_ratio_loss(bone_lengths(joints), self.bone_ratios),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        return self.losses.model_dump(exclude={'bone_ratios'})

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step
