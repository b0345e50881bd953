# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose evaluate`: strict metrics of a bundle or a run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from elepose_core.evaluation.protocol import Lift

__all__ = ['evaluate']


def evaluate(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    data: Path,
    json_file: Annotated[Path | None, tyro.conf.arg(name='json')] = None,
    max_missing: int = 0,
    noise_px: float = 0.0,
    roll_deg: float = 0.0,
    up: Literal['estimated', 'true'] = 'estimated',
    seed: int = 0,
) -> None:
    """Measure a bundle or a training run on poses with 3D truth.

    Args:
        model: Bundle folder, name of a shipped bundle (default), or run folder.
        data: PoseSet with joints_cam_m.
        json_file: Write all figures there, also by action.
        max_missing: Hide up to this many random joints of each pose.
        noise_px: Standard deviation of noise on each coordinate, pixels.
        roll_deg: Turn each clip's image by a random angle within +- this.
        up: true tells the lifter the true up direction.
        seed: Of everything random.
    """
    from elepose_core.data.poseset import PoseSet
    from elepose_core.evaluation.protocol import Conditions
    from elepose_core.evaluation.protocol import evaluate as measure
    from elepose_core.evaluation.report import table
    from elepose_core.files import replacing

    conditions = Conditions(max_missing, noise_px, roll_deg, up == 'true', seed)
    result = measure(_lift_of(model), PoseSet.load(data), conditions)
    print(table(result))
    if json_file is not None:
        tree: dict[str, Any] = {'model': Path(model).name, 'data': data.name, **result}
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')


def _lift_of(model: str) -> 'Lift':
    if (Path(model) / 'config.toml').is_file():
        from elepose_core.cli.run_reader import lifter_of_run
        from elepose_core.evaluation.torch_lift import torch_lift

        return torch_lift(lifter_of_run(Path(model))[0])
    from elepose_core.runtime.predictor import Predictor

    return Predictor(model, threads=2).lift
