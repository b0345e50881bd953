# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What one batch of 2D poses says about the lifter."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elepose_core import losses
from elepose_core.geometry.virtual_camera import azimuth_rotation, up_from_virtual_elevation
from elepose_core.losses import LossWeights
from elepose_core.models.lifter import Lifter, Observation, back_project, observe
from elepose_core.priors.bones import bone_lengths
from elepose_core.priors.flow import FlowPrior, scaled_pose
from elepose_core.training.sampling import SamplingConfig, draw_rays, draw_visibility

__all__ = ['Objective']

# A turned pose that the prior finds absurd must not drown the batch.
_WORST_NAT = 500.0


@dataclass(frozen=True)
class Objective:
    """Everything that judges the lifter: a recipe of `training.loop`.

    Attributes:
        module: The lifter.
        rays: (N, 17, 2) complete poses in normalised image coordinates; nothing else is known.
        prior: Frozen density of scaled 2D poses.
        bone_ratios: (16,) relative bone lengths with mean 1.
        loss_weights: Of the terms.
        sampling: What the lifter may see.
    """

    module: Lifter
    rays: Tensor
    prior: FlowPrior
    bone_ratios: Tensor
    loss_weights: LossWeights
    sampling: SamplingConfig

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses, what the lifter sees of them, and the azimuth of the second view."""
        rays = draw_rays(self.rays, batch_size, self.sampling, generator)
        visible = draw_visibility(batch_size, self.sampling, generator)
        noise = torch.randn(rays.shape, generator=generator) * self.sampling.noise
        noisy = torch.rand(batch_size, 1, 1, generator=generator) < self.sampling.noisy_share
        azimuth = (torch.rand(batch_size, generator=generator) * 2 - 1) * torch.pi
        return {
            'rays': rays,
            'visible': visible,
            'noise': torch.where(noisy, noise, 0.0),
            'azimuth': azimuth,
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Lift, turn about the predicted up, project, lift again, turn back; compare.

        Args:
            draw: Rows of a batch.
            step: Only the weights depend on it.

        Returns:
            Scalar by the name of its weight.

        Source: the loop of ElePose, section 3.2.
            Differs: the new view turns about the predicted up direction alone, so that no
            distribution of elevations has to be guessed; height and distance of the camera stay.
        """
        lifter, visible = self.module, draw['visible']
        first = observe(draw['rays'], visible)
        seen = _with_noise(first, draw['noise'])
        up = up_from_virtual_elevation(lifter.elevation(seen), first.rotation)
        lifted = lifter(seen, up)
        pose = back_project(first.pose_2d, lifted.depth)
        root = pose[:, :1]

        turn = azimuth_rotation(up, draw['azimuth'])
        turned = (pose - root) @ turn.transpose(1, 2) + root
        turned_rays = turned[..., :2] / turned[..., 2:].clamp(min=0.3)
        # The turned person is looked at anew: the axis may go through other joints.
        second = observe(turned_rays, visible)
        second_up = (second.rotation @ up[:, :, None])[:, :, 0]
        again = back_project(second.pose_2d, lifter(second, second_up).depth)
        # Back into the first virtual camera: same unit, root at the same place, turned back.
        again = again * (root @ second.rotation.transpose(1, 2))[..., 2:]
        again = again @ second.rotation
        again = (again - again[:, :1]) @ turn
        scale = first.scale[:, None, None]
        relative, relative_again = (pose - root) / scale, again / scale
        back = again + root
        back_2d = back[..., :2] / back[..., 2:].clamp(min=0.3)

        whole = scaled_pose(observe(turned_rays, torch.ones_like(visible)).pose_2d)
        surprise = self.prior.negative_log_likelihood(self.prior.whitened(whole))
        elevation_again = lifter.elevation(second)
        return {
            'likelihood': surprise.clamp(max=_WORST_NAT).mean(),
            'reprojection': losses.mean_distance(back_2d / scale, first.pose_2d / scale),
            'consistency_3d': losses.mean_distance(relative, relative_again),
            'pairwise_deformation': losses.pairwise_deformation_loss(relative, relative_again),
            'bone_ratio': losses.bone_ratio_loss(bone_lengths(pose), self.bone_ratios),
            'elevation_consistency': (
                elevation_again - torch.asin((-second_up[:, 2]).clamp(-0.9999, 0.9999))
            )
            .abs()
            .mean(),
            'completion': losses.completion_loss(
                lifted.completion / scale, first.pose_2d / scale, visible
            ),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term at a step."""
        return self.loss_weights.at(step)


def _with_noise(observation: Observation, noise: Tensor) -> Observation:
    """Shake what the lifter sees, in units of the angular size; the truth stays as it is."""
    shaken = observation.pose_2d + noise * observation.scale[:, None, None]
    return Observation(shaken, observation.visible, observation.scale, observation.rotation)
