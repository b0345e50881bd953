# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People over time: mistaken identities, trembling at rest and lag in motion.

    python benchmarks/people_over_time.py --json FILE

Tracking: 2 to 10 people walk about a room, cross and hide each other; keypoints are noisy and come
in random order. An identity switch is a person who gets another number than in the frame where
they were last seen. Beside our tracker stands the nearest neighbour: each person takes the number
of the person who was nearest in the frame before.

Smoothing: one person stands still, then walks across at 1.4 m/s, seen with noise of 5 px at 300 px
height. Trembling is the deviation of the joints round their mean; lag is the delay that fits best
to the true path of the root.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, pixels_from_rays
from elepose_core.runtime.lifting import LiftingOptions, PeopleLifter
from elepose_core.runtime.people import People2D, Person2D
from elepose_core.runtime.predictor import Predictor
from elepose_core.runtime.tracking import Tracker

ROOT = Path(__file__).resolve().parents[1]
POSES = ROOT / 'tests' / 'data' / 'poses_3d.npz'
HZ = 30.0
CAMERA = Camera.from_field_of_view(1280, 720, np.radians(70))
NOISE_PX_AT_300 = 5.0
WALK_M_S = 1.4
# Somebody of whom less than this share is uncovered is not detected.
LEAST_UNCOVERED = 0.5
MAX_GAP_S = LiftingOptions().max_gap_s

Array = NDArray[np.float64]
Track = Callable[[list[Array], int], Sequence[int]]


def standing() -> Array:
    """Return a real pose (17, 3) in metres, root at 0."""
    joints = PoseSet.load(POSES).joints_cam_m
    assert joints is not None
    return np.asarray(joints[0] - joints[0, :1], np.float64)


def pixels(joints_cam_m: Array, random: np.random.Generator) -> Array:
    """Photograph joints (..., 17, 3) with the noise of a detector."""
    points = pixels_from_rays(joints_cam_m[..., :2] / joints_cam_m[..., 2:], CAMERA)
    size = (points.max(-2) - points.min(-2)).max(-1)[..., None, None]
    return points + random.normal(size=points.shape) * NOISE_PX_AT_300 * size / 300


def walks(people: int, frames: int, random: np.random.Generator) -> Array:
    """Return roots (T, N, 3): from one random place in the room to the next, at walking speed."""
    low, high = np.array([-2.5, 3.0]), np.array([2.5, 8.0])
    place, goal = (random.uniform(low, high, (people, 2)) for _ in range(2))
    roots = np.zeros((frames, people, 3))
    for frame in range(frames):
        way = goal - place
        left = np.linalg.norm(way, axis=1)
        arrived = left < WALK_M_S / HZ
        goal[arrived] = random.uniform(low, high, (int(arrived.sum()), 2))
        place = place + way / np.maximum(left, 1e-6)[:, None] * WALK_M_S / HZ
        roots[frame, :, 0], roots[frame, :, 2] = place.T
    return roots


def uncovered(points: Array, distance: Array) -> NDArray[np.bool_]:
    """Tell (N,) who is seen: nobody nearer covers most of their box."""
    low, high = points.min(1), points.max(1)
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    covered = np.prod(np.maximum(shared, 0), axis=-1) / np.prod(high - low, axis=-1)[:, None]
    return np.asarray((covered * (distance < distance[:, None])).max(1) < 1 - LEAST_UNCOVERED)


def our_tracker() -> Track:
    tracker = Tracker(MAX_GAP_S)

    def track(people: list[Array], stamp_ns: int) -> Sequence[int]:
        keypoints = np.array(people, np.float32).reshape(-1, 17, 2)
        return tracker.update(keypoints, [''] * len(people), stamp_ns)[0]

    return track


def nearest_neighbour() -> Track:
    before: list[tuple[int, Array]] = []
    numbers = iter(range(10**9))

    def track(people: list[Array], _stamp_ns: int) -> Sequence[int]:
        nonlocal before
        centres = [person.mean(0) for person in people]
        found = []
        for centre in centres:
            away = [np.linalg.norm(centre - other) for _, other in before]
            found.append(before[int(np.argmin(away))][0] if away else next(numbers))
        for row, number in enumerate(found):
            if number in found[:row]:
                found[row] = next(numbers)
        before = list(zip(found, centres, strict=True))
        return found

    return track


