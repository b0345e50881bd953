# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What carries out the stages of a run; what an earlier start has finished is read back."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from elepose_core.priors.flow import FlowPrior
from elepose_core.training.distillation import Lessons
from elepose_core.training.loop import Progress, Recipe, StageConfig, TrainingConfig

__all__ = ['PriorStage', 'Stages', 'seeded']

# Trains a prior, given what to call after each step with step and loss.
PriorStage = Callable[[Callable[[int, float], None]], FlowPrior]


class Stages(Protocol):
    """Shows stages, keeps them and finds what is there already."""

    def prior(self, folder: Path, conditions: int, stage: PriorStage) -> FlowPrior:
        """Return the prior of `folder`, fitted now or by an earlier start."""

    def lessons(self, refined: Callable[[Callable[[int, int], None]], Lessons]) -> Lessons:
        """Return the lessons, refined now or by an earlier start; `refined` tells clips done."""

    def train(self, recipe: Recipe, config: TrainingConfig, folder: Path) -> Progress:
        """Train to the end in `folder`."""


def seeded(config: StageConfig, seed: int) -> TrainingConfig:
    """Return the schedule of a stage with the seed of its run."""
    return TrainingConfig(**config.model_dump(), seed=seed)
