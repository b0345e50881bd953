# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One training run on disk: hands the loops their data and keeps what they report."""

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from elepose_core.cli.methods import method_of
from elepose_core.cli.methods.method import LiftFor, check_until
from elepose_core.cli.stages import PriorStage
from elepose_core.config import Experiment, WspConfig, write_experiment
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.conditions import Conditions
from elepose_core.evaluation.protocol import evaluate
from elepose_core.files import replacing
from elepose_core.priors.flow import FlowPrior
from elepose_core.training.checkpoint import git_revision, load_checkpoint, save_checkpoint
from elepose_core.training.device import multiplies_bfloat16
from elepose_core.training.distillation import Lessons
from elepose_core.training.distributed import Processes
from elepose_core.training.loop import Progress, Recipe, Stopped, TrainingConfig, train

__all__ = ['TrainingRun']

# Every n-th pose: the figures of val settle long before all are read.
_VAL_POSES = 2500
# TensorBoard needs no more points than a screen has, and the first ones to see what goes wrong.
_LOG_EVERY = 100
_LOG_FIRST = 10


class TrainingRun:
    """A run folder: config.toml, prior.pt, last.pt, best.pt, TensorBoard events, run.json.

    With several processes only the first writes, shows and measures anything.
    """

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self._method = method_of(experiment)
        self._folder = folder
        self._experiment = experiment
        self._device = device
        self._processes = processes

    def train(self, data: Sequence[Path], val: Path | None, until: str | None = None) -> None:
        """Train to the end of a stage, or of the last one; a run that was cut off goes on."""
        method = self._method
        check_until(method, until)
        learned = method.read(data)
        method.check(self._experiment, learned, until)
        measured = None if val is None else _measurable(val, method.whole_clips)
        first = self._processes.is_first
        if first:
            self._begin(data, method.facts(learned))
        started = time.monotonic()
        try:
            with _Log(self._folder / 'events' if first else None) as log:
                stages = _Stages(self._experiment, self._folder, measured, log, self._processes)
                progress = method.train(self._experiment, learned, self._device, stages, until)
        finally:
            if first:
                self._note_time(time.monotonic() - started)
        if first:
            _tell_end(progress, self._steps(until))

    def _steps(self, until: str | None) -> int:
        stage = {'distillation': 'training', 'joint': 'training', 'refinement': 'alternation'}
        named = 'training' if until is None else stage.get(until, until)
        return int(getattr(self._experiment, named).steps)

    def _begin(self, data: Sequence[Path], facts: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_experiment(self._folder / 'config.toml', self._experiment)
        stages = [section for _, section in self._experiment]
        bfloat16 = any(getattr(stage, 'precision', '') == 'bfloat16' for stage in stages)
        if bfloat16 and not multiplies_bfloat16(self._device):
            print(
                f'this {self._device.type} has no bfloat16 arithmetic (avx512_bf16, amx_bf16): it '
                'is emulated and slower than precision=float32'
            )
        path = self._folder / 'run.json'
        before = _facts(path) if path.exists() else {}
        # A run that goes on with other code says so.
        revisions = f'{before.get("revision") or ""}, {git_revision() or ""}'
        self._write_facts(
            {
                'method': self._method.name,
                'data': [path.name for path in data],
                **facts,
                'revision': ', '.join(dict.fromkeys(filter(None, revisions.split(', ')))),
                'training_s': before.get('training_s', 0.0),
            }
        )

    def _note_time(self, passed_s: float) -> None:
        """Add to the seconds that this run took so far, pauses between its starts left out."""
        facts = _facts(self._folder / 'run.json')
        self._write_facts({**facts, 'training_s': round(facts['training_s'] + passed_s, 1)})

    def _write_facts(self, facts: Mapping[str, Any]) -> None:
        with replacing(self._folder / 'run.json') as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + '\n', encoding='utf-8')


