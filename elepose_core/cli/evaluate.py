# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose evaluate`: strict metrics of a bundle or a run."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from elepose_core.data.poseset import PoseSet
    from elepose_core.evaluation.protocol import Lift

__all__ = ['evaluate']


def evaluate(
    model: Annotated[str, tyro.conf.Positional],
    /,
    *,
    data: Annotated[tuple[Path, ...], tyro.conf.arg(metavar='P.npz')],
    json_file: Annotated[Path | None, tyro.conf.arg(name='json')] = None,
    report: Annotated[Path | None, tyro.conf.arg(metavar='DIR')] = None,
    max_missing: int = 0,
    missing: int = 0,
    noise_px: float = 0.0,
    noise_px_at_300: float = 0.0,
    roll_deg: float = 0.0,
    up: Literal['estimated', 'true'] = 'estimated',
    window_s: float | None = None,
    stage: str | None = None,
    seed: int = 0,
) -> None:
    """Measure a bundle or a training run on poses with 3D truth.

    Args:
        model: Bundle folder, name of a shipped bundle (default), or run folder.
        data: PoseSet files with joints_cam_m; several are measured apart, a column each.
        json_file: Write all figures there, also by action; of several sets under by_data.
        report: Write a page with pictures into this folder: report.md.
        max_missing: Hide up to this many random joints of each pose.
        missing: Hide exactly this many random joints of each pose.
        noise_px: Standard deviation of noise on each coordinate, pixels.
        noise_px_at_300: The same for a person 300 pixels high, in proportion for others.
        roll_deg: Turn each clip's image by a random angle within +- this.
        up: true tells the lifter the true up direction.
        window_s: Temporal mode: cut clips into windows of so many seconds and refine each.
        stage: Of a run: measure what an earlier stage ended with, such as teacher.
        seed: Of everything random.
    """
    from elepose_core.data.poseset import PoseSet
    from elepose_core.errors import InputError
    from elepose_core.evaluation.conditions import Conditions
    from elepose_core.evaluation.protocol import measure, summary
    from elepose_core.evaluation.report import text_table
    from elepose_core.files import replacing

    conditions = Conditions(
        max_missing=max_missing,
        missing=missing,
        noise_px=noise_px,
        noise_px_at_300=noise_px_at_300,
        roll_deg=roll_deg,
        up_known=up == 'true',
        seed=seed,
    )
    if not data or len({path.stem for path in data}) < len(data):
        raise InputError(
            f'data is {", ".join(map(str, data)) or "empty"}; expected PoseSet files with '
            'different names'
        )
    lift_for = _lifts_of(model, window_s, stage)
    measured = {}
    for path in data:
        poses = PoseSet.load(path)
        lift = lift_for(poses)
        chosen = lift if window_s is None else _refined(lift, poses, window_s)
        measured[path.stem] = measure(chosen, poses, conditions)
    results = {name: summary(of_set) for name, of_set in measured.items()}
    print(text_table(results))
    if json_file is not None:
        tree: dict[str, Any] = {'model': Path(model).name}
        if len(data) == 1:
            tree |= {'data': data[0].name, **results[data[0].stem]}
        else:
            tree['by_data'] = results
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
    if report is not None:
        from elepose_core.cli.evaluation_report import write_report

        print(write_report(report, Path(model).name, measured, conditions))


def _lifts_of(
    model: str, window_s: float | None, stage: str | None
) -> Callable[['PoseSet'], 'Lift']:
    """Return what gives the lifter of a set: temporal methods must know its clips."""
    if (Path(model) / 'config.toml').is_file():
        from elepose_core.cli.run_reader import check_windows, lift_of_run

        if window_s is not None:
            check_windows(Path(model), window_s)
        return partial(lift_of_run, Path(model), stage=stage)
    from elepose_core.errors import InputError

    if stage is not None:
        raise InputError(f'stage is {stage!r}, but {model} is no run; expected a run folder')
    from elepose_core.runtime.predictor import Predictor

    predictor = Predictor(model, threads=2)
    frames, fps = predictor.manifest.frames, predictor.manifest.fps
    if frames == 1:
        return lambda _: predictor.lift
    from elepose_core.evaluation.clips import over_clips
    from elepose_core.runtime.history import PoseHistory

    if window_s is not None:
        raise InputError(
            f'window_s is {window_s:g}, but {model} looks at {frames} frames itself; '
            'expected no --window-s'
        )
    return lambda poses: over_clips(predictor.lift, poses, PoseHistory(frames, fps))


def _refined(lift: 'Lift', poses: 'PoseSet', window_s: float) -> 'Lift':
    """Return the lifter's temporal mode."""
    from elepose_core.evaluation.windows import lifted_bone_ratios, over_windows
    from elepose_core.refinement.config import WINDOW_REFINEMENT
    from elepose_core.refinement.windows import RefinedWindows

    bones = lifted_bone_ratios(lift, poses)
    config = WINDOW_REFINEMENT.at_rate(poses.fps)
    return over_windows(RefinedWindows(lift, bones, config), poses, window_s)
