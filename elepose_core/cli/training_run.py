# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One training run on disk: hands the loops their data and keeps what they report."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from elepose_core.config import ExperimentConfig, write_experiment
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.protocol import Conditions, evaluate
from elepose_core.evaluation.torch_lift import torch_lift
from elepose_core.files import replacing
from elepose_core.models.lifter import Lifter, observe
from elepose_core.priors.bones import bone_ratios_from_2d
from elepose_core.priors.flow import FlowPrior
from elepose_core.training.checkpoint import git_revision, load_checkpoint, save_checkpoint
from elepose_core.training.loop import Stopped, train
from elepose_core.training.objective import Objective
from elepose_core.training.prior import train_prior

__all__ = ['TrainingRun']

# Every n-th pose: bone ratios and val figures settle long before all are read.
_BONE_STRIDE = 3
_VAL_POSES = 2500


class TrainingRun:
    """A run folder: config.toml, prior.pt, last.pt, best.pt, TensorBoard events, run.json."""

    def __init__(
        self, method: str, folder: Path, experiment: ExperimentConfig, threads: int
    ) -> None:
        self._method = method
        self._folder = folder
        self._experiment = experiment
        torch.set_num_threads(threads or os.cpu_count() or 1)

    def train(self, data: Sequence[Path], val: Path | None) -> None:
        """Train prior and lifter to the end; a run that was cut off goes on."""
        rays = _complete_rays(data)
        measured = None if val is None else _thinned(PoseSet.load(val))
        self._folder.mkdir(parents=True, exist_ok=True)
        write_experiment(self._folder / 'config.toml', self._experiment)
        self._describe(data, rays)
        with SummaryWriter(self._folder / 'events') as writer:
            prior = self._prior(rays, writer)
            self._lifter(rays, prior, measured, writer)

    def _describe(self, data: Sequence[Path], rays: Tensor) -> None:
        path = self._folder / 'run.json'
        if path.exists():
            return  # a run keeps the revision that it began with
        facts = {
            'method': self._method,
            'data': [path.name for path in data],
            'poses': len(rays),
            'revision': git_revision(),
        }
        _write_json(path, facts)

    def _prior(self, rays: Tensor, writer: SummaryWriter) -> FlowPrior:
        config, path = self._experiment.prior, self._folder / 'prior.pt'
        if path.exists():
            prior = FlowPrior(config)
            try:
                prior.load_state_dict(load_checkpoint(path)['prior'])
            except (KeyError, RuntimeError):
                raise InputError(
                    f'{path} does not fit the settings of this run; expected those it began with'
                ) from None
            return prior.requires_grad_(False)
        with tqdm(total=config.steps, desc='prior', disable=None) as bar:

            def on_step(step: int, loss: float) -> None:
                bar.update()
                if step % 100 == 0:
                    writer.add_scalar('prior/nat', loss, step)

            seed = self._experiment.training.seed
            prior = train_prior(rays, config, self._experiment.sampling, seed, on_step)
        save_checkpoint(path, {'prior': prior.state_dict()})
        return prior

    def _lifter(
        self, rays: Tensor, prior: FlowPrior, val: PoseSet | None, writer: SummaryWriter
    ) -> None:
        experiment = self._experiment
        config = experiment.training
        every = observe(rays[::_BONE_STRIDE], torch.ones(len(rays[::_BONE_STRIDE]), 17))
        ratios = bone_ratios_from_2d(every.pose_2d)
        done = self._folder / 'last.pt'
        start = int(load_checkpoint(done)['step']) if done.exists() else 0
        torch.manual_seed(config.seed)
        lifter = Lifter(experiment.lifter)
        recipe = Objective(lifter, rays, prior, ratios, experiment.losses, experiment.sampling)
        bar = tqdm(total=config.steps, initial=start, desc='lifter', disable=None)
        with bar, _StopOnInterrupt() as stop:

            def on_step(step: int, terms: dict[str, float], _: nn.Module) -> None:
                bar.update()
                if step % 100 == 0:
                    for name, value in terms.items():
                        writer.add_scalar(f'loss/{name}', value, step)
                stop.raise_if_asked()

            def validate(step: int, module: nn.Module) -> float:
                assert isinstance(module, Lifter)
                assert val is not None
                return _validate(step, module, val, writer)

            measure = None if val is None else validate
            train(recipe, config, self._folder, on_step, measure)


def _validate(step: int, lifter: Lifter, val: PoseSet, writer: SummaryWriter) -> float:
    """Measure on val, tell it, and return the figure that chooses the best step."""
    result = evaluate(torch_lift(lifter), val, Conditions())
    for name in ('n_mpjpe_mm', 'pa_mpjpe_mm', 'flip_rate', 'elevation_mae_deg'):
        if name in result:
            writer.add_scalar(f'val/{name}', result[name], step)
    tqdm.write(
        f'step {step}: val N-MPJPE {result["n_mpjpe_mm"]:.1f} mm, PA {result["pa_mpjpe_mm"]:.1f} '
        f'mm, elevation {result.get("elevation_mae_deg", float("nan")):.1f} deg'
    )
    return float(result['n_mpjpe_mm'])


class _StopOnInterrupt:
    """Turns the first Ctrl-C into a stop between two steps; the second ends at once."""

    def __enter__(self) -> '_StopOnInterrupt':
        self._asked = False
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, *_: object) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, self._before)

    def raise_if_asked(self) -> None:
        if self._asked:
            raise Stopped


def _complete_rays(data: Sequence[Path]) -> Tensor:
    """Read all files and keep the poses without a missing joint: they are the truth to learn."""
    parts = []
    for path in data:
        poses = PoseSet.load(path)
        complete = (poses.scores > 0).all(1) & np.isfinite(poses.keypoints_px).all((1, 2))
        parts.append(poses.rays[complete].astype(np.float32))
    rays = np.concatenate(parts)
    if len(rays) < 1000:
        names = ', '.join(str(path) for path in data)
        raise InputError(f'{names}: {len(rays)} poses have all joints; expected 1000 or more')
    return torch.from_numpy(rays)


def _thinned(val: PoseSet) -> PoseSet:
    return val.select(np.arange(0, len(val), max(1, len(val) // _VAL_POSES)))


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
