# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms in which real people move, as a tilted camera sees them: for `camera_elevation.py`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.camera import Camera, pixels_from_rays
from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.skeleton import H36M_17

__all__ = ['MOTION_HZ', 'Room', 'motions', 'photographed', 'random_room', 'walk']

Array = NDArray[np.float64]
MOTION_HZ = 30
# Ankle joints of somebody who stands.
_ANKLE_M = 0.08
_ANKLES = [H36M_17.index(f'{side}_ankle') for side in ('left', 'right')]
_HIPS = [H36M_17.index(f'{side}_hip') for side in ('left', 'right')]
_LENSES = ((640, 480, 460.0), (1000, 1000, 1145.0), (1280, 720, 914.0), (848, 480, 600.0))
_FARTHEST_M = 9.0
_LEAST_AREA_M2, _LEAST_DEPTH_M = 6.0, 2.0
_BLEND = MOTION_HZ * 4 // 5
_STATURE_SPREAD = 0.05
# Of two clips of one recording that were cut apart, poses differ by less than this.
_CONTINUOUS_M = 0.12
# Somebody of whom less than this share is uncovered is not detected.
_LEAST_UNCOVERED = 0.5
_LEAST_JOINTS = 9


@dataclass(frozen=True)
class Room:
    """A camera above a floor.

    Attributes:
        camera: Its intrinsics.
        height_m: Of the camera above the floor.
        up_cam: (3,) true up.
        places: (P, 2) floor positions x forward, y left, where a whole person is in the picture.
    """

    camera: Camera
    height_m: float
    up_cam: Array
    places: Array


def motions(poses: PoseSet) -> list[Array]:
    """Put clips of one recording together again: (T, 17, 3) each, z up, floor at 0."""
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    rotation = level_from_camera(up_cam_from_elevation(poses.elevation_rad))
    level = np.einsum('nij,nkj->nki', rotation, poses.joints_cam_m.astype(np.float64))
    first_camera = poses.camera_index == poses.camera_index.min()
    joined: list[list[Array]] = []
    before = ''
    for clip in np.unique(poses.clip_index[first_camera]):
        rows = np.flatnonzero(first_camera & (poses.clip_index == clip))
        rows = rows[np.argsort(poses.frame_index[rows])]
        part, recording = level[rows], str(poses.extra['recording'][clip])
        if recording == before:
            part, miss_m = _continued(joined[-1][-1][-1], part)
            if miss_m < _CONTINUOUS_M:
                joined[-1].append(part)
                continue
            part = level[rows]
        joined.append([part])
        before = recording
    whole = [np.concatenate(parts) for parts in joined]
    for motion in whole:
        motion[..., 2] -= np.percentile(motion[:, _ANKLES, 2].min(1), 5) - _ANKLE_M
    return [motion for motion in whole if len(motion) > _BLEND]


def _continued(last: Array, part: Array) -> tuple[Array, float]:
    """Turn and shift a part (T, 17, 3) so that it begins where the last pose (17, 3) was."""
    to, origin = last.mean(0), part[0].mean(0)
    a, b = last - to, part[0] - origin
    yaw = math.atan2(
        float((b[:, 0] * a[:, 1] - b[:, 1] * a[:, 0]).sum()),
        float((b[:, :2] * a[:, :2]).sum()),
    )
    found = (part - origin) @ _turn(yaw).T + to
    return found, float(np.sqrt(np.square(found[0] - last).sum(-1).mean()))


def _turn(yaw_rad: float) -> Array:
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def random_room(random: np.random.Generator) -> Room:
    """Draw a tilt, then a lens and a height with which whole people fit into the picture."""
    up = up_cam_from_elevation(
        math.radians(random.uniform(-15.0, 45.0)), math.radians(random.uniform(-5.0, 5.0))
    )
    while True:
        width, height, focal = _LENSES[random.integers(len(_LENSES))]
        matrix = np.array(
            [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
        )
        camera = Camera(matrix, width, height)
        height_m = random.uniform(0.3, 4.0)
        x, y = np.meshgrid(np.arange(1.0, _FARTHEST_M, 0.25), np.arange(-5.0, 5.01, 0.25))
        floor = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)
        room = Room(camera, height_m, up, floor[:, :2])
        seen = np.ones(len(floor), bool)
        for above_m in (0.0, 1.75):
            seen &= _in_picture(room, floor + np.array([0.0, 0.0, above_m]))
        places = floor[seen, :2]
        if len(places) * 0.25**2 > _LEAST_AREA_M2 and np.ptp(places[:, 0]) > _LEAST_DEPTH_M:
            return Room(camera, height_m, up, places)