class _Stages:
    """Carries out the stages of one run: `stages.Stages` on disk."""

    def __init__(
        self,
        experiment: Experiment,
        run: Path,
        val: PoseSet | None,
        log: '_Log',
        processes: Processes,
    ) -> None:
        self._experiment = experiment
        self._run = run
        self._val = val
        self._log = log
        self._processes = processes

    def prior(self, folder: Path, conditions: int, stage: PriorStage) -> FlowPrior:
        """Return the prior that the first process fits, unless an earlier run did."""
        assert not isinstance(self._experiment, WspConfig)  # it fits none
        config, path = self._experiment.prior, self._run / folder / 'prior.pt'
        if self._processes.is_first and not path.exists():
            path.parent.mkdir(exist_ok=True)
            with self._log.bar(_title('prior', folder), 0, config.steps, config.batch_size) as bar:

                def on_step(step: int, loss: float) -> None:
                    bar.update(config.batch_size)
                    self._log.now_and_then(_title('prior', folder), {'nat': loss}, step)

                save_checkpoint(path, {'prior': stage(on_step).state_dict()})
        state = self._processes.from_first(lambda: load_checkpoint(path))
        prior = FlowPrior(config, conditions)
        try:
            prior.load_state_dict(state['prior'])
        except (KeyError, RuntimeError):
            raise InputError(
                f'{path} does not fit the settings of this run; expected those it began with'
            ) from None
        return prior.requires_grad_(False)

    def lessons(self, refined: Callable[[Callable[[int, int], None]], Lessons]) -> Lessons:
        """Return the lessons that the first process refines, unless an earlier run did."""
        path = self._run / 'lessons.pt'
        if self._processes.is_first and not path.exists():
            with self._log.bar('refinement', 0, 1, 1, unit=' clips') as bar:

                def on_part(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                save_checkpoint(path, {'lessons': vars(refined(on_part))})
        return Lessons(**self._processes.from_first(lambda: load_checkpoint(path))['lessons'])

    def train(self, recipe: Recipe, config: TrainingConfig, folder: Path) -> Progress:
        """Train to the end, with a bar, TensorBoard and figures on val."""
        last = self._run / folder / 'last.pt'
        start = int(load_checkpoint(last)['step']) if last.exists() else 0
        bar = self._log.bar(_title('lifter', folder), start, config.steps, config.batch_size)
        with bar, _StopOnSignal(self._processes) as stop:

            def on_step(step: int, terms: dict[str, float], _: nn.Module) -> None:
                bar.update(config.batch_size)
                self._log.now_and_then(_title('loss', folder), terms, step)
                stop.raise_if_asked()

            validate = None
            if self._val is not None:
                title = _title('val', folder)
                lift = method_of(self._experiment).lift
                validate = partial(_validate, lift, self._val, self._log, title)
            try:
                return train(
                    recipe, config, self._run / folder, on_step, validate, self._processes
                )
            except FloatingPointError as error:
                raise FloatingPointError(f'{folder.name or "training"}: {error}') from None


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return {'training_s': 0.0, **facts, 'revision': str(facts['revision'])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path} is not the run.json of a run ({error})') from None


def _title(what: str, folder: Path) -> str:
    """Name a part of the stage that works in `folder`; the last works in the run itself."""
    return f'{folder.name} {what}'.strip()


class _Log:
    """TensorBoard and progress bars; silent without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = None if folder is None else SummaryWriter(folder)

    def __enter__(self) -> '_Log':
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def bar(
        self, name: str, start: int, steps: int, batch_size: int, unit: str = ' poses'
    ) -> 'tqdm[Any]':
        """Return a bar that counts poses: their rate compares across batch sizes."""
        return tqdm(
            initial=start * batch_size,
            total=steps * batch_size,
            desc=name,
            unit=unit,
            unit_scale=True,
            disable=True if self._writer is None else None,
        )

    def now_and_then(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Keep values of a step that is shown."""
        if step <= _LOG_FIRST or step % _LOG_EVERY == 0:
            self.scalars(group, values, step)

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f'{group}/{name}', value, step)


def _validate(
    lift: LiftFor, val: PoseSet, log: _Log, title: str, step: int, module: nn.Module
) -> float:
    """Measure on val, tell it, and return the figure that chooses the best step."""
    result = evaluate(lift(module, val), val, Conditions())
    names = ('n_mpjpe_mm', 'pa_mpjpe_mm', 'flip_rate', 'elevation_mae_deg')
    log.scalars(title, {name: result[name] for name in names if name in result}, step)
    tqdm.write(
        f'{title} at step {step}: N-MPJPE {result["n_mpjpe_mm"]:.1f} mm, '
        f'PA {result["pa_mpjpe_mm"]:.1f} mm, '
        f'elevation {result.get("elevation_mae_deg", float("nan")):.1f} deg'
    )
    return float(result['n_mpjpe_mm'])


def _tell_end(progress: Progress, steps: int) -> None:
    best = f'{progress.best:.1f} mm of step {progress.best_step}'
    if progress.step < steps:
        print(
            f'stopped at step {progress.step}: {progress.waited} validations in a row were not '
            f'below the {best} (training.patience)'
        )
    elif progress.best_step:
        print(f'done: best.pt holds the {best}')
    else:
        print(f'done: last.pt holds step {progress.step}')


class _StopOnSignal:
    """Turns Ctrl-C, or SIGTERM as a cluster sends it, into a stop between two steps.

    A second Ctrl-C ends at once. Under torchrun it does not: one Ctrl-C reaches each process
    twice, from the terminal and from torchrun.
    """

    def __init__(self, processes: Processes) -> None:
        self._patient = processes.count > 1
        self._asked = False

    def __enter__(self) -> '_StopOnSignal':
        self._before = {n: signal.signal(n, self._ask) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        self._asked = True
        if not self._patient:
            signal.signal(number, self._before[signal.Signals(number)])

    def raise_if_asked(self) -> None:
        if self._asked:
            raise Stopped


def _measurable(path: Path, whole_clips: bool) -> PoseSet:
    """Read a val set, thinned; refuse one without truth before hours are spent."""
    val = PoseSet.load(path)
    if val.joints_cam_m is None:
        raise InputError(f'{path} has no joints_cam_m; expected 3D truth to measure on')
    every = max(1, len(val) // _VAL_POSES)
    if not whole_clips:
        return val.select(np.arange(0, len(val), every))
    _, clip = np.unique(val.clip_index, return_inverse=True)
    return val.select(np.flatnonzero(clip % every == 0))
