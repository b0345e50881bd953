# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Third stage: the lifter that is deployed learns from the teacher's poses, seen in all ways."""

from dataclasses import dataclass

import torch
from torch import Tensor

from elepose_core import losses
from elepose_core.geometry.virtual_camera import (
    azimuth_rotation,
    elevation_and_roll,
    image_turn,
    rotated,
    rotated_rays,
    up_from_elevation_and_roll,
)
from elepose_core.losses import DistillationWeights
from elepose_core.models.completion import assumed_roll, whole
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.observation import Observation, observe
from elepose_core.skeleton import H36M_17
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import turned
from elepose_core.training.sampling import (
    SamplingConfig,
    draw_angle,
    draw_rows,
    draw_visibility,
    mirrored,
)

__all__ = [
    'Distillation',
    'Lessons',
    'draw_lessons',
    'draw_view',
    'seen_anew',
    'stretched',
]

_ROOT = H36M_17.index('pelvis')

# How much less a lesson counts that refinement moved far, and one whose camera is not certain.
_FAR_BONES = 0.1
_UNCERTAIN_RAD = 0.05


@dataclass(frozen=True)
class Lessons:
    """What the lifter is taught: the poses of whole clips as refinement left them.

    Attributes:
        joints: (N, 17, 3) camera frame, any unit.
        elevation_rad: (N,) of the cameras, which have no roll.
        pose_weight: (N,) how much each pose counts, mean 1.
        elevation_weight: (N,) how much its camera's elevation counts, mean 1.
    """

    joints: Tensor
    elevation_rad: Tensor
    pose_weight: Tensor
    elevation_weight: Tensor

    @staticmethod
    def weighted(
        joints: Tensor, elevation_rad: Tensor, moved: Tensor, elevation_deviation_rad: Tensor
    ) -> 'Lessons':
        """Weigh lessons by what refinement says of them.

        Args:
            joints: (N, 17, 3).
            elevation_rad: (N,).
            moved: (N,) mean distance from what the teacher lifted, in mean bone lengths.
            elevation_deviation_rad: (N,) formal deviation of the elevation.
        """
        squares = (moved / _FAR_BONES) ** 2
        # Relative to the least, or weights of poses that all moved far would be 0 / 0.
        pose = torch.exp(squares.min() - squares)
        elevation = 1.0 / (1.0 + (elevation_deviation_rad / _UNCERTAIN_RAD) ** 2)
        return Lessons(joints, elevation_rad, pose / pose.mean(), elevation / elevation.mean())

    def to(self, device: torch.device) -> 'Lessons':
        """Return the lessons on a device."""
        return Lessons(**{name: values.to(device) for name, values in vars(self).items()})


