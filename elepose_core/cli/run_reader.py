# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a run folder back."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from elepose_core.cli.methods import method_of
from elepose_core.cli.methods.method import Method
from elepose_core.config import read_experiment
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError, shown
from elepose_core.evaluation.protocol import Lift
from elepose_core.training.checkpoint import best_checkpoint, load_checkpoint

__all__ = ['check_windows', 'lift_of_run', 'read_run']


def check_windows(run: Path, window_s: float) -> None:
    """Refuse to cut clips into windows for a method that looks at whole clips itself."""
    method = method_of(read_experiment(run / 'config.toml'))
    if method.whole_clips:
        raise InputError(
            f'window_s is {window_s:g}, but the method {method.name} of {run} looks at '
            'neighbouring frames itself; expected no --window-s'
        )


def lift_of_run(run: Path, poses: PoseSet, stage: str | None = None) -> Lift:
    """Return what the protocol measures of a run, or of one of its stages, on a set.

    Raises:
        InputError: See `read_run`; or the method has no such stage that can be measured.
    """
    if stage is not None:
        return _lift_of_stage(run, stage, poses)
    module, method, _ = read_run(run)
    return method.lift(module, poses)


def _lift_of_stage(run: Path, stage: str, poses: PoseSet) -> Lift:
    experiment = read_experiment(run / 'config.toml')
    method = method_of(experiment)
    if stage not in method.of_stage:
        known = ', '.join(method.of_stage) or 'none'
        raise InputError(
            f'stage is {stage!r}; expected one of the method {method.name} to measure: {known}'
        )
    state = load_checkpoint(run / stage / 'last.pt')
    try:
        module = method.of_stage[stage](experiment, state['exported'])
    except (KeyError, RuntimeError):
        raise InputError(f'{run / stage}: the checkpoint does not fit config.toml') from None
    return method.lift(module.eval(), poses)


def read_run(run: Path) -> tuple[nn.Module, Method, dict[str, Any]]:
    """Return the best module of a run (the last where val chose none), its method and its facts.

    Raises:
        InputError: The folder is no run, or its parts do not fit each other.
    """
    experiment = read_experiment(run / 'config.toml')
    method = method_of(experiment)
    state = best_checkpoint(run)
    module = method.untrained(experiment)
    try:
        module.load_state_dict(state['exported'])
    except (KeyError, RuntimeError):
        raise InputError(f'{run}: the checkpoint does not fit config.toml') from None
    facts_path = run / 'run.json'
    try:
        facts = json.loads(facts_path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(f'{facts_path} is not a readable JSON file ({error})') from None
    if not isinstance(facts, dict):
        raise InputError(f'{facts_path} holds {shown(facts)}; expected the facts of a run')
    facts |= {'step': state['step'], 'config': experiment.model_dump()}
    return module.eval(), method, facts
