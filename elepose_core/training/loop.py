# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The loop that trains a network by any recipe, on one process or several."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from elepose_core.errors import InputError
from elepose_core.training.checkpoint import load_checkpoint, save_checkpoint
from elepose_core.training.distributed import ALONE, Processes
from elepose_core.training.precision import multiply_in

__all__ = ['Group', 'Progress', 'Recipe', 'StageConfig', 'Stopped', 'TrainingConfig', 'train']


class Stopped(KeyboardInterrupt):
    """Somebody asked to stop; raised between two steps, so that nothing is half done."""


class StageConfig(BaseModel):
    """Schedule of one stage of training.

    Steps count batches of all processes together. `schedule` falls either in a straight line to
    2 % at the last step, or by the factor `decay` after every `decay_steps`. 0 switches off:
    `largest_gradient` (the norm that gradients are cut to), `patience` (validations without a
    better one before training stops) and `average` (decay per step of a moving average of the
    weights, which is then what is validated, saved as best and exported; a next stage goes on with
    the weights themselves).
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    steps: int = Field(12_000, ge=1)
    batch_size: int = Field(256, ge=8)
    optimiser: Literal['adamw', 'adam'] = 'adamw'
    learning_rate: float = Field(5e-4, gt=0)
    schedule: Literal['linear', 'exponential'] = 'linear'
    decay: float = Field(0.95, gt=0, le=1)
    decay_steps: int = Field(1000, ge=1)
    warm_up_steps: int = Field(200, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    largest_gradient: float = Field(1.0, ge=0)
    precision: Literal['float32', 'bfloat16'] = 'float32'
    average: float = Field(0.0, ge=0, lt=1)
    checkpoint_every: int = Field(500, ge=1)
    validate_every: int = Field(1000, ge=1)
    patience: int = Field(0, ge=0)


class TrainingConfig(StageConfig):
    """Schedule of the last or only stage, and the seed that everything random follows from."""

    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class Group:
    """Parameters that learn at one rate and whose gradient is cut together.

    Attributes:
        parameters: All of them learn.
        rate: Factor of the learning rate.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0


