# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of 2D poses, and which of their joints the lifter may see."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from elepose_core.skeleton import H36M_17

__all__ = [
    'Keypoints2D',
    'SamplingConfig',
    'draw_angle',
    'draw_rows',
    'draw_visibility',
    'mirrored',
]

_JOINTS = len(H36M_17)


def _mask(*prefixes: str) -> list[bool]:
    return [name.startswith(prefixes) for name in H36M_17.joint_names]


# What really goes missing: the image ends at the knees, at the waist, an arm is hidden, ...
_HIDDEN_TOGETHER = torch.tensor(
    [
        _mask('left_ankle', 'right_ankle'),
        _mask('left_ankle', 'right_ankle', 'left_knee', 'right_knee'),
        [
            i in (0, 7) or name.endswith(('hip', 'knee', 'ankle'))
            for i, name in enumerate(H36M_17.joint_names)
        ],
        _mask('left_elbow', 'left_wrist'),
        _mask('right_elbow', 'right_wrist'),
        _mask('left_knee', 'left_ankle'),
        _mask('right_knee', 'right_ankle'),
        _mask('neck_nose', 'head_top'),
    ]
)


class SamplingConfig(BaseModel):
    """How the input of the lifter is varied; shares are probabilities per pose.

    `noise` is the largest standard deviation of a pose's keypoints in units of its angular size,
    `stretch` the relative standard deviation of bones of people that were made up.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    mirrored_share: float = Field(0.5, ge=0, le=1)
    random_hidden_share: float = Field(0.25, ge=0, le=1)
    group_hidden_share: float = Field(0.2, ge=0, le=1)
    most_random_hidden: float = Field(0.4, ge=0, le=1)
    noisy_share: float = Field(0.6, ge=0, le=1)
    noise: float = Field(0.08, ge=0, le=1)
    stretched_share: float = Field(0.5, ge=0, le=1)
    stretch: float = Field(0.08, ge=0, le=0.3)
    new_view_share: float = Field(0.5, ge=0, le=1)
    tilted_share: float = Field(0.25, ge=0, le=1)
    tilt_deg: float = Field(8.0, ge=0, le=45)
    rolled_share: float = Field(0.5, ge=0, le=1)
    roll_deg: float = Field(20.0, ge=0, le=90)
    told_share: float = Field(0.5, ge=0, le=1)
    told_deviation_deg: float = Field(10.0, ge=0, le=45)


@dataclass(frozen=True)
class Keypoints2D:
    """The training set: complete poses, and which of them belong together.

    Attributes:
        rays: (N, 17, 2) normalised image coordinates.
        clip: (N,) index of the clip, 0 ... clips - 1; one fixed camera without roll each.
        frame: (N,) number of the frame within its clip.
        person: (N,) index of the person, 0 ... people - 1; clips of one person share the lengths
            of bones.
        fps: Frames per second.
    """

    rays: Tensor
    clip: Tensor
    frame: Tensor
    person: Tensor
    fps: float = 30.0

    @property
    def clips(self) -> int:
        """Return the number of clips."""
        return int(self.clip.max()) + 1

    @property
    def people(self) -> int:
        """Return the number of people."""
        return int(self.person.max()) + 1

    def select(self, rows: Tensor) -> 'Keypoints2D':
        """Return some of the poses."""
        return self._each(lambda part: part[rows])

    def to(self, device: torch.device) -> 'Keypoints2D':
        """Return the set on a device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> 'Keypoints2D':
        parts = (self.rays, self.clip, self.frame, self.person)
        rays, clip, frame, person = map(change, parts)
        return Keypoints2D(rays, clip, frame, person, self.fps)


def draw_rows(
    count: int, batch_size: int, mirrored_share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw rows of a set of `count` poses with replacement, and which of them to mirror."""
    rows = torch.randint(count, (batch_size,), generator=generator)
    return rows, torch.rand(batch_size, generator=generator) < mirrored_share


def mirrored(points: Tensor, which: Tensor) -> Tensor:
    """Swap left and right of those poses (B, 17, 2 or 3) that `which` (B,) names."""
    flipped = (
        points[:, list(H36M_17.mirror)] * points.new_tensor([-1.0, 1.0, 1.0])[: points.shape[2]]
    )
    return torch.where(which[:, None, None].to(points.device), flipped, points)


def draw_angle(batch_size: int, largest_rad: float, generator: torch.Generator) -> Tensor:
    """Draw angles (B,) evenly within +- `largest_rad`."""
    return (torch.rand(batch_size, generator=generator) * 2 - 1) * largest_rad


def draw_visibility(batch_size: int, config: SamplingConfig, generator: torch.Generator) -> Tensor:
    """Draw (B, 17) masks, 1 = visible: mostly whole, else random joints or whole limbs hidden."""
    choice = torch.rand(batch_size, 1, generator=generator)
    rate = torch.rand(batch_size, 1, generator=generator) * config.most_random_hidden
    at_random = torch.rand(batch_size, _JOINTS, generator=generator) < rate
    group = torch.randint(len(_HIDDEN_TOGETHER), (batch_size,), generator=generator)
    first = config.random_hidden_share
    hidden = torch.where(choice < first, at_random, torch.zeros_like(at_random))
    second = (choice >= first) & (choice < first + config.group_hidden_share)
    hidden = torch.where(second, _HIDDEN_TOGETHER[group], hidden)
    return 1.0 - hidden.float()
