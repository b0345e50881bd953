# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop that fits the prior to 2D poses."""

from collections.abc import Callable

import torch
from torch import Tensor

from elepose_core.geometry.virtual_camera import elevation_and_roll
from elepose_core.models.observation import observe
from elepose_core.priors.flow import FlowPrior, PriorConfig, scaled_pose, view_condition
from elepose_core.training.sampling import Keypoints2D, draw_rows, mirrored

__all__ = ['fit_prior', 'train_prior']

# Enough poses to fit 28 axes; the decomposition of all would only take longer.
_COMPONENT_POSES = 40_000


def train_prior(
    data: Keypoints2D,
    config: PriorConfig,
    seed: int,
    on_step: Callable[[int, float], None],
    mirrored_share: float = 0.5,
    clip_elevation: Tensor | None = None,
) -> FlowPrior:
    """Fit the density of scaled 2D poses, given the view where elevations are known.

    Args:
        data: Complete poses.
        config: Size and schedule.
        seed: Everything random follows from it.
        on_step: Called with step and loss (nat per pose) after each step.
        mirrored_share: Share of poses that are mirrored left to right.
        clip_elevation: (clips,) radians; without them the density is that of all views.

    Returns:
        The frozen prior.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """

    def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        rows, flip = draw_rows(len(data.rays), count, mirrored_share, generator)
        rays = mirrored(data.rays[rows], flip)
        seen = observe(rays, torch.ones(rays.shape[:2]))
        if clip_elevation is None:
            return scaled_pose(seen.pose_2d), None
        elevation = clip_elevation[data.clip[rows]]
        virtual, _ = elevation_and_roll(seen.level_up(elevation))
        return scaled_pose(seen.pose_2d), view_condition(virtual, seen.scale)

    return fit_prior(draw, config, seed, on_step)


def fit_prior(
    draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor | None]],
    config: PriorConfig,
    seed: int,
    on_step: Callable[[int, float], None],
) -> FlowPrior:
    """Fit the density of what `draw` draws: (count, 34) poses and their conditions, if any."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    poses, condition = draw(_COMPONENT_POSES, generator)
    prior = FlowPrior(config, 0 if condition is None else condition.shape[1])
    prior.fit_components(poses)
    parameters = [p for p in prior.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, config.steps)
    for step in range(1, config.steps + 1):
        poses, condition = draw(config.batch_size, generator)
        components = prior.whitened(poses)
        noise = torch.randn(components.shape, generator=generator)
        loss = prior.negative_log_likelihood(components + config.noise * noise, condition).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(f'prior: the loss is {loss.item()} at step {step}')
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        on_step(step, loss.item())
    return prior.requires_grad_(False)
