# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From rays of whole clips to joints, up direction and bones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError
from elepose_core.refinement.config import RefinementConfig
from elepose_core.refinement.levenberg_marquardt import elevation_deviation_rad, minimise
from elepose_core.refinement.objective import LiftedClips, Objective
from elepose_core.refinement.ray_noise import SmoothRays, smooth_rays
from elepose_core.refinement.sequences import BONES, JOINTS, ROOT, Sequences

__all__ = ['Lift', 'Refined', 'RefinementConfig', 'refine']

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Integers = NDArray[np.int64]
# (rays, scores, up_cam or None) -> joints (N, 17, 3), up (N, 3), and perhaps more
Lift = Callable[[Float32, Float32, Float32 | None], tuple[Float32 | None, ...]]


@dataclass(frozen=True)
class Refined:
    """Clips in 3D; lengths are in mean bone lengths of the person (of an adult about 0.245 m).

    Attributes:
        joints_cam: (N, 17, 3) camera frame, each joint on its ray as far as that is exact.
        up_cam: (N, 3) unit vector against gravity, the same in all frames of a clip.
        elevation_deviation_rad: (N,) formal standard deviation of the clip's elevation: how well
            its motion determines it.
        moved: (N,) mean distance of the joints from where the lifter had them, pelvis on pelvis.
            It tells bad poses from good ones.
        person: (P,) the persons in ascending order; the clips where none were named.
        bone_lengths: (P, 16) in the order of `H36M_17.bones`, mean 1.
    """

    joints_cam: Float32
    up_cam: Float32
    elevation_deviation_rad: Float32
    moved: Float32
    person: Integers
    bone_lengths: Float32


class _Given(NamedTuple):
    """The input as it came: (N, 17, 2), (N, 17) and three times (N,)."""

    rays: Float32
    seen: NDArray[np.bool_]
    clip: Integers
    frame: Integers
    person: Integers


@dataclass
class _Adjusted:
    """What is known of all clips, round by round; F frames in order, C clips."""

    distances: Array
    moved: Array
    bones: Array
    up_cam: Array
    elevation_deviation_rad: Array


def refine(  # noqa: PLR0913 - the columns of one table
    rays: Float32,
    clip: Integers,
    frame: Integers,
    person: Integers | None,
    lift: Lift,
    bone_ratios: ArrayLike,
    config: RefinementConfig | None = None,
    on_part: Callable[[int, int], None] | None = None,
    seen: NDArray[np.bool_] | None = None,
) -> Refined:
    """Find poses, bones and the camera's up direction that fit whole clips.

    No 3D truth enters. The more clips a person has and the further they walk to and from the
    camera, the better: the one determines the bones, the other the elevation.

    Args:
        rays: (N, 17, 2) complete poses, undistorted x/z, y/z, in any order.
        clip: (N,) one number per clip of one person before one camera that stands still.
        frame: (N,) number of the frame in its clip; numbers that are missing are gaps.
        person: (N,) one number per person: clips of one person share their bone lengths, which
            matters much. None = every clip may show somebody else.
        lift: The single-frame lifter, from (rays, scores, up or None) to joints and up.
        bone_ratios: (16,) expected bone lengths up to a factor, as `bone_ratios_from_2d` finds, or
            (P, 16) those of the P persons in ascending order.
        config: What counts how much; None = the defaults.
        on_part: Called with (parts done, parts in all).
        seen: (N, 17) where the ray was seen and not guessed; None = everywhere.

    Raises:
        InputError: Arrays do not fit each other, a ray is not finite, or a clip has a frame twice.
    """
    config = config or RefinementConfig()
    seen = np.ones(rays.shape[:2], bool) if seen is None else seen
    given = _Given(rays, seen, clip, frame, clip if person is None else person)
    _check(given)
    order = np.lexsort((frame, clip))
    sequences, smooth, person_of_clip = _in_order(given, order, config)
    bones = _expected_bones(bone_ratios, int(person_of_clip.max()) + 1)[person_of_clip]
    through = smooth.rays.astype(np.float32)
    scores = np.ones(through.shape[:2], np.float32)
    _, told = _lifted(lift, through, scores, None)
    lifter_up = _clip_means(told, sequences)
    adjusted = _Adjusted(
        distances=np.zeros((len(sequences), JOINTS)),
        moved=np.zeros(len(sequences)),
        bones=bones.copy(),
        up_cam=lifter_up,
        elevation_deviation_rad=np.zeros(sequences.clips),
    )
    parts = list(_parts(sequences, person_of_clip, config.poses_at_once))
    for round_ in range(config.rounds):
        up = adjusted.up_cam[sequences.clip].astype(np.float32)
        joints, _ = _lifted(lift, through, scores, up)
        distance = np.linalg.norm(joints, axis=-1)
        ratio = distance / distance[:, ROOT, None]
        for done, chosen in enumerate(parts, start=round_ * len(parts) + 1):
            part = _Part(sequences, chosen, person_of_clip, bones)
            part.adjust(adjusted, ratio, smooth.deviation, lifter_up, config)
            if on_part is not None:
                on_part(done, config.rounds * len(parts))
    return _result(given, order, sequences, adjusted)


