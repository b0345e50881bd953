# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bone ratios from 2D keypoints alone."""

import torch
from torch import Tensor

from elepose_core.skeleton import H36M_17, Skeleton

__all__ = ['bone_lengths', 'bone_ratios_by_person', 'bone_ratios_from_2d', 'symmetric_bones']


def bone_lengths(pose: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """Return the lengths (B, bones) of poses (B, J, 2 or 3), in their unit."""
    parents, children = zip(*skeleton.bones, strict=True)
    bones = pose[:, list(parents)] - pose[:, list(children)]
    lengths: Tensor = torch.linalg.vector_norm(bones, dim=-1)
    return lengths


def bone_ratios_from_2d(
    pose_2d: Tensor,
    skeleton: Skeleton = H36M_17,
    bone_quantile: float = 0.8,
    pose_quantile: float = 0.95,
    steps: int = 30,
) -> Tensor:
    """Estimate true bone lengths, divided by their mean, from foreshortened 2D bones.

    A bone never looks longer than it is at its person's distance. Two envelopes are fitted in
    turn: a person's inverse distance is a high quantile, over the bones, of length in the image by
    length in space; a bone's length is a high quantile, over the poses, of length in the image by
    inverse distance. Left and right share one length. No 3D enters.

    Args:
        pose_2d: (N, J, 2) complete poses in normalised image coordinates.
        skeleton: Layout of the joints.
        bone_quantile: Over poses; the default was chosen on the val split.
        pose_quantile: Over bones; likewise.
        steps: Fixed-point steps; 10 settle to three digits.

    Returns:
        (bones,) with mean 1.
    """
    seen = bone_lengths(pose_2d, skeleton)
    groups = _mirrored_groups(skeleton)
    ratios = torch.ones(seen.shape[1], dtype=seen.dtype)
    for _ in range(steps):
        inverse_distance = torch.quantile(seen / ratios, pose_quantile, dim=1, keepdim=True)
        at_unit_distance = seen / inverse_distance
        for group in groups:
            ratios[group] = _quantile(at_unit_distance[:, group].flatten(), bone_quantile)
        ratios = ratios / ratios.mean()
    return ratios


# Fewer poses do not show every bone in its full length.
_ENOUGH_POSES = 1000


def bone_ratios_by_person(pose_2d: Tensor, person: Tensor, people: int) -> Tensor:
    """Estimate relative bone lengths (people, bones) of each person; see `bone_ratios_from_2d`.

    Args:
        pose_2d: (N, J, 2) complete poses in normalised image coordinates.
        person: (N,) index 0 ... people - 1.
        people: Their number. Who is seen in few poses, or none, gets the bones of all.
    """
    count = torch.bincount(person, minlength=people)
    result = bone_ratios_from_2d(pose_2d).repeat(people, 1)
    for index in torch.nonzero(count >= _ENOUGH_POSES).flatten().tolist():
        result[index] = bone_ratios_from_2d(pose_2d[person == index])
    return result


def symmetric_bones(lengths: Tensor, skeleton: Skeleton = H36M_17) -> Tensor:
    """Give the bones (bones,) of both sides their mean length."""
    result = lengths.clone()
    for group in _mirrored_groups(skeleton):
        result[group] = lengths[group].mean()
    return result


def _quantile(values: Tensor, quantile: float) -> Tensor:
    # torch.quantile refuses more than 16 million values.
    rank = min(len(values), max(1, round(quantile * len(values))))
    return values.kthvalue(rank).values


def _mirrored_groups(skeleton: Skeleton) -> list[list[int]]:
    pairs = enumerate(skeleton.mirror_bones)
    return [sorted({bone, fellow}) for bone, fellow in pairs if bone <= fellow]
