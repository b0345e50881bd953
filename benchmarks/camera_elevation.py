# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's tilt from people in generated rooms, and whether a knocked mount is found.

    python benchmarks/camera_elevation.py --motion $ELEPOSE_DATA/mocap/val.npz --json FILE

1, 3 and 10 people move as recorded, for a minute, on the floor before a camera of random lens and
height, elevation -15 to 45 and roll -5 to 5 degrees. Keypoints have noise of 3 to 5 px at 300 px
height; who is mostly hidden is not detected. Then the mount is knocked: up turns by 5 degrees
about a random horizontal axis between two frames, and people go on for 15 seconds.

Frames come at 10 Hz; people are lifted when `CameraTilt` wants a sample, about once a second. The
baseline, a mean of the lifter's estimates weighted by their variances, takes the same samples.
"""

import argparse
import contextlib
import functools
import json
import math
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.elevation_mean import ElevationMean, camera_variances
from support.rooms import MOTION_HZ, Room, motions, photographed, random_room, walk

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import rays_from_pixels
from elepose_core.geometry.elevation import (
    elevation_from_up_cam,
    level_from_camera,
    roll_from_up_cam,
)
from elepose_core.runtime.elevation import CameraTilt
from elepose_core.runtime.people import Elevation
from elepose_core.runtime.predictor import Predictor

ROOT = Path(__file__).resolve().parents[1]
HZ = 10
STEP_NS = 1_000_000_000 // HZ
PEOPLE = (1, 3, 10)
STILL_S, KNOCKED_S = 60, 15
KNOCK_RAD = math.radians(5.0)
FOUND_S = 10.0
MEMORY_S = 60.0
# Mean error of a clip's elevation on val, as the bundle states it, as a standard deviation.
SIGMA_PER_MAE = 1.25

Array = NDArray[np.float64]


class Watcher:
    """The estimate and the baseline before one camera."""

    def __init__(self, predictor: Predictor) -> None:
        mae_deg = predictor.manifest.metrics['val']['elevation_clip_mae_deg']
        error_rad = math.radians(SIGMA_PER_MAE * mae_deg)
        self._predictor = predictor
        self.tilt = CameraTilt(error_rad, MEMORY_S)
        self.mean = ElevationMean(error_rad, MEMORY_S)

    def see(self, keypoints_px: Array, room: Room, stamp_ns: int) -> None:
        """Take in a frame of people (N, 17, 2); NaN = not seen."""
        people = np.flatnonzero(np.isfinite(keypoints_px[..., 0]).any(1))
        rays = rays_from_pixels(keypoints_px[people], room.camera)
        seen = np.isfinite(rays).all(-1)
        tracks = people.tolist()
        due = self.tilt.look(tracks, rays, seen, stamp_ns)
        if not len(due):
            return
        lifted = self._predictor.lift(rays[due].astype(np.float32), seen[due].astype(np.float32))
        self.tilt.add(tracks, due, lifted, seen)
        axis = np.concatenate([np.nanmean(rays[due], axis=1), np.ones((len(due), 1))], axis=1)
        variances = camera_variances(lifted.up_cam, lifted.up_variance, axis)
        self.mean.add(lifted.up_cam, variances, stamp_ns)


def knock(room: Room, random: np.random.Generator) -> Array:
    """Return the rotation (3, 3) of what the camera sees after a knock; up turns by the whole."""
    azimuth = random.uniform(0, math.tau)
    axis = level_from_camera(room.up_cam).T @ [math.cos(azimuth), math.sin(azimuth), 0.0]
    across = np.cross(np.eye(3), axis).T
    return np.asarray(
        np.eye(3) + math.sin(KNOCK_RAD) * across + (1 - math.cos(KNOCK_RAD)) * across @ across
    )


def errors(prefix: str, found: Elevation, up_cam: Array) -> dict[str, float]:
    """Return errors and claimed deviations of an estimate, degrees."""
    roll = found.roll_rad - float(roll_from_up_cam(up_cam))
    return {
        f'{prefix}elevation': math.degrees(
            abs(found.elevation_rad - float(elevation_from_up_cam(up_cam)))
        ),
        f'{prefix}roll': math.degrees(abs(math.remainder(roll, math.tau))),
        f'{prefix}elevation_sigma': math.degrees(math.sqrt(found.elevation_variance)),
        f'{prefix}roll_sigma': math.degrees(math.sqrt(found.roll_variance)),
    }


@functools.cache
def parts(motion: Path) -> tuple[list[Array], Predictor]:
    """Return motions and lifter, loaded once in each process."""
    return motions(PoseSet.load(motion)), Predictor()


def scene(motion: Path, seed: int, people: int) -> dict[str, float]:
    """Play one scene."""
    recorded, predictor = parts(motion)
    random = np.random.default_rng(seed)
    room, noise_px = random_room(random), random.uniform(3.0, 5.0)
    seconds = STILL_S + KNOCKED_S
    joints_m = np.stack(
        [
            walk(recorded, room.places, seconds * MOTION_HZ, random)[:: MOTION_HZ // HZ]
            for _ in range(people)
        ],
        axis=1,
    )
    turned, watcher = knock(room, random), Watcher(predictor)
    converged_s, found_s, alarms, was_disturbed = math.inf, math.inf, 0, False
    result: dict[str, float] = {}
    for frame in range(seconds * HZ):
        since_s = frame / HZ - STILL_S
        pixels = photographed(
            room, joints_m[frame], noise_px, random, turned if since_s >= 0 else None
        )
        watcher.see(pixels, room, frame * STEP_NS)
        found = watcher.tilt.estimate()
        if found is None:
            continue
        if found.converged:
            converged_s = min(converged_s, frame / HZ)
        if found.disturbed and not was_disturbed:
            alarms += since_s < 0
            found_s = min(found_s, since_s) if since_s >= 0 else found_s
        was_disturbed = found.disturbed
        mean = watcher.mean.estimate()
        if frame == STILL_S * HZ - 1 and mean is not None:
            result = errors('', found, room.up_cam) | errors('mean_', mean, room.up_cam)
    last = watcher.tilt.estimate()
    after = {} if last is None else errors('after_', last, turned @ room.up_cam)
    times = {'converged_s': converged_s, 'found_s': found_s, 'false_alarms': float(alarms)}
    return result | after | times


def summary(scenes: list[dict[str, float]]) -> dict[str, float]:
    """Return the figures of some scenes."""

    def column(name: str) -> Array:
        return np.array([found.get(name, math.nan) for found in scenes])

    tree: dict[str, float] = {'scenes': len(scenes)}
    for prefix in ('', 'mean_', 'after_'):
        for angle in ('elevation', 'roll'):
            error, sigma = column(f'{prefix}{angle}'), column(f'{prefix}{angle}_sigma')
            tree[f'{prefix}{angle}_mae_deg'] = float(np.nanmean(error))
            tree[f'{prefix}{angle}_p95_deg'] = float(np.nanpercentile(error, 95))
            tree[f'{prefix}{angle}_sigma_deg'] = float(np.nanmedian(sigma))
            tree[f'{prefix}{angle}_within_2_sigma'] = float(np.mean(error < 2 * sigma))
    converged, found_s = column('converged_s'), column('found_s')
    hours = len(scenes) * STILL_S / 3600
    return tree | {
        'converged': float(np.isfinite(converged).mean()),
        'converged_median_s': float(np.median(converged)),
        'knocks_found_in_10_s': float((found_s <= FOUND_S).mean()),
        'found_median_s': float(np.median(found_s)),
        'false_alarms': float(column('false_alarms').sum()),
        'hours_without_a_knock': hours,
        'false_alarms_per_hour': float(column('false_alarms').sum() / hours),
    }


def played(options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Play the scenes, with 1, 3 and 10 people in turn; yield what each gave, in order."""
    seeds = range(options.first, options.first + options.scenes)
    people = [PEOPLE[number % len(PEOPLE)] for number in range(options.scenes)]
    jobs = [(options.motion, seed, count) for seed, count in zip(seeds, people, strict=True)]
    if options.workers == 1:
        yield from (scene(*job) for job in jobs)
        return
    with multiprocessing.get_context('spawn').Pool(options.workers) as pool:
        yield from pool.imap(_scene, jobs)


