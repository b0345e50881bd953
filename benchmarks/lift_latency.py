# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Latency of one lift by number of people: the shipped graph beside the published lifter.

    python benchmarks/lift_latency.py --threads 1 --json lift.json

On the CPU, and on each other device that is here; what is not is named. Ours is everything from
rays to joints in the camera frame, up direction, sigma and plausibility, through `Predictor`. The
baseline is the published network alone, 1024 wide, in eager torch, which leaves out what it would
need beside. They take turns of some lifts each: a noisy machine is noisy for both, and neither
finds the cache full of the other's weights each time: no robot runs both.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before torch is loaded: threads that spin while they wait slow down shared cores.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import numpy as np
import torch

from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig
from elepose_core.runtime.backends.interface import Device
from elepose_core.runtime.predictor import Predictor

ROOT = Path(__file__).resolve().parents[1]
POSES = ROOT / 'tests' / 'data' / 'poses_3d.npz'
COMMITTED = ROOT / 'docs' / 'results' / 'lift_latency.json'
PEOPLE = (1, 5, 20, 64)
TURN = 25
GPU_DEVICES: tuple[Device, ...] = ('cuda', 'tensorrt')
QUANTILES = (50, 95, 99)


def main() -> None:
    """Measure, print one line for each number of people, and compare with the last result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--lifts', type=int, default=500)
    parser.add_argument('--model', default='default')
    parser.add_argument('--devices', nargs='+', choices=GPU_DEVICES, default=GPU_DEVICES)
    parser.add_argument('--json', type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    contestants = _contestants(options)
    result: dict[str, Any] = {'threads': options.threads, 'lifts': options.lifts, 'people': {}}
    before = json.loads(COMMITTED.read_text(encoding='utf-8')) if COMMITTED.exists() else {}
    for count in PEOPLE:
        latency_ms = measured(contestants, _rays(count), options.lifts)
        ratio = latency_ms['published']['p50'] / latency_ms['ours']['p50']
        result['people'][str(count)] = {'latency_ms': latency_ms, 'ratio_p50': ratio}
        last = before.get('people', {}).get(str(count), {}).get('ratio_p50')
        told = 'nothing to compare with' if last is None else f'{last:.1f} when last committed'
        shown = ', '.join(f'{q} {value:.3f}' for q, value in latency_ms['ours'].items())
        for device in options.devices:
            if device in latency_ms:
                shown += f' ({device} p50 {latency_ms[device]["p50"]:.3f})'
        print(
            f'{count:3d} people: ours {shown} ms; published p50 '
            f'{latency_ms["published"]["p50"]:.3f} ms; {ratio:.1f} times faster ({told})'
        )
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')


def measured(
    contestants: dict[str, Callable[[Any], object]], rays: Any, lifts: int
) -> dict[str, dict[str, float]]:
    """Return quantiles of the latency in ms of each contestant, which take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(lifts // TURN + 1):
        for name, lift in contestants.items():
            for _ in range(TURN):
                start = time.perf_counter()
                lift(rays)
                if turn:  # the first one warms up
                    seconds[name].append(time.perf_counter() - start)
    return {
        name: {f'p{q}': float(np.percentile(times, q) * 1e3) for q in QUANTILES}
        for name, times in seconds.items()
    }


def _contestants(options: argparse.Namespace) -> dict[str, Callable[[Any], object]]:
    published = ElePoseLifter(ElePoseLifterConfig()).eval()
    scores = np.ones((max(PEOPLE), 17), np.float32)

    def theirs(rays: Any) -> object:
        with torch.no_grad():
            return published(published.normalised(torch.from_numpy(rays)))

    def ours(predictor: Predictor) -> Callable[[Any], object]:
        return lambda rays: predictor.lift(rays, scores[: len(rays)])

    contestants = {'ours': ours(Predictor(options.model, options.threads)), 'published': theirs}
    for device in options.devices:
        try:
            contestants[device] = ours(Predictor(options.model, options.threads, device))
        except InputError as error:
            print(f'{device} is not measured: {error}')
    return contestants


def _rays(count: int) -> Any:
    return np.ascontiguousarray(PoseSet.load(POSES).rays[:count], np.float32)


if __name__ == '__main__':
    main()
