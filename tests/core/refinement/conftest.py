# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody who walks about before a camera, and a lifter that is wrong like a network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.geometry.elevation import level_from_camera, up_cam_from_elevation
from elepose_core.refinement.sequences import Sequences, Unknowns
from elepose_core.skeleton import H36M_17

Array = NDArray[np.float64]
_PELVIS_HEIGHT, _STEP_HZ = 3.2, 0.03


@dataclass(frozen=True)
class Walk:
    """Clips of one person, lengths in mean bone lengths.

    Attributes:
        joints_cam: (N, 17, 3) truth.
        up_cam: (N, 3) truth.
        clip: (N,).
        frame: (N,).
        bones: (16,) truth, mean 1.
    """

    joints_cam: Array
    up_cam: Array
    clip: NDArray[np.int64]
    frame: NDArray[np.int64]
    bones: Array

    @property
    def rays(self) -> NDArray[np.float32]:
        return (self.joints_cam[..., :2] / self.joints_cam[..., 2:]).astype(np.float32)


def _leg(hip: Array, ankle: Array, forward: Array, thigh: float, shank: float) -> Array:
    """Return the knee (F, 3) of a leg whose two bones have known lengths; it bends forward."""
    reach = ankle - hip
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / length
    part = (thigh**2 - shank**2 + length**2) / (2 * length)
    side = forward - along * (forward * along).sum(1, keepdims=True)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return hip + along * part + side * np.sqrt(np.maximum(thigh**2 - part**2, 0))


def _walking(bones: Array, frames: int, speed: float, heading_rad: float, phase: float) -> Array:
    """Return (F, 17, 3) in a level frame, z up, floor at 0, walking through the origin.

    The ankles stand still in turn; while one stands, the other swings to twice the stride.
    """
    names, time = H36M_17.joint_names, np.arange(frames)
    length = dict(zip(names[1:], bones, strict=True))
    ahead = np.array([np.cos(heading_rad), np.sin(heading_rad), 0.0])
    left, up = np.array([-ahead[1], ahead[0], 0.0]), np.array([0.0, 0.0, 1.0])
    forward = np.tile(ahead, (frames, 1))
    travelled = speed * (time - frames / 2)
    joints = np.zeros((frames, len(names), 3))
    at = {name: joints[:, i] for i, name in enumerate(names)}
    at['pelvis'][:] = travelled[:, None] * ahead + _PELVIS_HEIGHT * up
    for side, sign, shift in (('right', -1.0, 0.0), ('left', 1.0, 0.5)):
        cycle = _STEP_HZ * time + phase + shift
        swing = np.clip(2 * (cycle % 1.0) - 1, 0, 1)
        # A foot stands for the first half of its cycle and catches up in the second.
        eased = swing - np.sin(2 * np.pi * swing) / (2 * np.pi)
        start = travelled - speed * (cycle % 1.0 - 0.25) / _STEP_HZ
        ankle = (start + eased * speed / _STEP_HZ)[:, None] * ahead
        lifted = 0.5 * np.sin(np.pi * swing) ** 2
        at[f'{side}_hip'][:] = at['pelvis'] + sign * length[f'{side}_hip'] * left
        at[f'{side}_ankle'][:] = ankle + sign * 0.4 * left + lifted[:, None] * up
        at[f'{side}_knee'][:] = _leg(
            at[f'{side}_hip'],
            at[f'{side}_ankle'],
            forward,
            length[f'{side}_knee'],
            length[f'{side}_ankle'],
        )
    for name, parent in (('spine', 'pelvis'), ('thorax', 'spine')):
        at[name][:] = at[parent] + length[name] * up
    lean = 0.3 * ahead + 0.954 * up
    at['neck_nose'][:] = at['thorax'] + length['neck_nose'] * lean
    at['head_top'][:] = at['neck_nose'] + length['head_top'] * up
    for side, sign, shift in (('left', 1.0, 0.0), ('right', -1.0, 0.5)):
        at[f'{side}_shoulder'][:] = at['thorax'] + sign * length[f'{side}_shoulder'] * left
        angle = 0.5 * np.sin(2 * np.pi * (_STEP_HZ * time + phase + shift))
        for name, parent, bend in (('elbow', 'shoulder', 0.0), ('wrist', 'elbow', 0.5)):
            swung = np.sin(angle + bend)[:, None] * ahead - np.cos(angle + bend)[:, None] * up
            child = f'{side}_{name}'
            at[child][:] = at[f'{side}_{parent}'] + length[child] * swung
    return joints


