# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Results of lifting, read back as arrays for figures: bags with skeletons and npz files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.bags import BagReader, Topic
from elepose_core.data.poseset import PoseSet
from elepose_core.errors import InputError
from elepose_core.geometry.elevation import elevation_from_up_cam
from elepose_core.offline import bag_messages as messages
from elepose_core.skeleton import H36M_17

__all__ = ['LiftedFrames', 'frames_from_bag', 'frames_from_poses']

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LiftedFrames:
    """F frames with up to P people each.

    Attributes:
        stamps_ns: (F,) stamps of the input.
        joints_cam_m: (F, P, 17, 3) metres, optical frame, NaN = nobody or unknown.
        up_cam: (F, 3) against gravity, NaN = unknown.
        elevation_rad: (F,), NaN = unknown.
    """

    stamps_ns: NDArray[np.int64]
    joints_cam_m: Array
    up_cam: Array
    elevation_rad: Array

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
    joints = np.full((len(stamps), places, len(H36M_17), 3), np.nan)
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
    """Read one clip of a PoseSet npz that `elepose lift` wrote; 3D truth serves as well.

    Args:
        path: npz file.
        clip: Which `clip_index`; None means the longest clip.

    Raises:
        InputError: The file is no PoseSet, has no 3D joints or no such clip.
    """
    poses = PoseSet.load(path)
    joints = poses.extra.get('lifted_joints_cam_m', poses.joints_cam_m)
    if joints is None:
        raise InputError(
            f'{path} holds neither lifted_joints_cam_m nor joints_cam_m; lift it first '
            'with: elepose lift'
        )
    clips, lengths = np.unique(poses.clip_index, return_counts=True)
    if not len(clips):
        raise InputError(f'{path} holds no pose')
    chosen = int(clips[lengths.argmax()]) if clip is None else clip
    rows = np.flatnonzero(poses.clip_index == chosen)
    if not len(rows):
        raise InputError(f'{path} has no clip {chosen}; expected {clips.min()}..{clips.max()}')
    stamps = poses.frame_index[rows] * 1e9 / poses.fps
    if 'lifted_up_cam' in poses.extra:
        up = np.asarray(poses.extra['lifted_up_cam'], np.float64)[rows]
        elevation = elevation_from_up_cam(up)
    else:
        up = np.full((len(rows), 3), np.nan)
        elevation = np.full(len(rows), np.nan)
    stacked = np.asarray(joints, np.float64)[rows][:, None]
    return LiftedFrames(np.round(stamps).astype(np.int64), stacked, up, elevation)


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
        raise InputError(f'skeleton {skeleton.id!r} has {len(joints)} joints; expected 17')
    return joints
