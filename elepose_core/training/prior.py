# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop that fits the prior to 2D poses."""

from collections.abc import Callable

import torch
from torch import Tensor

from elepose_core.models.lifter import observe
from elepose_core.priors.flow import FlowPrior, PriorConfig, scaled_pose
from elepose_core.training.sampling import SamplingConfig, draw_rays

__all__ = ['fit_prior', 'train_prior']

# Enough poses to fit 28 axes; the decomposition of all would only take longer.
_COMPONENT_POSES = 40_000


def train_prior(
    rays: Tensor,
    config: PriorConfig,
    sampling: SamplingConfig,
    seed: int,
    on_step: Callable[[int, float], None],
) -> FlowPrior:
    """Fit the density of scaled 2D poses.

    Args:
        rays: (N, 17, 2) complete poses in normalised image coordinates.
        config: Size and schedule.
        sampling: Only its mirroring is used.
        seed: Everything random follows from it.
        on_step: Called with step and loss (nat per pose) after each step.

    Returns:
        The frozen prior.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """

    def draw(count: int, generator: torch.Generator) -> Tensor:
        return _scaled(draw_rays(rays, count, sampling, generator))

    return fit_prior(draw, config, seed, on_step)


def fit_prior(
    draw: Callable[[int, torch.Generator], Tensor],
    config: PriorConfig,
    seed: int,
    on_step: Callable[[int, float], None],
) -> FlowPrior:
    """Fit the density of what `draw` draws: (count, 34) scaled poses; see `train_prior`."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    prior = FlowPrior(config)
    prior.fit_components(draw(_COMPONENT_POSES, generator))
    parameters = [p for p in prior.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, config.steps)
    for step in range(1, config.steps + 1):
        components = prior.whitened(draw(config.batch_size, generator))
        noise = torch.randn(components.shape, generator=generator)
        loss = prior.negative_log_likelihood(components + config.noise * noise).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(f'prior: the loss is {loss.item()} at step {step}')
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        on_step(step, loss.item())
    return prior.requires_grad_(False)


def _scaled(rays: Tensor) -> Tensor:
    return scaled_pose(observe(rays, torch.ones(rays.shape[:2])).pose_2d)
