# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Second stage: up becomes a property of each clip's camera, learned beside teacher and priors."""

import copy

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from elepose_core import losses
from elepose_core.geometry.virtual_camera import elevation_and_roll, rotated
from elepose_core.losses import AlternationWeights
from elepose_core.models.observation import Observation, observe
from elepose_core.models.teacher import Teacher
from elepose_core.priors.bones import bone_lengths, symmetric_bones
from elepose_core.priors.flow import FlowPrior, scaled_pose, view_condition
from elepose_core.training.loop import Group
from elepose_core.training.round_trip import new_view, relative_bone_lengths, round_trip_terms
from elepose_core.training.sampling import Keypoints2D, draw_angle, draw_rows, mirrored

__all__ = ['Alternation', 'AlternationConfig', 'Alternators', 'clip_elevations']

_AT_ONCE = 8192
# Poses that one refreshment looks at.
_REFRESHED = 40_000
# A person who is seen in fewer of them keeps the bones.
_ENOUGH_POSES = 50


class AlternationConfig(BaseModel):
    """How clips, priors and bone ratios learn beside the teacher.

    Rates are factors of the teacher's learning rate. Every `refresh_every` steps each clip's
    elevation moves by `smoothing` towards what the teacher says of its frames, and each person's
    bone ratios by `bone_update` towards those of the lifted poses.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    elevation_rate: float = Field(6.0, ge=0)
    prior_rate: float = Field(1.6, gt=0)
    elevation_noise_deg: float = Field(1.0, ge=0)
    refresh_every: int = Field(200, ge=1)
    smoothing: float = Field(0.3, ge=0, le=1)
    bone_update: float = Field(0.33, ge=0, le=1)
    ratio: float = Field(1.0, ge=0, le=1)


class Alternators(nn.Module):
    """Everything that learns in this stage.

    Attributes:
        teacher: Lifter of complete poses that is told up.
        elevation: (clips,) elevation of each clip's camera, radians.
        seen: Density of poses as they are seen from a given elevation and distance.
        made: Density of the teacher's poses, turned, from a given elevation and distance.
        bone_ratios: (people, 16) relative bone lengths with mean 1.
    """

    bone_ratios: Tensor

    def __init__(
        self, teacher: Teacher, elevation: Tensor, prior: FlowPrior, bone_ratios: Tensor
    ) -> None:
        super().__init__()
        self.teacher = teacher
        self.elevation = nn.Parameter(elevation.clone())
        self.seen = prior.requires_grad_(True)
        self.made = copy.deepcopy(prior)
        for block in (*self.seen.modules(), *self.made.modules()):
            # The fixed rotations between the blocks of the flow stay fixed.
            for name, parameter in block.named_parameters(recurse=False):
                parameter.requires_grad_(not name.startswith('w_'))
        self.register_buffer('bone_ratios', bone_ratios.clone())


class Alternation:
    """Recipe of `training.loop`: one elevation per clip instead of one per frame.

    The likelihood of a new view alone draws poses and elevations to where people are seen most
    often. Its ratio to the likelihood of the new view among all new views does not: it is least
    when both kinds of views are distributed alike (the gradient of the Kullback-Leibler
    divergence). Elevations of clips learn from that ratio and from the bones only; the round trip
    would draw them to where the teacher is most exact.
    """

    def __init__(
        self,
        module: Alternators,
        data: Keypoints2D,
        config: AlternationConfig,
        loss_weights: AlternationWeights,
        mirrored_share: float,
        seed: int,
    ) -> None:
        self.module = module
        self._data = data
        self._config = config
        self._weights = loss_weights
        self._mirrored_share = mirrored_share
        self._seed = seed

    @property
    def groups(self) -> list[Group]:
        """Return teacher, elevations and the two priors, each with its own rate."""
        parts, config = self.module, self._config
        return [
            Group(list(parts.teacher.parameters())),
            Group([parts.elevation], config.elevation_rate),
            Group([p for p in parts.seen.parameters() if p.requires_grad], config.prior_rate),
            Group([p for p in parts.made.parameters() if p.requires_grad], config.prior_rate),
        ]

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw poses, their clips, the azimuth of the second view, and noise for the priors."""
        rows, flip = draw_rows(len(self._data.rays), batch_size, self._mirrored_share, generator)
        prior = self.module.seen.config
        noise = torch.randn(2, batch_size, prior.components, generator=generator) * prior.noise
        blur = torch.randn(batch_size, generator=generator) * torch.pi / 180
        return {
            'rays': mirrored(self._data.rays[rows], flip),
            'clip': self._data.clip[rows],
            'person': self._data.person[rows],
            'azimuth_rad': draw_angle(batch_size, torch.pi, generator),
            'seen_noise': noise[0],
            'made_noise': noise[1],
            'elevation_noise_rad': blur
            * torch.deg2rad(torch.tensor(self._config.elevation_noise_deg)),
        }

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight."""
        del step
        parts, weights = self.module, self._weights
        first = observe(draw['rays'], torch.ones_like(draw['rays'][..., 0]))
        by_clip = parts.elevation[draw['clip']]
        elevation = by_clip.detach().requires_grad_()
        up = first.level_up(elevation)
        joints = parts.teacher(first, up)
        second = new_view(joints, up, draw['azimuth_rad'])
        virtual = elevation_and_roll(up)[0].detach()
        made = parts.seen.whitened(scaled_pose(second.observation.pose_2d))
        condition = view_condition(virtual, second.observation.scale.detach())
        ratio = self._likelihood_ratio(made, condition)
        bone = losses.bone_ratio_loss(bone_lengths(joints), parts.bone_ratios[draw['person']])
        judged = weights.likelihood_ratio * ratio + weights.bone_ratio * bone
        (pull,) = torch.autograd.grad(judged, elevation, retain_graph=True)
        return {
            'likelihood_ratio': ratio,
            'bone_ratio': bone,
            # Only the gradient counts: that of `judged` by the elevations of the clips.
            'clip_elevation': (pull.detach() * (by_clip - by_clip.detach())).sum(),
            'elevation': self._elevation_error(first, second.observation, virtual),
            'seen': self._seen_surprise(first, draw, virtual),
            'made': parts.made.negative_log_likelihood(
                made.detach() + draw['made_noise'], condition
            ).mean(),
            **round_trip_terms(parts.teacher, first, joints, up, second),
        }

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term; those that judge nothing weigh 1."""
        del step
        return {**self._weights.model_dump(), 'clip_elevation': 1.0, 'seen': 1.0, 'made': 1.0}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Now and then smooth the elevations of clips and follow the bones of lifted poses."""
        config, parts, data = self._config, self.module, self._data
        if step % config.refresh_every:
            return
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        rows = torch.randint(len(data.rays), (_REFRESHED,), generator=generator)
        means, counts = clip_elevations(parts.teacher, data.select(rows), data.clips)
        # Two frames or fewer say less than the clip's own elevation.
        share = config.smoothing * (counts > 2).float()
        parts.elevation.add_(share * (means - parts.elevation))
        self._follow_bones(data.select(rows))

    def _follow_bones(self, data: Keypoints2D) -> None:
        """Move each person's bone ratios towards those of the lifted poses."""
        parts = self.module
        first = observe(data.rays, torch.ones_like(data.rays[..., 0]))
        joints = parts.teacher(first, first.level_up(parts.elevation[data.clip]))
        total = torch.zeros_like(parts.bone_ratios)
        total.index_add_(0, data.person, relative_bone_lengths(joints))
        count = torch.bincount(data.person, minlength=len(total))
        for person in torch.nonzero(count >= _ENOUGH_POSES).flatten().tolist():
            ratios = symmetric_bones(total[person] / count[person])
            parts.bone_ratios[person].lerp_(ratios / ratios.mean(), self._config.bone_update)

    def _likelihood_ratio(self, made: Tensor, condition: Tensor) -> Tensor:
        """Return how much less likely new views are among seen poses than among new views."""

        def surprise(prior: FlowPrior) -> Tensor:
            # The priors learn from other terms.
            return losses.bounded(prior.frozen_negative_log_likelihood(made, condition))

        if not self._config.ratio:
            return surprise(self.module.seen)
        return surprise(self.module.seen) - self._config.ratio * surprise(self.module.made)

    def _elevation_error(self, first: Observation, second: Observation, truth: Tensor) -> Tensor:
        """Teach the elevation of single frames what the clip says, in both views."""
        teacher = self.module.teacher
        new = Observation(
            second.pose_2d.detach(), second.visible, second.scale.detach(), second.rotation
        )
        errors = (teacher.elevation(first) - truth).abs() + (teacher.elevation(new) - truth).abs()
        return errors.mean()

    def _seen_surprise(
        self, first: Observation, draw: dict[str, Tensor], virtual: Tensor
    ) -> Tensor:
        prior = self.module.seen
        components = prior.whitened(scaled_pose(first.pose_2d)) + draw['seen_noise']
        condition = view_condition(virtual + draw['elevation_noise_rad'], first.scale)
        return prior.negative_log_likelihood(components, condition).mean()


@torch.no_grad()
def clip_elevations(teacher: Teacher, data: Keypoints2D, clips: int) -> tuple[Tensor, Tensor]:
    """Return each clip's mean (clips,) of the elevations of its frames, and their number."""
    total = data.rays.new_zeros(clips)
    count = torch.zeros_like(total)
    for start in range(0, len(data.rays), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        first = observe(data.rays[rows], torch.ones_like(data.rays[rows][..., 0]))
        up = rotated(teacher.up(first), first.rotation.transpose(1, 2))
        clip, elevation = data.clip[rows], elevation_and_roll(up)[0]
        total.index_add_(0, clip, elevation)
        count.index_add_(0, clip, torch.ones_like(elevation))
    return total / count.clamp(min=1), count