def _scene(job: tuple[Path, int, int]) -> dict[str, float]:
    return scene(*job)


def main() -> None:
    """Play the scenes, print a line for each number of people, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROOT / 'tests' / 'data' / 'poses_3d.npz'
    parser.add_argument('--motion', type=Path, default=default, help='PoseSet with 3D truth')
    parser.add_argument('--scenes', type=int, default=200)
    parser.add_argument('--first', type=int, default=0, help='seed of the first scene')
    parser.add_argument('--workers', type=int, default=1, help='processes; figures stay the same')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    scenes: dict[int, list[dict[str, float]]] = defaultdict(list)
    # Ctrl-C leaves the figures of the scenes that are done.
    with contextlib.suppress(KeyboardInterrupt):
        for number, found in enumerate(played(options)):
            scenes[PEOPLE[number % len(PEOPLE)]].append(found)
            if number % 20 == 19:
                print(f'{number + 1} of {options.scenes} scenes', flush=True)
    tree: dict[str, Any] = {'motion': options.motion.name, 'first_seed': options.first}
    tree['all'] = summary([found for some in scenes.values() for found in some])
    tree['people'] = {str(people): summary(some) for people, some in scenes.items()}
    for name, found in [('all', tree['all']), *tree['people'].items()]:
        print(
            f'{name:>3} people: elevation {found["elevation_mae_deg"]:.2f} (baseline '
            f'{found["mean_elevation_mae_deg"]:.2f}), roll {found["roll_mae_deg"]:.2f} '
            f'({found["mean_roll_mae_deg"]:.2f}) degrees; within 2 sigma '
            f'{found["elevation_within_2_sigma"]:.0%}, {found["roll_within_2_sigma"]:.0%}; '
            f'converged after {found["converged_median_s"]:.1f} s; knocks found '
            f'{found["knocks_found_in_10_s"]:.0%}, median {found["found_median_s"]:.1f} s; '
            f'{found["false_alarms_per_hour"]:.1f} false alarms per hour'
        )
    if options.json is not None:
        options.json.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
