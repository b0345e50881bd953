# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`elepose bench`: how fast this machine lifts."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from elepose_core.cli.standing import STANDING

if TYPE_CHECKING:
    from elepose_core.runtime.predictor import Predictor

__all__ = ['bench']

_QUANTILES = (50, 95, 99)
_WARM_UP = 10
_IMAGE = (480, 640, 3)
_MOST_PEOPLE = 1000


def bench(
    *,
    model: str = 'default',
    device: Literal['auto', 'cpu', 'cuda', 'tensorrt'] = 'cpu',
    threads: int = 1,
    people: tuple[int, ...] = (1, 5, 20, 64),
    repeats: int = 200,
    json_file: Path | None = None,
) -> None:
    """Measure latency by stage and number of people, people per second and memory.

    The network takes rays to joints; a frame is all that a node does between its messages: to
    convert, track, lift and place everybody. Time does not depend on the keypoints.

    Args:
        model: Bundle, or the name of a shipped one.
        device: What computes.
        threads: Of the network on the CPU.
        people: Numbers of people in a frame.
        repeats: Measurements of each figure.
        json_file: Where to write the figures as JSON.
    """
    from elepose_core.errors import InputError
    from elepose_core.files import replacing
    from elepose_core.runtime.predictor import Predictor

    if not people or not all(1 <= count <= _MOST_PEOPLE for count in people):
        raise InputError(f'people is {people}; expected numbers of 1..{_MOST_PEOPLE}')
    if repeats < 1:
        raise InputError(f'repeats is {repeats}; expected 1 or more')
    start_s = time.perf_counter()
    predictor = Predictor(model, threads, device)
    loaded_s = time.perf_counter() - start_s
    print(f'{predictor.backend.description}; loaded in {loaded_s:.2f} s')
    tree: dict[str, Any] = {'backend': predictor.backend.description, 'loaded_s': loaded_s}
    detect = _detection()
    if detect is not None:
        tree['detect_ms'] = _quantiles(detect, max(repeats // 10, 3))
        print(f'{"detector, 640x480":<24}{_row(tree["detect_ms"])}')
    tree['people'] = {str(count): _frame_figures(predictor, count, repeats) for count in people}
    tree['resident_mb'] = _resident_mb()
    print(f'resident memory {tree["resident_mb"]:.0f} MB')
    if json_file is not None:
        with replacing(json_file) as temporary:
            temporary.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')


def _frame_figures(predictor: 'Predictor', count: int, repeats: int) -> dict[str, Any]:
    from elepose_core.geometry.camera import Camera, pixels_from_rays
    from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
    from elepose_core.runtime.people import People2D, Person2D

    camera = Camera.from_field_of_view(1280, 720, np.radians(60))
    side_by_side = STANDING + np.linspace(-0.4, 0.4, count, dtype=np.float32)[:, None, None] * (
        1,
        0,
    )
    rays, scores = side_by_side.astype(np.float32), np.ones((count, len(STANDING)), np.float32)
    pixels = pixels_from_rays(rays, camera).astype(np.float32)
    seen = tuple(Person2D('', person, scores[0]) for person in pixels)
    lifter = PeopleLifter(predictor, LiftingOptions(max_people=count))
    frame = iter(range(10**9))

    def lift_frame() -> None:
        lifter.lift(People2D(next(frame) * 33_000_000, 'h36m_17', seen), camera)

    network_ms = _quantiles(lambda: predictor.lift(rays, scores), repeats)
    frame_ms = _quantiles(lift_frame, repeats)
    per_s = count / frame_ms['p50'] * 1e3
    name = f'{count} people' if count > 1 else '1 person'
    print(f'{name + ", network":<24}{_row(network_ms)}')
    print(f'{name + ", frame":<24}{_row(frame_ms)}   {per_s:.0f} people/s')
    return {'network_ms': network_ms, 'frame_ms': frame_ms, 'people_per_s': per_s}


def _detection() -> Callable[[], object] | None:
    """Return a detection in an image of noise, None where the detector is not installed."""
    from elepose_core.detect import make_detector
    from elepose_core.errors import InputError

    try:
        detector = make_detector('movenet_multipose')
    except (ImportError, InputError) as error:
        print(f'the detector is not measured: {error}')
        return None
    image = np.random.default_rng(0).integers(0, 256, _IMAGE, np.uint8)
    return lambda: detector.detect(image)


def _quantiles(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return quantiles in milliseconds."""
    for _ in range(min(_WARM_UP, repeats)):
        call()
    times_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    found = np.percentile(times_s, _QUANTILES) * 1e3
    return {f'p{q}': float(value) for q, value in zip(_QUANTILES, found, strict=True)}


def _row(quantiles: dict[str, float]) -> str:
    return ', '.join(f'{name} {value:8.3f}' for name, value in quantiles.items()) + ' ms'


def _resident_mb() -> float:
    for line in Path('/proc/self/status').read_text(encoding='ascii').splitlines():
        if line.startswith('VmRSS:'):
            return float(line.split()[1]) * 1024 / 1e6
    return float('nan')
