# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What a method of training brings to the command."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from elepose_core.bundle import Bundle, Manifest
from elepose_core.cli.stages import Stages
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.export.serialized import Precision
from elepose_core.training.loop import Progress

__all__ = ['BundleRequest', 'LiftFor', 'Method', 'OfStage', 'check_until', 'holding']

# A trained module and the set that it shall lift -> the lifter of the rows of that set.
LiftFor = Callable[[nn.Module, PoseSet], Lift]

# Settings and the weights of a checkpoint -> the module that holds them.
OfStage = Callable[[Any, dict[str, Tensor]], nn.Module]


class BundleRequest(NamedTuple):
    """What a bundle is written from.

    Attributes:
        folder: Name of the bundle, `<name>.elepose`.
        manifest: All that is known of it.
        poses: Set that training did not see: calibrates where it has truth, and is compared on.
        precision: Of the stored weights.
    """

    folder: Path
    manifest: Manifest
    poses: PoseSet
    precision: Precision


@dataclass(frozen=True)
class Method:
    """One recipe of `config`, as `elepose train`, `evaluate` and `export` use it.

    Attributes:
        name: Of the method on the command line; recipes may share one.
        read: Data files -> what is learned from; refuses bad files before the run folder is made.
        facts: What `run.json` says of it.
        train: (experiment, data, device, stages, until) -> how the last stage went; `until` names
            one of `stages`, or is None for all.
        untrained: Experiment -> the module that `best.pt` and `last.pt` of the run fit.
        lift: How a trained module is measured; every module that a stage validates must do.
        write_bundle: A trained module -> a bundle; refuses where none can hold it.
        stages: In order, those that `--until` may name.
        of_stage: Experiment and the weights of the last checkpoint in the run's folder of this
            name -> the module that holds them; of the stages that `evaluate --stage` may name.
        check: (experiment, data, until) -> nothing; refuses settings that the data or the files
            they name do not go with, before the run folder is made.
        whole_clips: Whether val must keep clips whole: the method looks at neighbouring frames.
    """

    name: str
    read: Callable[[Sequence[Path]], Any]
    facts: Callable[[Any], dict[str, Any]]
    train: Callable[[Any, Any, torch.device, Stages, str | None], Progress]
    untrained: Callable[[Any], nn.Module]
    lift: LiftFor
    write_bundle: Callable[[nn.Module, BundleRequest], Bundle]
    stages: tuple[str, ...] = ()
    of_stage: Mapping[str, OfStage] = field(default_factory=dict)
    check: Callable[[Any, Any, str | None], None] = field(default=lambda *_: None)
    whole_clips: bool = False


def holding(untrained: Callable[[Any], nn.Module]) -> OfStage:
    """Return what makes a module by its settings and gives it its weights."""

    def of_stage(experiment: Any, weights: dict[str, Tensor]) -> nn.Module:
        module = untrained(experiment)
        module.load_state_dict(weights)
        return module

    return of_stage


def check_until(method: Method, until: str | None) -> None:
    """Refuse a stage that the method does not have."""
    if until is not None and until not in method.stages:
        known = ', '.join(method.stages) or 'none: it has one stage only'
        raise InputError(
            f'until is {until!r}; expected a stage of the method {method.name}: {known}'
        )
