# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""All methods of training side by side: train what is missing, measure, print one table.

python tools/methods.py DATA RUNS [--train] [--latency] [--only ROW ...] [--seeds 0 1]

DATA holds mocap/*.npz, RUNS the runs, RUNS/<row>_seed_<n>. A run that is there is measured on the
four test sets; one that is not is trained with --train, and else the figures that were committed
stay. docs/results/methods holds the figures, one file for each row and seed, and what --latency
measures of the shipped bundles. Without DATA and RUNS: print the tables of what is there.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from methods_table import RESULTS, ROWS, Row, short_table, tables
from results_table import SETS

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.evaluation.conditions import Conditions
from elepose_core.evaluation.protocol import Lift, evaluate
from elepose_core.files import replacing
from elepose_core.models.observation import observe
from elepose_core.runtime.predictor import Predictor

# Repetitions of each bundle, in turns: what slows the machine down slows all of them down.
_ROUNDS = 300
_TOOLS = Path(__file__).resolve().parent
# Name of a file of pictures -> set, how many of it (0 = all), seed.
_PICTURES = {
    'finetune_3d': ('finetune_3d', 0, 0),
    'val': ('val', 2000, 1),
    'train_2d_a': ('train_2d', 8000, 2),
    'train_2d_b': ('train_2d', 8000, 7),
    **{name: (name, 2000, 3 + number) for number, name in enumerate(SETS)},
}


@dataclass(frozen=True)
class _Places:
    data: Path
    runs: Path

    def run(self, name: str, seed: int) -> Path:
        return self.runs / f'{name}_seed_{seed}'

    def sets(self, row: Row) -> dict[str, Path]:
        folder = self.runs / row.images if row.images else self.data / 'mocap'
        return {name: folder / f'{name}.npz' for name in SETS}


def main() -> None:
    """Train, measure and print what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path, nargs='?')
    parser.add_argument('runs', type=Path, nargs='?')
    parser.add_argument('--train', action='store_true')
    parser.add_argument('--latency', action='store_true')
    parser.add_argument('--short', action='store_true', help='print the table of the README only')
    parser.add_argument('--only', nargs='*', default=list(ROWS), choices=list(ROWS), metavar='ROW')
    parser.add_argument('--seeds', nargs='*', type=int, default=[0, 1])
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if options.runs is not None:
        places = _Places(options.data, options.runs)
        for name in options.only:
            for seed in options.seeds[:1] if ROWS[name].seedless else options.seeds:
                _row(name, seed, places, options.train)
    if options.latency:
        _write(RESULTS / 'latency.json', latency())
    print(short_table() if options.short else '\n\n'.join(tables()))


def _row(name: str, seed: int, places: _Places, train: bool) -> None:
    row, path = ROWS[name], RESULTS / f'{name}_seed_{seed}.json'
    if row.seedless:
        _write(path, {'sets': _measured(lambda _: flat, places.sets(row))})
        return
    run = places.run(row.of_run or name, seed)
    if train and row.images:
        _render(row, places)
    if train and row.command is not None:
        _train(row.command, run, seed, places)
    if not (run / 'run.json').exists():
        print(f'{name}, seed {seed}: no run at {run}; committed figures stay', file=sys.stderr)
        return
    _write(path, _of_run(row, run, places))


def _render(row: Row, places: _Places) -> None:
    """Render the pictures that are not there, as docs/training.md says."""
    folder = places.runs / str(row.images)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (of_set, count, seed) in _PICTURES.items():
        out = folder / f'{name}.npz'
        if out.exists():
            continue
        words = [places.data / 'mocap' / f'{of_set}.npz', '--out', out, '--seed', seed]
        words += ['--photographs', places.data / 'media' / 'coco']
        words += ['--count', count] if count else []
        command = [sys.executable, str(_TOOLS / 'render_people.py'), *map(str, words)]
        if code := subprocess.run(command, check=False).returncode:
            sys.exit(code)


def _train(words: str, run: Path, seed: int, places: _Places) -> None:
    resume = ['--resume'] if (run / 'config.toml').exists() else []
    command = [sys.executable, '-m', 'elepose_core', 'train']
    command += words.format(data=places.data / 'mocap', runs=places.runs).split()
    command += ['--set', f'training.seed={seed}', '--out', str(run), *resume]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)


def _of_run(row: Row, run: Path, places: _Places) -> dict[str, Any]:
    """Measure a run; says how large its network is and what training took."""
    from elepose_core.cli.run_reader import lift_of_run, read_run

    facts = json.loads((run / 'run.json').read_text(encoding='utf-8'))
    found: dict[str, Any] = {
        'sets': _measured(lambda of: lift_of_run(run, of, row.stage), places.sets(row)),
        'revision': facts['revision'],
    }
    if row.stage is None:
        module, _, more = read_run(run)
        found |= {'step': more['step'], 'training_s': facts.get('training_s')}
        found['parameters'] = sum(parameter.numel() for parameter in module.parameters())
    return found


def _measured(lift_for: Callable[[PoseSet], Lift], sets: dict[str, Path]) -> dict[str, Any]:
    loaded = {name: PoseSet.load(path) for name, path in sets.items()}
    return {name: _figures(lift_for(poses), poses) for name, poses in loaded.items()}


def _figures(lift: Lift, poses: PoseSet) -> dict[str, Any]:
    result = evaluate(lift, poses, Conditions())
    return {
        k: round(v, 5) if isinstance(v, float) else v
        for k, v in result.items()
        if k != 'by_action'
    }


def flat(
    rays: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], up_cam: Any
) -> tuple[np.ndarray[Any, Any], ...]:
    """Lift without knowing anything: all joints at the depth of the pelvis, a level camera."""
    import torch

    del up_cam
    seen = observe(torch.from_numpy(rays), torch.from_numpy(np.ones_like(scores)))
    depth = torch.ones_like(seen.pose_2d[..., :1])
    joints = torch.cat([seen.pose_2d, depth], dim=-1) @ seen.rotation
    level = np.tile(np.array([0.0, -1.0, 0.0], np.float32), (len(rays), 1))
    return joints.numpy(), level


def latency() -> dict[str, Any]:
    """Return milliseconds of one thread for one person, by bundle, and relative to `default`."""
    predictors = {}
    for name in dict.fromkeys(row.bundle for row in ROWS.values() if row.bundle):
        try:
            predictors[name] = Predictor(name, threads=1)
        except InputError as error:
            print(f'{name}: {error}', file=sys.stderr)
    random = np.random.default_rng(0)
    rays = {
        name: random.normal(0, 0.1, (1, *_window(predictor), 17, 2)).astype(np.float32)
        for name, predictor in predictors.items()
    }
    times: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(_ROUNDS):
        for name, predictor in predictors.items():
            start = time.perf_counter()
            predictor.lift(rays[name], np.ones_like(rays[name][..., 0]))
            times[name].append(1000 * (time.perf_counter() - start))
    middle = {name: float(np.median(values)) for name, values in times.items()}
    return {
        name: {'ms': round(value, 3), 'of_default': round(value / middle['default'], 2)}
        for name, value in middle.items()
    }


def _window(predictor: Predictor) -> tuple[int, ...]:
    """Return the axis of frames that the graph of a bundle takes, none for single frames."""
    frames = predictor.manifest.frames
    return (frames,) if frames > 1 else ()


def _write(path: Path, tree: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