@dataclass(frozen=True)
class Distillation:
    """Recipe of `training.loop`: plain supervision by the teacher.

    Poses are seen as they were, or with other bones, or turned about up, by cameras higher or
    lower than the real one, that roll, with joints missing and shaken, by a lifter that is told
    up exactly, roughly or not at all.

    Attributes:
        module: The graph that is deployed; its lifter learns.
        lessons: What it is taught.
        loss_weights: Of the terms.
        sampling: How the input is varied.
    """

    module: LiftingGraph
    lessons: Lessons
    loss_weights: DistillationWeights
    sampling: SamplingConfig

    @property
    def groups(self) -> list[Group]:
        """Return the lifter's parameters; the prior is done."""
        return [Group(list(self.module.lifter.parameters()))]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses and up directions in the frame of a camera, and what the lifter sees."""
        return draw_lessons(self.lessons, self.sampling, batch_size, generator)

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        lifter = self.module.lifter
        seen, missed = self._seen(draw)
        truth = draw['joints'] @ seen.rotation.transpose(1, 2)
        truth = truth / truth[:, :1, 2:]
        elevation, roll = elevation_and_roll(rotated(draw['up'], seen.rotation))
        own = lifter.up(seen)
        told, error = draw['told'] > 0, draw['told_error'] * draw['told_deviation_rad'][:, None]
        lifted = lifter(
            seen,
            torch.where(told, elevation + error[:, 0], own.elevation_rad.detach()),
            torch.where(told, roll + error[:, 1] / 2, own.roll_rad.detach()),
            torch.where(told, draw['told_deviation_rad'], own.elevation_deviation_rad.detach()),
        )
        scale = seen.scale[:, None, None]
        relative = (lifted.joints - lifted.joints[:, :1]) / scale
        distance = torch.sqrt((relative - (truth - truth[:, :1]) / scale).square().sum(-1) + 1e-8)
        place = (lifted.joints[:, 0] - truth[:, 0]) / seen.scale[:, None]
        return {
            'completion': missed.mean(),
            'pose': (distance.mean(1) * draw['pose_weight']).mean(),
            'place': torch.linalg.vector_norm(place, dim=-1).mean(),
            'elevation': losses.two_sided_surprise(
                own.elevation_rad - elevation,
                own.elevation_deviation_rad,
                draw['elevation_weight'],
            ),
            'roll': losses.two_sided_surprise(own.roll_rad - roll, own.roll_deviation_rad),
            'sigma': losses.radius_surprise(
                distance.detach()[:, 1:], (lifted.sigma / seen.scale[:, None])[:, 1:]
            ),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term, the same at every step."""
        del step
        return self.loss_weights.model_dump()

    def after_step(self, step: int) -> None:
        """Do nothing: all that changes is learned by gradients."""
        del step

    def _seen(self, draw: dict[str, Tensor]) -> tuple[Observation, Tensor]:
        """Return people as detectors see them, completed, and how far (B,) what missed was off.

        Only those errors teach the completion: the lifter takes what it gets.
        """
        visible, joints = draw['visible'], draw['joints']
        rays = joints[..., :2] / joints[..., 2:].clamp(min=0.05)
        size = observe(rays, torch.ones_like(visible)).scale[:, None, None]
        shaken = rays + draw['noise'] * size
        partly = observe(torch.where(visible[..., None] > 0, shaken, 0.0), visible)
        _, roll = elevation_and_roll(rotated(draw['up'], partly.rotation))
        deviation = draw['told_deviation_rad']
        variance = torch.where(draw['told'] > 0, 2 * deviation**2, torch.inf)
        roll = assumed_roll(roll + draw['told_error'][:, 1] * deviation / 2, variance)
        pose_2d = self.module.lifter.completion(partly, roll)
        error = torch.linalg.vector_norm(pose_2d - rotated_rays(rays, partly.rotation), dim=-1)
        missed = (error * (1 - visible)).mean(1) / partly.scale
        return whole(partly, pose_2d.detach()), missed


