# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""All that is known of a part of the clips, as one robust least-squares cost."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import elevation_from_up_cam, roll_from_up_cam
from elepose_core.refinement.config import MEAN_BONE_MM, RefinementConfig
from elepose_core.refinement.kernels import GemanMcClure, Kernel, PseudoHuber, Quadratic
from elepose_core.refinement.sequences import (
    ANKLES,
    BONES,
    CONSTANTS,
    ELEVATION,
    FLOOR,
    JOINTS,
    LIMBS,
    ROLL,
    Sequences,
    Unknowns,
)
from elepose_core.refinement.terms import (
    Anchor,
    BoneLengths,
    Floor,
    LinearConstants,
    Motion,
    Term,
)
from elepose_core.skeleton import H36M_17

__all__ = ['LiftedClips', 'Objective']

Array = NDArray[np.float64]

# The mean bone is the unit of length, to one part in many thousands.
_UNIT_SIGMA = 1e-3
# A clip without a visible floor has some height nevertheless, or nothing would be determined.
_FLOOR_SIGMA = 1e3


class LiftedClips(NamedTuple):
    """What the lifter and the bone ratios say before the adjustment.

    Attributes:
        distance_ratio: (F, 17) the joints' distances from the camera by the pelvis's.
        up_cam: (C, 3) the lifter's up direction of each clip.
        bones: (C, 16) expected bone lengths of each clip's person, mean 1.
        bone_ratio_sigma: (C,) relative standard deviation of these; where clips share their
            person, so large that together they count once.
        ray_deviation: (F, 17) standard deviation of each joint across its ray, mean bone lengths.
    """

    distance_ratio: Array
    up_cam: Array
    bones: Array
    bone_ratio_sigma: Array
    ray_deviation: Array


class Objective:
    """The terms with their kernels; only the kernels of the bones change from stage to stage."""

    def __init__(
        self, sequences: Sequences, lifted: LiftedClips, config: RefinementConfig
    ) -> None:
        self.sequences = sequences
        bones = H36M_17.bones
        hips = tuple(b for b, (_, c) in enumerate(bones) if H36M_17.joint_names[c][-4:] == '_hip')
        # The pelvis is the middle of a rigid bar.
        bar = [(bones[hips[0]][1], bones[hips[1]][1])]
        self._bones: list[Term] = [
            BoneLengths(sequences, bones, [(bone,) for bone in range(BONES)]),
            BoneLengths(sequences, bar, [hips]),
        ]
        across = np.square(config.repeated_noise * lifted.ray_deviation)
        self._across = [_of_both_ends(across, bones), _of_both_ends(across, bar)]
        self._others = [
            *_motion(sequences, lifted.distance_ratio, config),
            *_constants(sequences.clips, lifted, config),
        ]

    @property
    def terms(self) -> list[Term]:
        """Return all terms, in the order of `kernels`."""
        return [*self._bones, *(term for term, _ in self._others)]

    def kernels(self, bone_mm: float) -> list[Kernel]:
        """Return the kernel of each term, with this standard deviation of a bone's length."""
        along = (bone_mm / MEAN_BONE_MM) ** 2
        bones = [Quadratic(np.sqrt(along + across)) for across in self._across]
        return [*bones, *(kernel for _, kernel in self._others)]

    def costs(self, unknowns: Unknowns, kernels: list[Kernel]) -> Array:
        """Return the cost (C,) of each clip."""
        total = np.zeros(self.sequences.clips)
        for term, kernel in zip(self.terms, kernels, strict=True):
            cost, _ = kernel(term.squared(unknowns))
            total += np.bincount(term.footprint.clip, cost, len(total))
        return total

    def start(self, lifted: LiftedClips, bones: Array, up_cam: Array) -> Unknowns:
        """Return the lifter's poses, scaled to these bones (C, 16), under this up (C, 3)."""
        sequences = self.sequences
        joints = sequences.rays * lifted.distance_ratio[..., None]
        parents, children = (list(ends) for ends in zip(*H36M_17.bones, strict=True))
        lengths = np.linalg.norm(joints[:, parents] - joints[:, children], axis=-1).sum(1)
        scale = bones.sum(1)[sequences.clip] / lengths
        distances = lifted.distance_ratio * scale[:, None]
        constants = np.zeros((sequences.clips, CONSTANTS))
        constants[:, :BONES] = bones
        constants[:, ELEVATION] = elevation_from_up_cam(up_cam)
        constants[:, ROLL] = roll_from_up_cam(up_cam)
        constants[:, FLOOR] = sequences.lowest_ankles(distances, up_cam)
        return Unknowns(distances, constants)


