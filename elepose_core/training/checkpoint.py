# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: everything that a resumed run needs to end at the same weights."""

import subprocess
from pathlib import Path
from typing import Any

import torch

from elepose_core.errors import InputError
from elepose_core.files import open_regular, replacing

__all__ = ['best_checkpoint', 'git_revision', 'load_checkpoint', 'save_checkpoint']

_SCHEMA = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values; it appears whole or not at all."""
    with replacing(path) as temporary:
        torch.save({'schema': _SCHEMA, **state}, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without unpickling code.

    Raises:
        InputError: It is absent, damaged or of another schema.
    """
    try:
        with open_regular(path) as file:
            state = torch.load(file, map_location='cpu', weights_only=True)
    except FileNotFoundError:
        raise InputError(f'{path} does not exist; expected a checkpoint of a run') from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(
            f'{path} is not a readable checkpoint ({type(error).__name__}); expected one that '
            'elepose train wrote'
        ) from None
    schema = state.get('schema') if isinstance(state, dict) else None
    if schema != _SCHEMA:
        raise InputError(f'{path} has checkpoint schema {schema}; expected {_SCHEMA}')
    return dict(state)


def git_revision() -> str:
    """Return the revision of the source tree, '' where it is no git checkout."""
    folder = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=12'],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ''
    return answer.stdout.strip()


def best_checkpoint(run: Path) -> dict[str, Any]:
    """Load the checkpoint of a run that val chose, or the last where val chose none."""
    best = run / 'best.pt'
    return load_checkpoint(best if best.exists() else run / 'last.pt')
