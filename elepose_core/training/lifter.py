# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop that teaches the lifter from 2D poses alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core.errors import InputError
from elepose_core.models.lifter import Lifter, LifterConfig
from elepose_core.training.checkpoint import load_checkpoint, save_checkpoint
from elepose_core.training.objective import Objective
from elepose_core.training.sampling import draw_rays

__all__ = ['Stopped', 'TrainingConfig', 'train_lifter']


class Stopped(KeyboardInterrupt):
    """Somebody asked to stop; raised between two steps, so that nothing is half done."""


class TrainingConfig(BaseModel):
    """Schedule of the lifter."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    steps: int = Field(12_000, ge=1)
    batch_size: int = Field(256, ge=8)
    learning_rate: float = Field(5e-4, gt=0)
    warm_up_steps: int = Field(200, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    largest_gradient: float = Field(1.0, gt=0)
    checkpoint_every: int = Field(500, ge=1)
    validate_every: int = Field(1000, ge=1)
    seed: int = Field(0, ge=0)


def train_lifter(
    rays: Tensor,
    objective: Objective,
    lifter_config: LifterConfig,
    config: TrainingConfig,
    run: Path,
    on_step: Callable[[int, dict[str, float], Lifter], None],
) -> Lifter:
    """Train until the last step, or go on from `run/last.pt`.

    Args:
        rays: (N, 17, 2) complete poses in normalised image coordinates; nothing else is known.
        objective: Prior, bone ratios, weights, sampling.
        lifter_config: Size of the networks.
        config: Schedule and seed.
        run: Folder of the checkpoint; a run that was cut off goes on to the same weights.
        on_step: Called with the step, the terms of the loss and the lifter after each step.

    Raises:
        Stopped: `on_step` raised it; the state after that whole step is saved first.
        InputError: The checkpoint belongs to other settings.
        FloatingPointError: A term of the loss is no longer finite; names it and the step.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    lifter = Lifter(lifter_config)
    optimiser = torch.optim.AdamW(
        lifter.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    last = run / 'last.pt'
    step = _restore(last, lifter, optimiser, generator) if last.exists() else 0
    try:
        while step < config.steps:
            for group in optimiser.param_groups:
                group['lr'] = _learning_rate(step, config)
            batch = draw_rays(rays, config.batch_size, objective.sampling, generator)
            terms = objective.terms(lifter, batch, generator)
            loss = objective.weighted(terms, step + 1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(lifter.parameters(), config.largest_gradient)
            optimiser.step()
            step += 1
            on_step(step, {name: term.item() for name, term in terms.items()}, lifter)
            # After `on_step`: a run that is killed in between does the step and its report again.
            if step % config.checkpoint_every == 0 or step == config.steps:
                _save(last, step, lifter, optimiser, generator)
    except Stopped:
        _save(last, step, lifter, optimiser, generator)
        raise
    return lifter


def _learning_rate(step: int, config: TrainingConfig) -> float:
    """Rise over the warm-up, then fall in a straight line to 2 % at the last step."""
    warm = min(1.0, (step + 1) / config.warm_up_steps)
    return config.learning_rate * warm * max(0.02, 1 - step / config.steps)


def _save(
    path: Path,
    step: int,
    lifter: Lifter,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    state: dict[str, Any] = {
        'step': step,
        'lifter': lifter.state_dict(),
        'optimiser': optimiser.state_dict(),
        'generator': generator.get_state(),
    }
    save_checkpoint(path, state)


def _restore(
    path: Path, lifter: Lifter, optimiser: torch.optim.Optimizer, generator: torch.Generator
) -> int:
    state = load_checkpoint(path)
    try:
        lifter.load_state_dict(state['lifter'])
        optimiser.load_state_dict(state['optimiser'])
        generator.set_state(state['generator'])
        return int(state['step'])
    except (KeyError, RuntimeError, ValueError):
        raise InputError(
            f'{path} does not fit the settings of this run; expected the settings it began with'
        ) from None
