# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People to the messages of ROS4HRI (REP 155), as bytes: pure functions, no node, no clock."""

import functools
import itertools
import re
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from elepose_core.runtime.joint_angles import ANGLE_NAMES
from elepose_core.runtime.people import Person2D
from elepose_core.skeleton import LAYOUTS
from elepose_ros import cdr
from elepose_ros.adapters.hri import HRI_18

__all__ = [
    'body_name',
    'free_name',
    'ids_message',
    'joint_state_message',
    'region_message',
    'regions_2d',
    'skeleton2d_message',
    'skeletons_2d',
]

_EMPTY = cdr.COUNT.pack(0)
# A topic's whole name has at most 255 characters.
_LONGEST = 64


def body_name(identity: str, track: int, taken: Collection[str]) -> str:
    """Return an id that makes topic and frame names: letters, digits and _, a letter first.

    Args:
        identity: The person's own id, kept as far as it can be.
        track: Number of the person's track, added where the name is taken.
        taken: Names of others.
    """
    name = re.sub('[^A-Za-z0-9]+', '_', identity).strip('_')[:_LONGEST]
    if not name[:1].isalpha():
        name = f'b{name}'
    return free_name(name, track, taken)


def free_name(name: str, track: int, taken: Collection[str]) -> str:
    """Return a name; where it is taken the first free one of name_track, name_track_1, ..."""
    numbered = (f'{name}_{track}_{number}' for number in itertools.count(1))
    names = itertools.chain((name, f'{name}_{track}'), numbered)
    return next(name for name in names if name not in taken)


def ids_message(header: Header, ids: Collection[str]) -> bytes:
    """Return a hri_msgs/IdsList."""
    return cdr.message([*_head(header), cdr.COUNT.pack(len(ids)), *map(cdr.text, ids)])


def joint_state_message(header: Header, name: str, angles_rad: NDArray[np.float64]) -> bytes:
    """Return a sensor_msgs/JointState with the joints of human_description's model.

    Args:
        header: That of the input.
        name: The body's.
        angles_rad: (20,) in the order of `ANGLE_NAMES`; those that are NaN are left out.
    """
    known = np.isfinite(angles_rad)
    parts = [*_head(header), cdr.COUNT.pack(int(known.sum()))]
    parts += [text for text, is_known in zip(_joint_texts(name), known, strict=True) if is_known]
    parts.append(cdr.COUNT.pack(int(known.sum())))
    if known.any():
        parts.append(cdr.padding(sum(map(len, parts)), 8))
        parts.append(angles_rad[known].astype('<f8').tobytes())
    return cdr.message([*parts, _EMPTY, _EMPTY])


def skeletons_2d(
    people: Sequence[Person2D], layout: str, size_px: tuple[int, int]
) -> NDArray[np.float32]:
    """Return ROS4HRI's points (N, 18, 3) of people: x, y as shares of the image, confidence.

    Points that were not found, or lie outside the image, which the message cannot say, are 0 with
    confidence 0. A neck that the layout lacks is the middle of the shoulders.

    Args:
        people: Their keypoints.
        layout: Key of `LAYOUTS`.
        size_px: Width and height of the image.
    """
    first, second, is_there = _sources(layout)
    places, scores = _stacked(people, size_px)
    points = np.empty((len(people), len(HRI_18), 3), np.float32)
    points[..., :2] = (places[:, first] + places[:, second]) / 2
    points[..., 2] = np.minimum(scores[:, first], scores[:, second])
    # NaN is not inside either.
    inside = is_there & ((points >= 0) & (points <= 1)).all(-1) & (points[..., 2] > 0)
    points[~inside] = 0.0
    return points


def skeleton2d_message(header: Header, points: NDArray[np.float32]) -> bytes:
    """Return a hri_msgs/Skeleton2D of points (18, 3) of `skeletons_2d`."""
    return cdr.message([*_head(header), points.astype('<f4').tobytes()])


def regions_2d(
    people: Sequence[Person2D], _layout: str, size_px: tuple[int, int]
) -> NDArray[np.float32]:
    """Return boxes (N, 5) round what is seen of people inside the image.

    Smallest x and y, largest x and y as shares of the image, mean confidence of what is seen; NaN
    where nothing of somebody is in the image.
    """
    places, scores = _stacked(people, size_px)
    seen = np.isfinite(places).all(-1) & (scores > 0)
    low = np.clip(np.where(seen[..., None], places, np.inf).min(1), 0, 1)
    high = np.clip(np.where(seen[..., None], places, -np.inf).max(1), 0, 1)
    mean = np.where(seen, scores, 0).sum(1) / np.maximum(seen.sum(1), 1)
    regions = np.concatenate([low, high, mean[:, None]], 1).astype(np.float32)
    regions[(low >= high).any(1)] = np.nan
    return regions


def region_message(header: Header, region: NDArray[np.float32]) -> bytes:
    """Return a hri_msgs/NormalizedRegionOfInterest2D of a box (5,) of `regions_2d`."""
    return cdr.message([*_head(header), region.astype('<f4').tobytes()])


def _head(header: Header) -> list[bytes]:
    return [cdr.stamp(header), cdr.text(header.frame_id)]


def _stacked(
    people: Sequence[Person2D], size_px: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return places (N, J, 2), (0, 0) and (1, 1) being the image's corners, and scores (N, J)."""
    points_px = np.array([person.keypoints_px for person in people])
    return (points_px + 0.5) / size_px, np.array([person.scores for person in people])


@functools.lru_cache(maxsize=256)
def _joint_texts(name: str) -> tuple[bytes, ...]:
    return tuple(cdr.text(f'{angle}_{name}') for angle in ANGLE_NAMES)


@functools.cache
def _sources(layout: str) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Return, per point of ROS4HRI, two keypoints whose middle it is, and if there are any."""
    names = LAYOUTS[layout].joint_names
    found = [(name, name) for name in HRI_18]
    if 'neck' not in names:
        found[HRI_18.index('neck')] = ('left_shoulder', 'right_shoulder')
    columns = [[names.index(n) if n in names else 0 for n in pair] for pair in found]
    first, second = np.array(columns).T
    return first, second, np.array([pair[0] in names for pair in found])