def _of_both_ends(variance: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """Return the variances (F * P,) of pairs of joints, from those of joints (F, 17)."""
    first, second = (list(ends) for ends in zip(*pairs, strict=True))
    return np.asarray(variance[:, first] + variance[:, second]).ravel()


def _motion(
    sequences: Sequences, distance_ratio: Array, config: RefinementConfig
) -> list[tuple[Term, Kernel]]:
    """Return what is known of the frames beside the bones."""
    anchor, anchor_soft, acceleration, soft, standing, floor, floor_soft = (
        length / MEAN_BONE_MM
        for length in (
            *(config.anchor_mm, config.anchor_soft_mm),
            *(config.acceleration_mm, config.acceleration_soft_mm),
            *(config.standing_mm, config.floor_mm, config.floor_soft_mm),
        )
    )
    smooth = Motion(sequences, range(JOINTS), (1.0, -2.0, 1.0))
    looseness = np.tile(
        np.where(LIMBS, config.limb_looseness, 1.0), len(smooth.footprint.clip) // JOINTS
    )
    return [
        (Anchor(sequences, distance_ratio), PseudoHuber(anchor, anchor_soft)),
        (smooth, PseudoHuber(acceleration * looseness, soft * looseness)),
        (Motion(sequences, ANKLES, (-1.0, 1.0)), GemanMcClure(standing, standing)),
        (Floor(sequences), GemanMcClure(floor, floor_soft)),
    ]


def _constants(
    clips: int, lifted: LiftedClips, config: RefinementConfig
) -> list[tuple[Term, Kernel]]:
    """Return what is known of bones and camera."""

    def known(
        columns: list[tuple[int, ...]], coefficients: tuple[float, ...], target: Array
    ) -> LinearConstants:
        return LinearConstants(
            columns, coefficients, np.broadcast_to(target, (clips, len(columns)))
        )

    bones = lifted.bones
    sides = _mirrored_bones()
    elevation = elevation_from_up_cam(lifted.up_cam)[:, None]
    roll = roll_from_up_cam(lifted.up_cam)[:, None]
    ratio_sigma = (lifted.bone_ratio_sigma[:, None] * bones).ravel()
    side_sigma = (config.bone_symmetry * bones[:, [first for first, _ in sides]]).ravel()
    zero = np.zeros(1)
    return [
        (known([(b,) for b in range(BONES)], (1.0,), bones), Quadratic(ratio_sigma)),
        (known([*sides], (1.0, -1.0), zero), Quadratic(side_sigma)),
        (
            known([tuple(range(BONES))], (1.0,) * BONES, np.full(1, float(BONES))),
            Quadratic(_UNIT_SIGMA),
        ),
        (known([(ELEVATION,)], (1.0,), elevation), Quadratic(np.radians(config.elevation_deg))),
        (known([(ROLL,)], (1.0,), roll), Quadratic(np.radians(config.roll_deg))),
        (known([(FLOOR,)], (1.0,), zero), Quadratic(_FLOOR_SIGMA)),
    ]


def _mirrored_bones() -> list[tuple[int, int]]:
    """Return the bones of the right side, each with its fellow on the left."""
    pairs = enumerate(H36M_17.mirror_bones)
    return [(b, fellow) for b, fellow in pairs if H36M_17.bones[b][1] in H36M_17.right]
