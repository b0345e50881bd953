# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What is given and what is sought: viewing rays of clips, and the unknowns of clips."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.skeleton import H36M_17

__all__ = [
    'ANKLES',
    'BONES',
    'CONSTANTS',
    'ELEVATION',
    'FLOOR',
    'JOINTS',
    'LIMBS',
    'ROLL',
    'ROOT',
    'Sequences',
    'Unknowns',
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

JOINTS = len(H36M_17)
ROOT = H36M_17.index('pelvis')
ANKLES = (H36M_17.index('right_ankle'), H36M_17.index('left_ankle'))
# (17,) joints that move faster than the trunk.
LIMBS = np.array(
    [name.endswith(('knee', 'ankle', 'elbow', 'wrist')) for name in H36M_17.joint_names]
)
# Columns of what is constant over a clip: bone lengths first, then these.
BONES = len(H36M_17.bones)
ELEVATION, ROLL, FLOOR = BONES, BONES + 1, BONES + 2
CONSTANTS = BONES + 3


class Unknowns(NamedTuple):
    """What is sought.

    Attributes:
        distances: (F, 17) from the camera to the joint along its ray, in mean bone lengths.
        constants: (C, 19) of each clip: 16 bone lengths in the order of `H36M_17.bones`, the
            camera's elevation and roll (rad), and the floor's height over the camera along up
            (negative where the camera stands above it), in mean bone lengths.
    """

    distances: Array
    constants: Array

    @property
    def up_cam(self) -> Array:
        """Return (C, 3), the unit vector against gravity in each clip's camera."""
        return up_cam_from_elevation(self.constants[:, ELEVATION], self.constants[:, ROLL])


@dataclass(frozen=True)
class Sequences:
    """Clips one after the other, their frames in order.

    Attributes:
        rays: (F, 17, 3) unit vectors from the camera to the joints, camera frame.
        clip: (F,) ascending from 0 without gaps.
        frame: (F,) ascending within a clip.
    """

    rays: Array
    clip: Integers
    frame: Integers

    @classmethod
    def of_image(cls, rays: Array, clip: Integers, frame: Integers) -> 'Sequences':
        """Take rays as (F, 17, 2) x/z, y/z."""
        ends = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
        return cls(ends / np.linalg.norm(ends, axis=-1, keepdims=True), clip, frame)

    def __len__(self) -> int:
        return len(self.rays)

    @cached_property
    def clips(self) -> int:
        """Return the number of clips."""
        return int(self.clip[-1]) + 1

    @cached_property
    def edges(self) -> Integers:
        """Return (C + 1,): the first frame of each clip, then the number of frames."""
        return np.searchsorted(self.clip, np.arange(self.clips + 1))

    def runs(self, length: int) -> Integers:
        """Return the first frames of all runs of `length` frames without a gap, in one clip."""
        first = np.arange(max(len(self) - length + 1, 0))
        last = first + length - 1
        whole = (self.clip[last] == self.clip[first]) & (
            self.frame[last] - self.frame[first] == length - 1
        )
        return np.asarray(first[whole])

    def lowest_ankles(self, distances: Array, up_cam: Array) -> Array:
        """Return the median height (C,) over the camera of each frame's lower ankle."""
        ankles = list(ANKLES)
        height = np.einsum('fk,fjk->fj', up_cam[self.clip], self.rays[:, ankles])
        low = (height * distances[:, ankles]).min(1)
        return np.array([np.median(part) for part in np.split(low, self.edges[1:-1])])