def _pixels(room: Room, points_m: Array, turned: Array | None = None) -> Array:
    """Return pixels (..., 2) of points (..., 3) in the room; NaN behind the camera."""
    cam = (points_m - [0.0, 0.0, room.height_m]) @ level_from_camera(room.up_cam)
    if turned is not None:
        cam = cam @ turned.T
    depth = np.where(cam[..., 2:] > 0.2, cam[..., 2:], np.nan)
    return pixels_from_rays(cam[..., :2] / depth, room.camera)


def _in_picture(room: Room, points_m: Array) -> NDArray[np.bool_]:
    pixels = _pixels(room, points_m)
    with np.errstate(invalid='ignore'):
        inside = (pixels >= 0) & (pixels <= [room.camera.width - 1, room.camera.height - 1])
    return np.asarray(inside.all(-1))


def walk(
    recorded: Sequence[Array], places: Array, frames: int, random: np.random.Generator
) -> Array:
    """Return somebody (T, 17, 3) who moves as recorded, one motion after the other, in sight."""
    scale = random.normal(1.0, _STATURE_SPREAD)
    done = np.zeros((0, 17, 3))
    while len(done) < frames:
        motion = recorded[random.integers(len(recorded))] * scale
        start = int(random.integers(max(len(motion) - 3 * MOTION_HZ, 1)))
        motion = motion[start : start + int(random.integers(3, 16)) * MOTION_HZ]
        if not len(done):
            place = places[random.integers(len(places))]
            yaw = _best_yaw(motion, place, places, random)
            done = _placed(motion, place, yaw)
            continue
        place = done[-1, 0, :2]
        new = _placed(motion, place, _best_yaw(motion, place, places, random))
        done = np.concatenate([done, _between(done[-1], new[0]), new])
    return done[:frames]


def _placed(motion: Array, place: Array, yaw: float) -> Array:
    origin = np.array([*motion[0, 0, :2], 0.0])
    return (motion - origin) @ _turn(yaw).T + [*place, 0.0]


def _best_yaw(motion: Array, place: Array, places: Array, random: np.random.Generator) -> float:
    """Return a direction in which the motion stays among the places, as well as it can."""
    yaws = random.uniform(0, math.tau, 12)
    path = motion[:: MOTION_HZ // 2, 0, :2] - motion[0, 0, :2]
    away = []
    for yaw in yaws:
        there = path @ _turn(yaw)[:2, :2].T + place
        distance = np.linalg.norm(there[:, None] - places, axis=-1).min(1)
        away.append(np.maximum(distance - 0.25, 0).mean())
    good = np.flatnonzero(np.array(away) <= min(away) + 0.05)
    return float(yaws[random.choice(good)])


def _between(last: Array, first: Array) -> Array:
    """Turn on the spot from one pose (17, 3) to the next, in `_BLEND` frames."""
    facing = [pose[_HIPS[0], :2] - pose[_HIPS[1], :2] for pose in (last, first)]
    angles = [math.atan2(f[1], f[0]) for f in facing]
    turn = math.remainder(angles[1] - angles[0], math.tau)
    share = (1 - np.cos(np.linspace(0, math.pi, _BLEND + 2)[1:-1])) / 2
    centre = np.array([*last[0, :2], 0.0])
    rested = (first - [*first[0, :2], 0.0]) @ _turn(-turn).T
    poses = (1 - share)[:, None, None] * (last - centre) + share[:, None, None] * rested
    return np.stack(
        [pose @ _turn(turn * s).T + centre for pose, s in zip(poses, share, strict=True)]
    )


def photographed(
    room: Room,
    joints_m: Array,
    noise_px_at_300: float,
    random: np.random.Generator,
    turned: Array | None = None,
) -> Array:
    """Return noisy keypoints (N, 17, 2) of people (N, 17, 3); NaN where nothing is detected.

    Joints outside the picture are missing; people of whom a nearer one hides most are too.
    """
    pixels = _pixels(room, joints_m, turned)
    low, high = np.nanmin(pixels, axis=1), np.nanmax(pixels, axis=1)
    size = (high - low).max(-1)
    noisy = pixels + random.normal(size=pixels.shape) * noise_px_at_300 / 300 * size[:, None, None]
    limits = [room.camera.width - 1, room.camera.height - 1]
    with np.errstate(invalid='ignore'):
        inside = ((noisy >= 0) & (noisy <= limits)).all(-1)
        low, high = np.maximum(low, 0), np.minimum(high, limits)
        shared = np.maximum(np.minimum(high[:, None], high) - np.maximum(low[:, None], low), 0)
        area = np.maximum(np.prod(np.maximum(high - low, 0), axis=-1), 1e-6)
    distance = np.linalg.norm(joints_m[:, 0] - [0.0, 0.0, room.height_m], axis=-1)
    covered = np.prod(shared, axis=-1) / area[:, None] * (distance < distance[:, None])
    detected = (covered.max(1) < 1 - _LEAST_UNCOVERED) & (inside.sum(1) >= _LEAST_JOINTS)
    return np.where((inside & detected[:, None])[..., None], noisy, np.nan)
