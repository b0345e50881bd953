# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose train`: learn a lifter by one of several methods, most from 2D keypoints alone."""

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ['MethodName', 'train']

MethodName = Literal['elepose', 'supervised', 'geometric', 'posenet3d', 'adapter', 'wsp']


def train(
    method: Annotated[MethodName, tyro.conf.Positional],
    /,
    *,
    data: Annotated[tuple[Path, ...], tyro.conf.arg(metavar='P.npz')],
    out: Path,
    config: Path | None = None,
    set: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar='a.b=v'), tyro.conf.UseAppendAction
    ] = (),
    val: Path | None = None,
    resume: bool = False,
    until: str | None = None,
    device: str = 'auto',
    threads: int = 0,
) -> None:
    """Learn a lifter, by all methods but `supervised` and `wsp` from 2D keypoints alone.

    On several GPUs or machines: torchrun --nproc-per-node N -m elepose_core train ...

    Args:
        method: Training method.
        data: PoseSet files; only `supervised` and `wsp` look at 3D truth in them.
        out: Folder of the run.
        config: TOML file of settings.
        set: Override of a single setting; may be given several times.
        val: PoseSet with 3D truth to measure on now and then; it chooses the best step.
        resume: Go on with the run in `out`.
        until: Stage to stop after, such as discovery; --resume goes on with the next.
        device: auto (a GPU where there is one), cpu, cuda or cuda:N.
        threads: CPU threads of this process, 0 = its share of all.
    """
    # Before torch is loaded: its threads otherwise spin while they wait for each other, and where
    # cores are shared or virtual a step then takes many times as long.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    from elepose_core.cli.training_run import TrainingRun
    from elepose_core.config import read_experiment
    from elepose_core.errors import InputError
    from elepose_core.training.device import choose_device, use_threads
    from elepose_core.training.distributed import joined

    if not data:
        raise InputError('data is empty; expected at least one PoseSet npz file')
    if threads < 0:
        raise InputError(f'threads is {threads}; expected 0 for all or a number of threads')
    if out.is_file():
        raise InputError(f'{out} is a file; expected a folder for the run')
    if resume and config is None:
        config = out / 'config.toml'
    elif not resume and out.exists() and any(out.iterdir()):
        raise InputError(f'{out} is not empty; expected a new folder, or --resume to go on')
    experiment = read_experiment(config, set, method)
    with joined(device) as processes:
        place = choose_device(device, processes)
        use_threads(threads, processes)
        TrainingRun(out, experiment, place, processes).train(data, val, until)