def draw_lessons(
    lessons: Lessons, config: SamplingConfig, batch_size: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw people as cameras may see them, and what a lifter is told of them.

    Returns:
        'joints' (B, 17, 3) and 'up' (B, 3) in the frame of a camera; 'visible' (B, 17), 'noise'
        (B, 17, 2) in units of the angular size; 'told' (B,) 1 = up is told, with
        'told_deviation_rad' (B,) and standard normal 'told_error' (B, 2); 'pose_weight' and
        'elevation_weight' (B,).
    """
    rows, flip = draw_rows(len(lessons.joints), batch_size, config.mirrored_share, generator)
    view = draw_view(config, batch_size, generator)
    joints, up = seen_anew(
        stretched(mirrored(lessons.joints[rows], flip), view['stretch']),
        lessons.elevation_rad[rows],
        *(view[name] for name in ('azimuth', 'tilt', 'roll')),
    )
    noise = torch.randn(batch_size, 17, 2, generator=generator)
    visible = draw_visibility(batch_size, config, generator)
    noisy = (torch.rand(batch_size, generator=generator) < config.noisy_share).float()
    return {
        'joints': joints,
        'up': up,
        'pose_weight': lessons.pose_weight[rows],
        'elevation_weight': lessons.elevation_weight[rows],
        'visible': visible,
        'noise': noise * (view['spread'] * noisy)[:, None, None],
        'told': view['told'],
        'told_deviation_rad': view['told_deviation_rad'],
        'told_error': torch.randn(2, batch_size, generator=generator).T,
    }


def draw_view(
    config: SamplingConfig, batch_size: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw how people are seen.

    Returns:
        Angles 'azimuth', 'tilt', 'roll' (B,) of `seen_anew`, radians; 'stretch' (B, 16) of
        `stretched`; 'spread' (B,) of noise where there is any; 'told' (B,) 1 = up is told, with
        'told_deviation_rad' (B,).
    """

    def share(of: float) -> Tensor:
        return (torch.rand(batch_size, generator=generator) < of).float()

    new = share(config.new_view_share)
    azimuth = draw_angle(batch_size, torch.pi, generator) * new
    tilt = torch.randn(batch_size, generator=generator) * _rad(config.tilt_deg)
    tilt = tilt * new * share(config.tilted_share / max(config.new_view_share, 1e-9))
    roll = draw_angle(batch_size, _rad(config.roll_deg), generator)
    spread = torch.rand(batch_size, generator=generator) * config.noise
    told = torch.rand(batch_size, generator=generator)
    # Of the told ones every third is told exactly.
    rough = (told < config.told_share * 2 / 3).float()
    deviation = torch.rand(batch_size, generator=generator) * _rad(config.told_deviation_deg)
    stretch = torch.randn(batch_size, len(H36M_17.bones), generator=generator) * config.stretch
    return {
        'azimuth': azimuth,
        'tilt': tilt,
        'spread': spread,
        'stretch': stretch * share(config.stretched_share)[:, None],
        'roll': roll * share(config.rolled_share),
        'told': (told < config.told_share).float(),
        'told_deviation_rad': deviation * rough,
    }


def seen_anew(
    joints: Tensor, elevation: Tensor, azimuth: Tensor, tilt: Tensor, roll: Tensor
) -> tuple[Tensor, Tensor]:
    """Turn people about up, tilt and roll the camera; returns joints and up, camera frame.

    Args:
        joints: (B, 17, 3) as a camera without roll sees them.
        elevation: (B,) of that camera, like the other angles in radians.
        azimuth: (B,) of the turn about up through the pelvis.
        tilt: (B,) of the camera about its x axis.
        roll: (B,) of the camera.
    """
    up = up_from_elevation_and_roll(elevation, torch.zeros_like(elevation))
    joints = turned(joints, azimuth_rotation(up, azimuth.to(up)))
    across = up.new_tensor([1.0, 0.0, 0.0]).expand_as(up)
    tilting = azimuth_rotation(across, tilt.to(up))
    joints, up = turned(joints, tilting), rotated(up, tilting)
    turn = image_turn(roll.to(up)).transpose(1, 2)
    joints = torch.cat([joints[..., :2] @ turn, joints[..., 2:]], dim=-1)
    up = torch.cat([(up[:, None, :2] @ turn)[:, 0], up[:, 2:]], dim=-1)
    return joints, up


def stretched(joints: Tensor, stretch: Tensor) -> Tensor:
    """Lengthen bones: the same pose of somebody else.

    Args:
        joints: (B, 17, 3).
        stretch: (B, 16) logarithm of the factor of each bone; both sides take that of the right.
    """
    moved = [joints[:, _ROOT]] * len(H36M_17)
    factor = torch.exp(stretch.to(joints.device))
    for bone, (parent, child) in enumerate(H36M_17.bones):
        if child in H36M_17.left:
            bone = H36M_17.mirror_bones[bone]
        vector = joints[:, child] - joints[:, parent]
        moved[child] = moved[parent] + vector * factor[:, bone, None]
    return torch.stack(moved, dim=1)


def _rad(angle_deg: float) -> float:
    return angle_deg * torch.pi / 180