class _Part:
    """Some whole clips, cut out of all."""

    def __init__(
        self, everything: Sequences, chosen: Integers, person: Integers, bones: Array
    ) -> None:
        self._chosen = chosen
        of_clip = np.full(everything.clips, -1)
        of_clip[chosen] = np.arange(len(chosen))
        self._rows = np.flatnonzero(of_clip[everything.clip] >= 0)
        rows = self._rows
        self._sequences = Sequences(
            everything.rays[rows], of_clip[everything.clip[rows]], everything.frame[rows]
        )
        _, self._person = np.unique(person[chosen], return_inverse=True)
        self._bones = bones[chosen]

    def adjust(
        self,
        adjusted: _Adjusted,
        ratio: Array,
        ray_deviation: Array,
        lifter_up: Array,
        config: RefinementConfig,
    ) -> None:
        """Solve these clips, from where the last round left them, and note what comes out."""
        chosen, rows, person = self._chosen, self._rows, self._person
        shared = np.sqrt(np.bincount(person)[person])
        lifted = LiftedClips(
            ratio[rows],
            lifter_up[chosen],
            self._bones,
            config.bone_ratio * shared,
            ray_deviation[rows],
        )
        objective = Objective(self._sequences, lifted, config)
        start = objective.start(lifted, adjusted.bones[chosen], adjusted.up_cam[chosen])
        found = minimise(objective, start, person, config)
        from_lifter = found.distances - ratio[rows] * found.distances[:, ROOT, None]
        adjusted.distances[rows] = found.distances
        adjusted.moved[rows] = np.abs(from_lifter).mean(1)
        adjusted.bones[chosen] = found.constants[:, :BONES]
        adjusted.up_cam[chosen] = found.up_cam
        adjusted.elevation_deviation_rad[chosen] = elevation_deviation_rad(
            objective, found, config
        )


def _check(given: _Given) -> None:
    count = len(given.rays)
    if given.rays.shape != (count, JOINTS, 2) or not count:
        raise InputError(f'rays have shape {given.rays.shape}; expected (N, {JOINTS}, 2), N > 0')
    if given.seen.shape != (count, JOINTS):
        raise InputError(f'seen has shape {given.seen.shape}; expected ({count}, {JOINTS})')
    for name in ('clip', 'frame', 'person'):
        if (shape := getattr(given, name).shape) != (count,):
            raise InputError(f'{name} has shape {shape}; expected ({count},)')
    incomplete = np.flatnonzero(~np.isfinite(given.rays).all((1, 2)))
    if len(incomplete):
        raise InputError(f'rays of pose {incomplete[0]} are not finite; expected complete poses')
    unique, times = np.unique(np.stack([given.clip, given.frame]), axis=1, return_counts=True)
    if (times > 1).any():
        clip, frame = unique[:, times > 1][:, 0]
        raise InputError(f'clip {clip} has frame {frame} more than once; expected one pose each')


