# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Results of lifting, read back as arrays for figures: bags with skeletons and npz files."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.bags import BagReader, Topic
from elepose_core.body.surface import MovingBodies
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError, shown
from elepose_core.geometry.elevation import elevation_from_up_cam
from elepose_core.offline import bag_messages as messages
from elepose_core.offline.bodies import bodies_of_extra
from elepose_core.skeleton import H36M_17

__all__ = ['LiftedFrames', 'frames_from_bag', 'frames_from_poses']

Array = NDArray[np.float64]
# What all frames and people of a result may take, 4 GB: a crowd in one frame of many makes room
# for a crowd in each.
_MOST_NUMBERS = 1 << 29
# The seconds of a stamp have 31 bits.
_LARGEST_S = 2.0**31


@dataclass(frozen=True)
class LiftedFrames:
    """F frames with up to P people each.

    Attributes:
        stamps_ns: (F,) stamps of the input.
        joints_cam_m: (F, P, 17, 3) metres, optical frame, NaN = nobody or unknown.
        up_cam: (F, 3) against gravity, NaN = unknown.
        elevation_rad: (F,), NaN = unknown.
        bodies: Surfaces of the people; None where the result has none.
    """

    stamps_ns: NDArray[np.int64]
    joints_cam_m: Array
    up_cam: Array
    elevation_rad: Array
    bodies: MovingBodies | None = None

    @property
    def time_s(self) -> Array:
        """Seconds since the first frame, (F,)."""
        return np.asarray((self.stamps_ns - self.stamps_ns[0]) * 1e-9, np.float64)


def frames_from_bag(path: Path, topic: str = '') -> LiftedFrames:
    """Read the skeletons of a bag, and the camera elevation that was published beside them.

    Args:
        path: Bag.
        topic: Skeletons3D topic; empty means: the only one.

    Raises:
        InputError: The bag cannot be read or holds no such topic, or several.
    """
    people: dict[int, list[Array]] = {}
    elevations: dict[int, Any] = {}
    with BagReader(path) as bag:
        source = _skeletons_topic(bag, topic)
        beside = f'{source.name.rpartition("/")[0]}/camera_elevation'
        names = [source.name, *([beside] if beside in bag.topics else [])]
        for message in bag.messages(names):
            decoded = bag.decode(message)
            stamp = messages.stamp_ns_of(decoded)
            if message.topic is source:
                people[stamp] = [_joints(skeleton) for skeleton in decoded.skeletons]
            else:
                elevations[stamp] = decoded
    stamps = sorted(people)
    places = max(1, max(len(found) for found in people.values()))
    joints = _nobody((len(stamps), places, len(H36M_17), 3), path, np.float64)
    up, elevation = np.full((len(stamps), 3), np.nan), np.full(len(stamps), np.nan)
    for row, stamp in enumerate(stamps):
        for place, person in enumerate(people[stamp]):
            joints[row, place] = person
        if stamp in elevations:
            told = elevations[stamp]
            up[row] = told.up.x, told.up.y, told.up.z
            elevation[row] = told.elevation
    return LiftedFrames(np.array(stamps, np.int64), joints, up, elevation)