def switches(people: int, frames: int, seed: int) -> dict[str, float]:
    """Return identity switches per 1,000 frames of each tracker in one scene."""
    random = np.random.default_rng(seed)
    roots, pose = walks(people, frames, random), standing()
    trackers = {'ours': our_tracker(), 'nearest neighbour': nearest_neighbour()}
    known: dict[str, dict[int, int]] = {name: {} for name in trackers}
    count = dict.fromkeys(trackers, 0)
    for frame in range(frames):
        points = pixels(roots[frame][:, None] + pose, random)
        seen = np.flatnonzero(uncovered(points, roots[frame, :, 2]))
        random.shuffle(seen)
        for name, track in trackers.items():
            numbers = track([points[person] for person in seen], round(frame * 1e9 / HZ))
            for person, number in zip(seen.tolist(), numbers, strict=True):
                count[name] += known[name].get(person, number) != number
                known[name][person] = number
    return {name: 1000 * n / frames for name, n in count.items()}


def still_and_moving(options: LiftingOptions, predictor: Predictor) -> dict[str, float]:
    """Return trembling (mm) and lag (ms) of one person."""
    random, pose = np.random.default_rng(0), standing()
    place = np.array([0.0, 0.0, 4.0])
    rest = np.tile(place, (150, 1))
    walk = place + np.array([1.0, 0.0, 0.0]) * (WALK_M_S * (np.arange(90) / HZ - 1.5))[:, None]
    joints, _ = lifted(rest, pose, options, predictor, random)
    relative = joints - joints[:, :1]
    _, root = lifted(walk, pose, options, predictor, random)
    delays_s = np.arange(0, 0.5, 0.002)
    time_s = np.arange(len(walk)) / HZ
    # Scale rests on an assumed stature: the path is known up to a factor.
    factor = np.median(root[:, 2]) / place[2]
    misfits = [
        np.mean((root[30:, 0] - factor * np.interp(time_s - delay, time_s, walk[:, 0])[30:]) ** 2)
        for delay in delays_s
    ]
    return {
        'joints_tremble_mm': float(1e3 * np.linalg.norm(relative[60:].std(0), axis=-1)[1:].mean()),
        'root_trembles_mm': float(1e3 * np.linalg.norm(joints[60:, 0].std(0))),
        'root_lags_ms': float(1e3 * delays_s[int(np.argmin(misfits))]),
    }


def lifted(
    roots: Array,
    pose: Array,
    options: LiftingOptions,
    predictor: Predictor,
    random: np.random.Generator,
) -> tuple[Array, Array]:
    """Lift somebody along a path (T, 3); returns joints (T, 17, 3) and roots (T, 3)."""
    lifter, scores = PeopleLifter(predictor, options), np.ones(17, np.float32)
    found = []
    for frame, root in enumerate(roots):
        points = pixels(root + pose, random).astype(np.float32)
        people = People2D(round(frame * 1e9 / HZ), 'h36m_17', (Person2D('', points, scores),))
        found.append(lifter.lift(people, CAMERA).skeletons[0])
    joints = np.array([skeleton.joints_cam_m for skeleton in found], np.float64)
    return joints, np.array([skeleton.root_cam_m for skeleton in found])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, nargs='+', default=[2, 3, 5, 7, 10])
    parser.add_argument('--frames', type=int, default=1000)
    parser.add_argument('--scenes', type=int, default=3)
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    tree: dict[str, Any] = {'switches_per_1000_frames': {}, 'one_person': {}}
    for people in options.people:
        scenes = [switches(people, options.frames, seed) for seed in range(options.scenes)]
        means = {name: float(np.mean([scene[name] for scene in scenes])) for name in scenes[0]}
        tree['switches_per_1000_frames'][str(people)] = means
        shown = ', '.join(f'{name} {mean:.1f}' for name, mean in means.items())
        print(f'{people:2d} people: identity switches per 1,000 frames: {shown}', flush=True)
    predictor = Predictor()
    for name, cutoff_hz in (('raw', 0.0), ('smoothed', LiftingOptions().smoothing_cutoff_hz)):
        figures = still_and_moving(LiftingOptions(smoothing_cutoff_hz=cutoff_hz), predictor)
        tree['one_person'][name] = figures
        print(f'{name:<9}' + ', '.join(f'{k} {v:.1f}' for k, v in figures.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
