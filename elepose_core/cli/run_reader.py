# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Reading a run folder back."""

import json
from pathlib import Path
from typing import Any

from elepose_core.config import read_experiment
from elepose_core.errors import InputError
from elepose_core.models.lifter import Lifter
from elepose_core.training.checkpoint import load_checkpoint

__all__ = ['lifter_of_run']


def lifter_of_run(run: Path) -> tuple[Lifter, dict[str, Any]]:
    """Return the best lifter of a run (the last where val chose none) and the facts of the run.

    Raises:
        InputError: The folder is no run, or its parts do not fit each other.
    """
    experiment = read_experiment(run / 'config.toml')
    best = run / 'best.pt'
    state = load_checkpoint(best if best.exists() else run / 'last.pt')
    lifter = Lifter(experiment.lifter)
    try:
        lifter.load_state_dict(state['exported'])
    except (KeyError, RuntimeError):
        raise InputError(f'{run}: the checkpoint does not fit config.toml') from None
    facts_path = run / 'run.json'
    try:
        facts = json.loads(facts_path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(f'{facts_path} is not a readable JSON file ({error})') from None
    return lifter.eval(), {**facts, 'step': state['step'], 'config': experiment.model_dump()}