class Recipe(Protocol):
    """What one way of training brings to the loop."""

    @property
    def module(self) -> nn.Module:
        """What is checkpointed, on the device to train on."""

    @property
    def groups(self) -> Sequence[Group]:
        """What learns, in an order that does not change."""

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw one global batch: the poses and everything random (masks, noise, azimuth).

        Args:
            batch_size: Rows of all processes together: the leading axis of every tensor.
            generator: Lives on the CPU, so that every device draws the same.
        """

    def terms(self, draw: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Return scalars by the name of their weight, each a mean over the rows of `draw`.

        Deterministic, or a resumed run would end elsewhere. A mean that leaves rows out depends
        on how many processes share a batch.
        """

    def weights(self, step: int) -> dict[str, float]:
        """Return the weight of each term at a step (1 = the first)."""

    def after_step(self, step: int) -> None:
        """Change what no gradient changes; the same in every process."""


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: Steps done.
        best: Least figure of `validate` so far.
        best_step: Where it was.
        waited: Validations since then.
    """

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    waited: int = 0

    def note(self, figure: float) -> bool:
        """Take in a validation; return whether it is the best so far."""
        better = figure < self.best
        if better:
            self.best, self.best_step, self.waited = figure, self.step, 0
        else:
            self.waited += 1
        return better


def train(
    recipe: Recipe,
    config: TrainingConfig,
    run: Path,
    on_step: Callable[[int, dict[str, float], nn.Module], None],
    validate: Callable[[int, nn.Module], float] | None = None,
    processes: Processes = ALONE,
) -> Progress:
    """Train until the last step or until val no longer improves, or go on from `run/last.pt`.

    Args:
        recipe: What is trained, on what, towards what.
        config: Schedule and seed.
        run: Folder of `last.pt` and, with `validate`, `best.pt`; a run that was cut off goes on
            to the same weights.
        on_step: Called in every process with the step, the terms of the loss over the global
            batch and the module, after each step.
        validate: Called in the first process now and then with the step and the module that would
            be exported; returns the figure that is to become small.
        processes: Each draws the same global batch and learns from its rows; gradients are
            averaged, so that any number of processes takes the same steps.

    Raises:
        Stopped: `on_step` raised it in any process; the state after that step is saved first.
        InputError: The checkpoint belongs to other settings.
        FloatingPointError: A term or the gradient is no longer finite; `last.pt` stays as it was.
    """
    rows = processes.rows(config.batch_size)
    state = _State(recipe, config)
    progress = state.progress
    last = run / 'last.pt'
    if processes.from_first(last.exists):
        state.restore(processes.from_first(lambda: load_checkpoint(last)), last)
    if validate is not None and progress.step == 0:
        processes.from_first(partial(validate, 0, state.exported))  # what training starts from
    while progress.step < config.steps and not 0 < config.patience <= progress.waited:
        draw = recipe.draw(config.batch_size, state.generator)
        draw = {name: values[rows].to(state.device) for name, values in draw.items()}
        terms = _learn(recipe, draw, state, config, processes)
        progress.step += 1
        stopped = False
        try:
            on_step(progress.step, terms, state.module)
        except Stopped:
            stopped = True
        stopped = processes.any(stopped, state.device)
        if validate is not None and progress.step % config.validate_every == 0:
            figure = processes.from_first(partial(validate, progress.step, state.exported))
            if progress.note(figure) and processes.is_first:
                state.save_best(run / 'best.pt')
        # After the reports: a run that is killed in between does the step and its report again.
        due = progress.step % config.checkpoint_every == 0 or progress.step == config.steps
        ended = stopped or 0 < config.patience <= progress.waited
        if (due or ended) and processes.is_first:
            state.save(last)
        if stopped:
            raise Stopped
    return progress


def _learn(
    recipe: Recipe,
    draw: dict[str, Tensor],
    state: '_State',
    config: TrainingConfig,
    processes: Processes,
) -> dict[str, float]:
    """Take one step; return the terms over the batches of all processes."""
    step = state.progress.step + 1
    with multiply_in(config.precision):
        terms = recipe.terms(draw, step)
    weights = recipe.weights(step)
    state.optimiser.zero_grad()
    torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()  # type: ignore[no-untyped-call]
    values = torch.stack([term.detach() for term in terms.values()])
    learning = [p for group in state.groups for p in group.parameters]
    processes.average([values, *(p.grad for p in learning if p.grad is not None)])
    largest = config.largest_gradient or math.inf
    norms = [nn.utils.clip_grad_norm_(group.parameters, largest) for group in state.groups]
    norm = torch.stack(norms).norm()
    # One wait for the device per step: the guard must come before the weights change.
    *found, length = torch.cat([values, norm[None]]).tolist()
    named = dict(zip(terms, found, strict=True))
    rate = _learning_rate(step, config)
    for name, value in {**named, 'the norm of the gradient': length}.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f'{name} is {value} at step {step} (learning rate {rate:.2g}); go on from the '
                'last checkpoint with --resume and a smaller learning_rate or largest_gradient '
                'of this stage, or look for absurd keypoints in the data'
            )
    for group, options in zip(state.groups, state.optimiser.param_groups, strict=True):
        options['lr'] = rate * group.rate
    state.optimiser.step()
    recipe.after_step(step)
    if state.averaged is not None:
        state.averaged.update_parameters(state.module)
    return named


def _learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the rate of a step (1 = the first): it rises over the warm-up, then falls."""
    rate = config.learning_rate * min(1.0, step / config.warm_up_steps)
    if config.schedule == 'exponential':
        return float(rate * config.decay ** ((step - 1) // config.decay_steps))
    return rate * max(0.02, 1 - (step - 1) / config.steps)


class _State:
    """All that a checkpoint holds."""

    def __init__(self, recipe: Recipe, config: TrainingConfig) -> None:
        self.module = module = recipe.module
        self.groups = recipe.groups
        self.device = self.groups[0].parameters[0].device
        kind = torch.optim.AdamW if config.optimiser == 'adamw' else torch.optim.Adam
        self.optimiser = kind(
            [{'params': list(group.parameters)} for group in self.groups],
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.averaged: AveragedModel | None = None
        if config.average:
            average = get_ema_multi_avg_fn(config.average)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(module, multi_avg_fn=average)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.progress = Progress()

    @property
    def exported(self) -> nn.Module:
        return self.module if self.averaged is None else self.averaged.module

    def save(self, path: Path) -> None:
        state = {
            **asdict(self.progress),
            'module': self.module.state_dict(),
            'exported': self.exported.state_dict(),
            'optimiser': self.optimiser.state_dict(),
            'generator': self.generator.get_state(),
        }
        save_checkpoint(path, state)

    def save_best(self, path: Path) -> None:
        save_checkpoint(path, {**asdict(self.progress), 'exported': self.exported.state_dict()})

    def restore(self, state: dict[str, Any], path: Path) -> None:
        try:
            self.module.load_state_dict(state['module'])
            self.optimiser.load_state_dict(state['optimiser'])
            self.generator.set_state(state['generator'])
            for item in fields(Progress):
                setattr(self.progress, item.name, state[item.name])
            if self.averaged is not None:
                self.averaged.module.load_state_dict(state['exported'])
                self.averaged.n_averaged.fill_(self.progress.step)
        except (KeyError, RuntimeError, ValueError):
            raise InputError(
                f'{path} does not fit the settings of this run; expected those it began with'
            ) from None
