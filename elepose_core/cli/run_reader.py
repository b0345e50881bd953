# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a run folder back."""

import json
from pathlib import Path
from typing import Any, Literal

from elepose_core.cli.recipes import lift_of, untrained
from elepose_core.config import PublishedConfig, read_experiment
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Lift
from elepose_core.models.elepose_paper import ElePoseLifter
from elepose_core.models.graph import LiftingGraph
from elepose_core.models.teacher import Teacher
from elepose_core.training.checkpoint import load_checkpoint

__all__ = ['graph_of_run', 'lift_of_run', 'lift_of_teacher']


def lift_of_run(run: Path) -> Lift:
    """Return what the protocol measures of a run of any recipe; errors see `graph_of_run`."""
    return lift_of(_read(run)[0])


def graph_of_run(run: Path) -> tuple[LiftingGraph, dict[str, Any]]:
    """Return the best lifter of a run (the last where val chose none) and the facts of the run.

    Raises:
        InputError: The folder is no run, its parts do not fit each other, or it trained the
            published method, which no bundle can hold.
    """
    module, facts = _read(run)
    if not isinstance(module, LiftingGraph):
        raise _of_published_method(run)
    return module, facts


def lift_of_teacher(run: Path, stage: Literal['discovery', 'alternation']) -> Lift:
    """Return what the protocol measures of the teacher at the end of an earlier stage."""
    experiment = read_experiment(run / 'config.toml')
    if isinstance(experiment, PublishedConfig):
        raise _of_published_method(run)
    state = load_checkpoint(run / stage / 'last.pt')['exported']
    if stage == 'alternation':
        of_teacher = 'teacher.'
        state = {
            k.removeprefix(of_teacher): v for k, v in state.items() if k.startswith(of_teacher)
        }
    teacher = Teacher(experiment.lifter)
    teacher.load_state_dict(state)
    return lift_of(teacher.eval())


def _of_published_method(run: Path) -> InputError:
    return InputError(f'{run} trained the published method; expected a run of our own recipe')


def _read(run: Path) -> tuple[LiftingGraph | ElePoseLifter, dict[str, Any]]:
    experiment = read_experiment(run / 'config.toml')
    best = run / 'best.pt'
    state = load_checkpoint(best if best.exists() else run / 'last.pt')
    module = untrained(experiment)
    try:
        module.load_state_dict(state['exported'])
    except (KeyError, RuntimeError):
        raise InputError(f'{run}: the checkpoint does not fit config.toml') from None
    facts_path = run / 'run.json'
    try:
        facts = json.loads(facts_path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(f'{facts_path} is not a readable JSON file ({error})') from None
    return module.eval(), {**facts, 'step': state['step'], 'config': experiment.model_dump()}
