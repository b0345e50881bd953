# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Where people are: error of the pelvis by what its distance rests on.

    ELEPOSE_DATA=/folder/with/mocap python benchmarks/root_position.py --json FILE

Scenes of people in real motion, scaled to statures of 1.70 m +- 7 % that nobody tells the lifter,
who stay about 2, 4 and 8 m away from a camera 0.4, 1.2 or 2.6 m above the ground. The elevation
and the height of their camera scatter; the elevation is not told either, the height is told with
an error of 3 cm. Keypoints shake by 5 px at 300 px person height, and those outside the image are
missing. Errors count from the 8th second on, when the running lifter knows its elevation.

The same keypoints go to four lifters: by stature alone (the baseline), with the height of the
camera (ground), likewise with the feet hidden from the 10th second on (hidden feet), and with a
depth image (depth). Depth images come from spheres along the bones, with noise, holes, a floor, a
wall, and a board in front of the legs of every other person.

`within` is the share of errors along the viewing ray, and of all three axes together, inside of
two claimed standard deviations; 0.954 is right.
"""

import argparse
import functools
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, pixels_from_rays
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.runtime.depth import DepthImage
from elepose_core.runtime.lifting import PeopleLifter
from elepose_core.runtime.people import People2D, Person2D, Skeleton3D, Surroundings
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Predictor
from elepose_core.skeleton import H36M_17

Array = NDArray[np.float64]

CAMERA = Camera(np.array([[640.0, 0, 639.5], [0, 640, 479.5], [0, 0, 1]]), 1280, 960)
HZ, SECONDS, COUNTS_FROM_S, HIDDEN_FROM_S = 5, 16, 8.0, 10.0
DISTANCES_M = (2.0, 4.0, 8.0)
# Height above the ground, and where such a camera looks: mean and half-width, degrees.
CAMERAS = {0.4: (-7.0, 4.0), 1.2: (4.0, 5.0), 2.6: (22.0, 4.0)}
HEIGHT_SIGMA_M = 0.03
STATURE_M, STATURE_SPREAD = 1.70, 0.07
NOISE_PX_AT_300 = 5.0
# Ankles stand so high, as a share of the stature; the lifter has an assumption of its own.
ANKLE, ANKLE_SPREAD = 0.045, 0.01
ANKLES = [H36M_17.index('left_ankle'), H36M_17.index('right_ankle')]
LEGS = [*ANKLES, H36M_17.index('left_knee'), H36M_17.index('right_knee')]
# Of three axes together, 95.4 % lie inside.
WITHIN_3D = 8.02
DEPTH_SIZE = (320, 240)
THICK_M = {'spine': 0.12, 'thorax': 0.13, 'neck_nose': 0.07, 'head_top': 0.10, 'hip': 0.11}
THIN_M = {'knee': 0.07, 'ankle': 0.05, 'shoulder': 0.08, 'elbow': 0.05, 'wrist': 0.035}
SETTINGS = ('stature', 'ground', 'hidden feet', 'depth')


@dataclass(frozen=True)
class Scene:
    """People (T, N, 17, 3) in the camera frame and what is told of the camera."""

    joints_cam_m: Array
    distance_m: Array
    up_cam: Array
    camera_height_m: float
    told_height_m: float


@functools.cache
def clips(path: Path) -> list[Array]:
    """Return motions (T, 17, 3) of 10 and more frames at 5 Hz: level frame, on the floor."""
    poses = PoseSet.load(path)
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    found = []
    for clip in np.unique(poses.clip_index):
        rows = np.flatnonzero(poses.clip_index == clip)[::6]
        name = str(np.ravel(poses.extra['recording'])[clip])
        # Those stand on things that are not there.
        if len(rows) < 10 or 'climb' in name or 'sit' in name or 'uneven' in name:
            continue
        up = up_cam_from_elevation(poses.elevation_rad[rows[0]])
        joints = poses.joints_cam_m[rows].astype(np.float64) @ level_from_camera(up).T
        # On the spot, nearly: they shall stay at their distance and not hide each other.
        root = joints[:, :1, :2]
        joints[..., :2] -= root.mean(0) + 0.8 * (root - root.mean(0))
        joints[..., 2] -= np.percentile(joints[:, ANKLES, 2].min(1), 5)
        found.append(joints)
    return found


def scene(motions: list[Array], height_m: float, random: np.random.Generator) -> Scene:
    """Return two people at each distance, side by side."""
    mean_deg, half_deg = CAMERAS[height_m]
    up = up_cam_from_elevation(
        np.radians(random.uniform(mean_deg - half_deg, mean_deg + half_deg))
    )
    frames = np.arange(HZ * SECONDS)
    # Who is near stands outside, so that nobody is behind somebody else.
    distances = np.array([*DISTANCES_M, *DISTANCES_M[::-1]])
    directions = np.radians(np.array([-34, -18, -6, 6, 18, 34]) + random.uniform(-3, 3))
    people = []
    for distance, direction in zip(distances, directions, strict=True):
        motion = motions[random.integers(len(motions))]
        stature_m = STATURE_M * (1 + STATURE_SPREAD * random.normal())
        factor = stature_m / skeleton_stature(motion[0].astype(np.float32))
        ankle_m = stature_m * (ANKLE + ANKLE_SPREAD * random.normal())
        turn = random.uniform(-np.pi, np.pi)
        there_and_back = np.concatenate([np.arange(10), np.arange(9)[:0:-1]])
        joints = motion[there_and_back[frames % len(there_and_back)]] * factor
        turned = joints.copy()
        turned[..., 0] = joints[..., 0] * np.cos(turn) - joints[..., 1] * np.sin(turn)
        turned[..., 1] = joints[..., 0] * np.sin(turn) + joints[..., 1] * np.cos(turn)
        place = (distance * np.cos(direction), distance * np.sin(direction), ankle_m - height_m)
        people.append((turned + place) @ level_from_camera(up))
    told_m = height_m + HEIGHT_SIGMA_M * random.normal()
    return Scene(np.stack(people, 1), distances, up, height_m, told_m)


def photograph(joints_cam_m: Array, random: np.random.Generator) -> list[Person2D]:
    """Return the keypoints of the people (N, 17, 3) of one frame."""
    points = pixels_from_rays(joints_cam_m[..., :2] / joints_cam_m[..., 2:], CAMERA)
    size = (points.max(1) - points.min(1)).max(-1)[:, None, None]
    points = points + random.normal(size=points.shape) * NOISE_PX_AT_300 * size / 300
    inside = ((points >= 0) & (points < (CAMERA.width, CAMERA.height))).all(-1)
    points = np.where(inside[..., None] & (joints_cam_m[..., 2:] > 0.1), points, np.nan)
    scores = np.where(np.isfinite(points[..., 0]), 0.9, 0.0).astype(np.float32)
    return [
        Person2D(str(number), points[number].astype(np.float32), scores[number])
        for number in range(len(points))
    ]


def depth_image(view: Scene, frame: int, random: np.random.Generator) -> DepthImage:
    """Return what a depth camera sees, 16UC1: people, floor, wall, boards, noise and holes."""
    camera = CAMERA.scaled_to(*DEPTH_SIZE)
    columns, rows = np.meshgrid(np.arange(DEPTH_SIZE[0]), np.arange(DEPTH_SIZE[1]))
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.matrix).T
    down = -rays @ view.up_cam
    floor = np.where(down > 1e-3, view.camera_height_m / np.maximum(down, 1e-3), np.inf)
    depth = np.minimum(floor, 10.0)
    joints = view.joints_cam_m[frame]
    for number, person in enumerate(joints):
        for parent, child in H36M_17.bones:
            name = H36M_17.joint_names[child]
            part = name.split('_', 1)[-1] if name.startswith(('left', 'right')) else name
            radius_m = (THICK_M | THIN_M)[part]
            for share in np.linspace(0, 1, 6):
                draw_sphere(depth, person[parent] * (1 - share) + person[child] * share, radius_m)
        if number % 2:
            # A board before the legs, two fifths of a metre in front of them.
            knees = person[LEGS].mean(0)
            draw_board(depth, knees, knees[2] - 0.4)
    depth = depth * (1 + 0.005 * random.normal(size=depth.shape))
    holes = random.uniform(size=(30, 40)) < 0.1
    depth = np.where(np.kron(holes, np.ones((8, 8), bool)), 0.0, depth)
    return DepthImage((depth * 1000).astype(np.uint16))


def draw_sphere(depth: Array, centre_m: Array, radius_m: float) -> None:
    """Draw a sphere into a depth image, where it is in front of what is there."""
    camera = CAMERA.scaled_to(*DEPTH_SIZE)
    focal, x, y = camera.matrix[0, 0], camera.matrix[0, 2], camera.matrix[1, 2]
    if centre_m[2] < 0.3:
        return
    reach = focal * radius_m / centre_m[2]
    column, row = focal * centre_m[:2] / centre_m[2] + (x, y)
    low_x, high_x = max(int(column - reach), 0), min(int(column + reach) + 2, DEPTH_SIZE[0])
    low_y, high_y = max(int(row - reach), 0), min(int(row + reach) + 2, DEPTH_SIZE[1])
    if low_x >= high_x or low_y >= high_y:
        return
    columns, rows = np.arange(low_x, high_x), np.arange(low_y, high_y)[:, None]
    beside = ((columns - column) ** 2 + (rows - row) ** 2) / reach**2
    front = centre_m[2] - radius_m * np.sqrt(np.maximum(1 - beside, 0))
    patch = depth[low_y:high_y, low_x:high_x]
    np.minimum(patch, np.where(beside <= 1, front, np.inf), out=patch)


def draw_board(depth: Array, centre_m: Array, z_m: float) -> None:
    """Draw an upright board of 0.4 x 0.6 m."""
    camera = CAMERA.scaled_to(*DEPTH_SIZE)
    if z_m < 0.3:
        return
    corners = np.array([[-0.2, -0.3], [0.2, 0.3]]) + centre_m[:2]
    pixels = pixels_from_rays(corners / z_m, camera).round().astype(int)
    (low_x, low_y), (high_x, high_y) = np.clip(pixels, 0, DEPTH_SIZE)
    patch = depth[low_y:high_y, low_x:high_x]
    np.minimum(patch, z_m, out=patch)


def play(
    view: Scene, predictor: Predictor, what: tuple[int, Sequence[str]]
) -> list[dict[str, Any]]:
    """Lift a scene with each setting; returns a row per counted skeleton."""
    seed, settings = what
    random = np.random.default_rng(seed)
    of_depth = np.random.default_rng(seed)
    lifters = {name: PeopleLifter(predictor) for name in settings}
    ground = Surroundings(view.told_height_m, HEIGHT_SIGMA_M)
    rows = []
    for frame in range(len(view.joints_cam_m)):
        people = photograph(view.joints_cam_m[frame], random)
        time_s = frame / HZ
        for name, lifter in lifters.items():
            seen, surroundings = people, ground
            if name == 'hidden feet' and time_s >= HIDDEN_FROM_S:
                seen = [without_legs(person) for person in people]
            if name == 'stature':
                surroundings = Surroundings()
            if name == 'depth':
                depth = None if frame % 2 else depth_image(view, frame, of_depth)
                surroundings = Surroundings(depth=depth)
            result = lifter.lift(
                People2D(round(time_s * 1e9), 'h36m_17', tuple(seen)), CAMERA, surroundings
            )
            counts_from_s = HIDDEN_FROM_S + 2 if name == 'hidden feet' else COUNTS_FROM_S
            assert result.elevation is not None
            if time_s < counts_from_s or not result.elevation.converged:
                continue
            for source, skeleton in zip(result.sources, result.skeletons, strict=True):
                true = view.joints_cam_m[frame, source, 0]
                rows.append({'setting': name, 'distance_m': view.distance_m[source]})
                rows[-1] |= judged(skeleton, true)
    return rows


def without_legs(person: Person2D) -> Person2D:
    """Return a person as seen behind a table."""
    scores = person.scores.copy()
    scores[LEGS] = 0
    return Person2D(person.id, person.keypoints_px, scores)


def judged(skeleton: Skeleton3D, true_m: Array) -> dict[str, Any]:
    """Return errors of a root and whether they are inside of what was claimed."""
    miss = skeleton.root_cam_m - true_m
    ray = true_m / np.linalg.norm(true_m)
    claimed = float(np.sqrt(ray @ skeleton.root_covariance_m2 @ ray))
    surprise = miss @ np.linalg.solve(skeleton.root_covariance_m2, miss)
    return {
        'error_mm': 1e3 * float(np.linalg.norm(miss)),
        'relative': float(np.linalg.norm(miss) / np.linalg.norm(true_m)),
        'signed': float(miss @ ray / np.linalg.norm(true_m)),
        'within_along': abs(miss @ ray) <= 2 * claimed,
        'within_3d': bool(surprise <= WITHIN_3D),
        'claimed': claimed / float(np.linalg.norm(true_m)),
        'source': skeleton.scale_source.name,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return figures of one cell of the table."""
    error = np.array([row['error_mm'] for row in rows])
    relative = np.array([row['relative'] for row in rows])
    sources = [row['source'] for row in rows]
    return {
        'n': len(rows),
        'median_mm': float(np.median(error)),
        'p90_mm': float(np.percentile(error, 90)),
        'median_percent': float(100 * np.median(relative)),
        'p90_percent': float(100 * np.percentile(relative, 90)),
        'bias_percent': float(100 * np.mean([row['signed'] for row in rows])),
        'claimed_percent': float(100 * np.median([row['claimed'] for row in rows])),
        'within_2_sigma_along_ray': float(np.mean([row['within_along'] for row in rows])),
        'within_2_sigma_3d': float(np.mean([row['within_3d'] for row in rows])),
        'scale_source': {name: sources.count(name) / len(rows) for name in sorted(set(sources))},
    }