def make_walk(
    clips: int = 3,
    frames: int = 60,
    speed: float = 0.12,
    elevation_deg: tuple[float, ...] = (10.0, 25.0, 0.0),
) -> Walk:
    """Photograph a person who walks towards the camera, away from it, aslant."""
    bones = np.array(
        [0.34, 1.7, 1.7, 0.34, 1.7, 1.7, 1.1, 0.95, 0.5, 0.5, 0.75, 1.15, 0.85, 0.75, 1.15, 0.85]
    )
    bones /= bones.mean()
    joints, ups = [], []
    for clip in range(clips):
        elevation = np.radians(elevation_deg[clip % len(elevation_deg)])
        up = up_cam_from_elevation(elevation)
        # The camera looks at somebody 16 bones away, from the height that its tilt asks for.
        height = _PELVIS_HEIGHT + 16 * np.tan(elevation)
        level = _walking(bones, frames, speed, np.pi + 0.5 * clip, 0.3 * clip)
        level += (16.0, 0.0, -height)
        joints.append(level @ level_from_camera(up))
        ups.append(np.tile(up, (frames, 1)))
    return Walk(
        np.concatenate(joints),
        np.concatenate(ups),
        np.repeat(np.arange(clips), frames),
        np.tile(np.arange(frames), clips),
        bones,
    )


def make_lifter(walk: Walk, noise: float = 0.15, elevation_error_deg: float = 4.0) -> Any:
    """Return a lifter for these rays: each pose has its own scale, depths are noisy, up is off."""
    random = np.random.default_rng(7)
    distance = np.linalg.norm(walk.joints_cam, axis=-1)
    wrong = distance + noise * random.standard_normal(distance.shape)
    wrong /= wrong[:, :1]
    unit = walk.joints_cam / distance[..., None]
    joints = (unit * wrong[..., None]).astype(np.float32)
    error = np.radians(elevation_error_deg)
    elevation = np.arcsin(-walk.up_cam[:, 2]) + error
    elevation += 0.02 * random.standard_normal(len(elevation))
    up = up_cam_from_elevation(elevation).astype(np.float32)

    def lift(rays: Any, scores: Any, told: Any) -> tuple[Any, ...]:
        assert rays.dtype == scores.dtype == np.float32
        assert rays.shape == walk.rays.shape
        return joints, up

    return lift


@pytest.fixture(scope='session')
def walk_of() -> Callable[..., Walk]:
    return make_walk


@pytest.fixture(scope='session')
def lifter_of() -> Callable[..., Any]:
    return make_lifter


@pytest.fixture(scope='session')
def sequences() -> Sequences:
    """Two clips of 5 and 4 frames, the first with a gap after its third frame."""
    walk = make_walk(clips=2, frames=7)
    chosen = np.array([0, 1, 2, 4, 5, 7, 8, 9, 10])
    joints = walk.joints_cam[chosen]
    unit = joints / np.linalg.norm(joints, axis=-1, keepdims=True)
    return Sequences(unit, walk.clip[chosen], walk.frame[chosen])


@pytest.fixture
def unknowns(sequences: Sequences, random: np.random.Generator) -> Unknowns:
    """Something near 16 bones away that fits nothing exactly."""
    constants = random.uniform(0.5, 1.5, (sequences.clips, 19))
    constants[:, 16:18] = random.uniform(-0.4, 0.4, (sequences.clips, 2))
    constants[:, 18] = random.uniform(-6, -4, sequences.clips)
    return Unknowns(16 + random.standard_normal((len(sequences), 17)), constants)