def _expected_bones(bone_ratios: ArrayLike, people: int) -> Array:
    """Return the bones (P, 16) of each person, with mean 1."""
    ratios = np.asarray(bone_ratios, np.float64)
    if ratios.shape not in ((BONES,), (people, BONES)):
        raise InputError(
            f'bone_ratios have shape {ratios.shape}; expected ({BONES},) or ({people}, {BONES})'
        )
    if not (np.isfinite(ratios) & (ratios > 0)).all():
        raise InputError(f'bone_ratios are {ratios}; expected positive numbers')
    ratios = ratios / ratios.mean(-1, keepdims=True)
    return np.broadcast_to(ratios, (people, BONES))


def _in_order(
    given: _Given, order: Integers, config: RefinementConfig
) -> tuple[Sequences, SmoothRays, Integers]:
    """Return the clips one after the other, smoothed, and the person (C,) of each.

    Persons count from 0 without gaps.
    """
    numbers, first, clip = np.unique(given.clip[order], return_index=True, return_inverse=True)
    person = given.person[order]
    changed = np.flatnonzero(person != person[first][clip])
    if len(changed):
        raise InputError(
            f'person changes within clip {numbers[clip[changed[0]]]}; expected one per clip'
        )
    rays, frame = given.rays[order].astype(np.float64), given.frame[order]
    noisy = Sequences.of_image(rays, clip, frame)
    smooth = smooth_rays(rays, given.seen[order], noisy, config)
    _, person_of_clip = np.unique(person[first], return_inverse=True)
    return Sequences.of_image(smooth.rays, clip, frame), smooth, person_of_clip


def _lifted(
    lift: Lift, rays: Float32, scores: Float32, up_cam: Float32 | None
) -> tuple[Array, Array]:
    joints, up = lift(rays, scores, up_cam)[:2]
    if joints is None or up is None or not (np.isfinite(joints).all() and np.isfinite(up).all()):
        raise ArithmeticError('the lifter gave no finite joints or up direction for some pose')
    return joints.astype(np.float64), up.astype(np.float64)


def _clip_means(directions: Array, sequences: Sequences) -> Array:
    """Return the mean direction (C, 3) of each clip."""
    mean = np.add.reduceat(directions, sequences.edges[:-1])
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def _parts(sequences: Sequences, person: Integers, poses_at_once: int) -> Iterator[Integers]:
    """Yield clips (ascending) that are solved together: whole persons as far as they fit.

    A person with too many poses is cut into parts of about equal size.
    """
    poses = np.diff(sequences.edges)
    pending: list[Integers] = []
    for who in range(int(person.max()) + 1):
        own = np.flatnonzero(person == who)
        before = np.cumsum(poses[own]) - poses[own]
        pieces = -(-poses[own].sum() // poses_at_once)
        piece = before * pieces // poses[own].sum()
        for clips in (own[piece == which] for which in np.unique(piece)):
            waiting = sum(int(poses[some].sum()) for some in pending)
            if pending and waiting + poses[clips].sum() > poses_at_once:
                yield np.sort(np.concatenate(pending))
                pending = []
            pending.append(clips)
    yield np.sort(np.concatenate(pending))


def _result(given: _Given, order: Integers, sequences: Sequences, adjusted: _Adjusted) -> Refined:
    """Put everything back in the order of the input."""
    back, clip = np.argsort(order), sequences.clip
    persons, person = np.unique(given.person[order], return_inverse=True)
    # A person who was cut has several sets of bones; poses weigh them.
    bones = (
        np.stack([np.bincount(person, column) for column in adjusted.bones[clip].T], axis=1)
        / np.bincount(person)[:, None]
    )
    joints = sequences.rays * adjusted.distances[..., None]
    return Refined(
        joints_cam=joints[back].astype(np.float32),
        up_cam=adjusted.up_cam[clip][back].astype(np.float32),
        elevation_deviation_rad=adjusted.elevation_deviation_rad[clip][back].astype(np.float32),
        moved=adjusted.moved[back].astype(np.float32),
        person=persons,
        bone_lengths=bones.astype(np.float32),
    )