def rows_of(task: tuple[float, int, argparse.Namespace]) -> list[dict[str, Any]]:
    """Make and play one scene."""
    height_m, seed, options = task
    random = np.random.default_rng([seed, round(10 * height_m)])
    path = Path(os.environ['ELEPOSE_DATA']) / 'mocap' / f'{options.poses}.npz'
    view = scene(clips(path), height_m, random)
    return play(view, Predictor(), (seed, options.settings))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scenes', type=int, default=12, help='per camera height')
    parser.add_argument('--poses', default='test_eye', help='a PoseSet under $ELEPOSE_DATA/mocap')
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--settings', nargs='+', choices=SETTINGS, default=SETTINGS)
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    if 'ELEPOSE_DATA' not in os.environ:
        sys.stderr.write('ELEPOSE_DATA is not set; expected the folder that holds mocap/\n')
        return 2
    tree: dict[str, Any] = {
        'poses': options.poses,
        'scenes_per_height': options.scenes,
        'camera_height_m': {},
    }
    tasks = [(height_m, seed, options) for height_m in CAMERAS for seed in range(options.scenes)]
    with ProcessPoolExecutor(options.processes) as pool:
        played = list(tqdm(pool.map(rows_of, tasks), total=len(tasks), disable=None))
    for number, height_m in enumerate(CAMERAS):
        first = number * options.scenes
        rows = [row for scene in played[first : first + options.scenes] for row in scene]
        table: dict[str, Any] = {}
        for distance in DISTANCES_M:
            for setting in options.settings:
                cell = [r for r in rows if (r['setting'], r['distance_m']) == (setting, distance)]
                if not cell:
                    continue
                figures = summary(cell)
                table.setdefault(f'{distance:g}', {})[setting] = figures
                print(
                    f'camera {height_m} m, person {distance:g} m, {setting:<11} '
                    f'median {figures["median_mm"]:4.0f} mm ({figures["median_percent"]:4.1f} %), '
                    f'p90 {figures["p90_mm"]:4.0f} mm ({figures["p90_percent"]:4.1f} %), bias '
                    f'{figures["bias_percent"]:4.1f} %, claimed {figures["claimed_percent"]:4.1f} '
                    f'%, within {figures["within_2_sigma_along_ray"]:.3f} along, '
                    f'{figures["within_2_sigma_3d"]:.3f} 3D',
                    flush=True,
                )
        tree['camera_height_m'][str(height_m)] = table
    if options.json is not None:
        options.json.write_text(json.dumps(tree, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
