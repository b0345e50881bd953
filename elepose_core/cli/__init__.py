# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The command `elepose`: one verb, one file.

Exit codes: 0 done, 2 wrong use or bad input (one sentence), 1 a bug or a training that diverged.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from elepose_core.errors import InputError

__all__ = ['main']


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and leave the process with its exit code."""
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            _verbs(), prog='elepose', description='3D people from one camera.', args=arguments
        )
    except InputError as error:
        print(f'elepose: {error}', file=sys.stderr)
        sys.exit(2)
    except FloatingPointError as error:
        print(f'elepose: {error}', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            'elepose: stopped by Ctrl-C; nothing half-written is left, and a training run goes on '
            'with --resume',
            file=sys.stderr,
        )
        sys.exit(130)
    sys.exit(code or 0)


def _verbs() -> dict[str, Callable[..., Any]]:
    from elepose_core.cli import (
        bench,
        convert,
        doctor,
        evaluate,
        export,
        lift,
        train,
        video_to_bag,
        view,
    )

    return {
        'train': train.train,
        'evaluate': evaluate.evaluate,
        'export': export.export,
        'lift': lift.lift,
        'view': view.view,
        'convert': convert.convert,
        'video-to-bag': video_to_bag.video_to_bag,
        'bench': bench.bench,
        'doctor': doctor.doctor,
    }