def frames_from_poses(path: Path, clip: int | None = None) -> LiftedFrames:
    """Read a PoseSet npz that `elepose lift` wrote; 3D truth serves as well.

    Args:
        path: npz file.
        clip: Which `clip_index`; None means everybody in a lifted video, else the longest clip.

    Raises:
        InputError: The file is no PoseSet, has no 3D joints or no such clip.
    """
    poses = PoseSet.load(path)
    joints = _of_poses(poses, 'lifted_joints_cam_m', (len(H36M_17), 3), path)
    joints = poses.joints_cam_m if joints is None else joints
    if joints is None:
        raise InputError(
            f'{path} holds neither lifted_joints_cam_m nor joints_cam_m; lift it first '
            'with: elepose lift'
        )
    if not len(poses):
        raise InputError(f'{path} holds no pose')
    # A lifted video has one clip for each person, and its frames belong together.
    if 'person_id' in poses.extra and clip is None:
        rows = np.arange(len(poses))
    else:
        rows = _rows_of_clip(poses, path, clip)
    frames, row_frames = np.unique(poses.frame_index[rows], return_inverse=True)
    row_places = _places(row_frames)
    shape = (len(frames), int(row_places.max()) + 1)
    lifted = _nobody((*shape, len(H36M_17), 3), path, np.float64)
    lifted[row_frames, row_places] = joints[rows]
    up = np.full((len(frames), 3), np.nan)
    ups = _of_poses(poses, 'lifted_up_cam', (3,), path)
    if ups is not None:
        up[row_frames] = ups[rows]
    seconds = frames / poses.fps
    if seconds[-1] > _LARGEST_S:
        raise InputError(
            f'{path}: the last frame is at {seconds[-1]:g} s; expected at most {_LARGEST_S:g}'
        )
    stamps = np.round(seconds * 1e9).astype(np.int64)
    result = LiftedFrames(stamps, lifted, up, elevation_from_up_cam(up))
    bodies = bodies_of_extra(poses.extra, len(poses), str(path))
    if bodies is None or 'lifted_joints_cam_m' not in poses.extra:
        return result
    vertices = _nobody((*shape, *bodies.vertices_cam_m.shape[1:]), path, np.float32)
    vertices[row_frames, row_places] = bodies.vertices_cam_m[rows]
    person = np.full(shape, -1)
    person[row_frames, row_places] = np.unique(poses.clip_index[rows], return_inverse=True)[1]
    return replace(result, bodies=MovingBodies(vertices, bodies.faces, person))


def _of_poses(
    poses: PoseSet, key: str, row: tuple[int, ...], path: Path
) -> NDArray[np.floating[Any]] | None:
    """Return a further array of a PoseSet, checked; None where there is none."""
    if key not in poses.extra:
        return None
    found = poses.extra[key]
    if found.shape != (len(poses), *row) or found.dtype.kind != 'f':
        raise InputError(
            f'{path}: {key} is {found.dtype} of shape {found.shape}; expected decimal numbers of '
            f'shape {(len(poses), *row)}'
        )
    return np.where(np.isfinite(found), found, np.nan)


def _nobody(shape: tuple[int, ...], path: Path, kind: type[np.floating[Any]]) -> NDArray[Any]:
    """Return NaN for all frames and places, or refuse what would not fit into memory."""
    if math.prod(shape) > _MOST_NUMBERS:
        raise InputError(
            f'{path} has {shape[0]} frames of up to {shape[1]} people, {math.prod(shape)} numbers '
            f'to show; expected at most {_MOST_NUMBERS} (of an npz file --clip shows one person)'
        )
    return np.full(shape, np.nan, kind)


def _rows_of_clip(poses: PoseSet, path: Path, clip: int | None) -> NDArray[np.int64]:
    clips, lengths = np.unique(poses.clip_index, return_counts=True)
    chosen = int(clips[lengths.argmax()]) if clip is None else clip
    rows = np.flatnonzero(poses.clip_index == chosen)
    if not len(rows):
        raise InputError(f'{path} has no clip {chosen}; expected {clips.min()}..{clips.max()}')
    return rows


def _places(row_frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows of each frame 0, 1, 2, ... in their order."""
    order = np.argsort(row_frames, kind='stable')
    is_first = np.diff(row_frames[order], prepend=-1) > 0
    starts = np.flatnonzero(is_first)
    places = np.empty(len(row_frames), np.int64)
    places[order] = np.arange(len(row_frames)) - np.repeat(
        starts, np.diff(np.append(starts, len(row_frames)))
    )
    return places


def _skeletons_topic(bag: BagReader, name: str) -> Topic:
    found = [t for t in bag.topics.values() if t.type == messages.SKELETONS_3D and t.count]
    listed = ', '.join(topic.name for topic in found) or 'none'
    if name:
        found = [topic for topic in found if topic.name == name]
    if len(found) != 1:
        wanted = f'topic {name}' if name else 'exactly one'
        raise InputError(
            f'bag {bag.path} holds these Skeletons3D topics: {listed}; expected {wanted}'
        )
    return found[0]


def _joints(skeleton: Any) -> Array:
    joints = np.stack([skeleton.x, skeleton.y, skeleton.z], axis=-1).astype(np.float64)
    if joints.shape != (len(H36M_17), 3):
        raise InputError(f'skeleton {shown(skeleton.id)} has {len(joints)} joints; expected 17')
    return joints
