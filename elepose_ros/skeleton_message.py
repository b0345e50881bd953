# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Skeletons to our own message, as bytes: a pure function, no node, no clock."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from elepose_core.runtime.people import Skeleton3D, Skeletons3D
from elepose_core.skeleton import H36M_17
from elepose_ros import cdr

__all__ = ['message_from_skeletons']

_JOINTS = len(H36M_17)
# x, y, z, sigma and score, each with its length before it.
_COLUMN = np.dtype([('length', '<u4'), ('values', '<f4', (_JOINTS,))])
_TAIL = np.dtype(
    [
        *(('root', '<f8', (3,)), ('root_covariance', '<f8', (9,)), ('scale_source', 'u1')),
        *(('gap', 'u1', (3,)), ('plausibility', '<f4')),
    ]
)


def message_from_skeletons(skeletons: Skeletons3D, header: Header) -> bytes:
    """Return an elepose_ros/Skeletons3D with the header of the input."""
    people = skeletons.skeletons
    head = [cdr.stamp(header), cdr.text(header.frame_id), cdr.text(H36M_17.name)]
    head.append(cdr.COUNT.pack(len(people)))
    return cdr.message([*head, *_written(people, sum(map(len, head)))])


def _written(people: Sequence[Skeleton3D], length: int) -> Iterator[bytes]:
    """Yield the parts of all people, who start `length` bytes behind the encapsulation."""
    if not people:
        return
    columns, tails = _columns(people), _tails(people)
    for skeleton, joints, tail in zip(people, columns, tails, strict=True):
        name = cdr.text(skeleton.id)
        length += len(name) + joints.nbytes
        gap = cdr.padding(length, 8)
        length += len(gap) + _TAIL.itemsize
        yield from (name, joints.tobytes(), gap, tail.tobytes())


def _columns(people: Sequence[Skeleton3D]) -> NDArray[np.void]:
    """Return (N, 5) arrays of all people."""
    written = np.empty((len(people), 5), _COLUMN)
    written['length'] = _JOINTS
    values = written['values']
    values[:, :3] = np.array([s.joints_cam_m for s in people]).transpose(0, 2, 1)
    values[:, 3] = [s.sigma_m for s in people]
    values[:, 4] = [s.scores for s in people]
    return written


def _tails(people: Sequence[Skeleton3D]) -> NDArray[np.void]:
    """Return (N,) records of what stands behind the arrays."""
    written = np.zeros(len(people), _TAIL)
    written['root'] = [s.root_cam_m for s in people]
    written['root_covariance'] = np.array([s.root_covariance_m2 for s in people]).reshape(-1, 9)
    written['scale_source'] = [s.scale_source for s in people]
    written['plausibility'] = [s.plausibility for s in people]
    return written
