# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""People to the messages of ROS4HRI (REP 155), as bytes: pure functions, no node, no clock."""

import functools
import re
import struct
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
    'ids_message',
    'joint_state_message',
    'region_message',
    'skeleton2d_message',
]

_REGION = struct.Struct('<5f')
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
    return name if name not in taken else f'{name}_{track}'


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


def skeleton2d_message(
    header: Header, person: Person2D, layout: str, size_px: tuple[int, int]
) -> bytes:
    """Return a hri_msgs/Skeleton2D.

    Points that were not found, or lie outside the image, which the message cannot say, are 0 with
    confidence 0. A neck that the layout lacks is the middle of the shoulders.

    Args:
        header: That of the input.
        person: Keypoints.
        layout: Key of `LAYOUTS`.
        size_px: Width and height of the image.
    """
    points = np.full((len(HRI_18), 3), np.nan)
    scores = person.scores.astype(np.float64)
    for row, sources in enumerate(_sources(layout)):
        if sources:
            points[row, :2] = _fractions(person.keypoints_px[sources], size_px).mean(0)
            points[row, 2] = scores[sources].min()
    inside = (points[:, 2] > 0) & ((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(1)
    points[~inside] = 0.0
    return cdr.message([*_head(header), points.astype('<f4').tobytes()])


def region_message(header: Header, person: Person2D, size_px: tuple[int, int]) -> bytes | None:
    """Return a hri_msgs/NormalizedRegionOfInterest2D round the keypoints that are in the image.

    None when nothing of the person is in it. The confidence is the mean of the keypoints'.
    """
    seen = np.isfinite(person.keypoints_px).all(1) & (person.scores > 0)
    places = _fractions(person.keypoints_px[seen], size_px)
    if not len(places):
        return None
    low, high = np.clip(places.min(0), 0, 1), np.clip(places.max(0), 0, 1)
    if (low >= high).any():
        return None
    score = float(person.scores[seen].mean())
    return cdr.message([*_head(header), _REGION.pack(*low, *high, score)])


def _head(header: Header) -> list[bytes]:
    return [cdr.stamp(header), cdr.text(header.frame_id)]


def _fractions(points_px: NDArray[np.float32], size_px: tuple[int, int]) -> NDArray[np.float64]:
    """Return points as shares of the image; (0, 0) is the corner of the first pixel."""
    return np.asarray((points_px.astype(np.float64) + 0.5) / size_px)


@functools.lru_cache(maxsize=256)
def _joint_texts(name: str) -> tuple[bytes, ...]:
    return tuple(cdr.text(f'{angle}_{name}') for angle in ANGLE_NAMES)


@functools.cache
def _sources(layout: str) -> Sequence[list[int]]:
    """Return, for each of ROS4HRI's points, the keypoints that it is the mean of."""
    names = LAYOUTS[layout].joint_names
    shoulders = [names.index(f'{side}_shoulder') for side in ('left', 'right')]
    found = [[names.index(name)] if name in names else [] for name in HRI_18]
    neck = HRI_18.index('neck')
    found[neck] = found[neck] or shoulders
    return tuple(found)
