# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How often labels of order in depth, made from 2D alone, are right.

    ELEPOSE_DATA=/folder/with/mocap python benchmarks/ordinal_labels.py --json FILE

Pairs of joints of one person are labelled by perspective (`training/ordinal_labels.py`), with the
camera's up direction as it is ('known') or as the default lifter, learned from 2D only, finds it
in each clip ('found'); and by the order in which that lifter itself puts the joints ('lifter').
'between' are pairs of people before the same lens. All are compared with the 3D truth.

`share` is that of the pairs which have so much confidence; a label of confidence c should be right
in (1 + c) / 2 of all cases.
"""

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elepose_core.data.poseset import PoseSet
from elepose_core.geometry.elevation import up_cam_from_elevation
from elepose_core.models.observation import observe
from elepose_core.runtime.predictor import Predictor
from elepose_core.training.ordinal_labels import (
    PAIR_KINDS,
    OrdinalLabels,
    lifter_labels,
    nearer_person,
    perspective_labels,
)

SETS = ('val', 'test_h36m', 'test_eye', 'test_robot_low', 'test_ceiling')
EDGES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
EVERY = 3


def mean_of_clips(up_cam: NDArray[np.float32], clip: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return for each pose (N, 3) the mean of its clip: a clip has one fixed camera."""
    _, number = np.unique(clip, return_inverse=True)
    total = np.zeros((number.max() + 1, 3))
    np.add.at(total, number, up_cam)
    return (total / np.linalg.norm(total, axis=1, keepdims=True))[number].astype(np.float32)


def figures(right: Tensor, confidence: Tensor) -> dict[str, Any]:
    """Return accuracy and share, all together and by confidence."""
    right, confidence = right.double().ravel(), confidence.double().ravel()
    labelled = confidence > 0
    bins = []
    for low, high in itertools.pairwise(EDGES):
        inside = labelled & (confidence > low) & (confidence <= high)
        bins.append(
            {
                'confidence': [low, high],
                'share': float(inside.double().mean()),
                'expected': float((1 + confidence[inside].mean()) / 2) if inside.any() else None,
                'accuracy': float(right[inside].mean()) if inside.any() else None,
            }
        )
    return {
        'pairs': len(right),
        'labelled': float(labelled.double().mean()),
        'accuracy': float(right[labelled].mean()),
        'accuracy_by_weight': float((right * confidence).sum() / confidence.sum()),
        'bins': bins,
    }


def judged(labels: OrdinalLabels, depth: Tensor) -> Tensor:
    """Return (N, P) whether each label is true of depths (N, 17)."""
    first, second = labels.pairs.unbind(1)
    return torch.sign(depth[:, second] - depth[:, first]) == labels.first_nearer


def by_kind(labels: OrdinalLabels, right: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Return figures of all pairs and of each kind of pair."""
    tree = {'all': figures(right, labels.confidence)}
    for name in dict.fromkeys(names):
        columns = [i for i, other in enumerate(names) if other == name]
        tree[name] = figures(right[:, columns], labels.confidence[:, columns])
    return tree


def measured(poses: PoseSet) -> dict[str, Any]:
    """Return the figures of all rules on one set."""
    assert poses.joints_cam_m is not None
    assert poses.elevation_rad is not None
    rays = torch.from_numpy(poses.rays.astype(np.float32))
    joints = torch.from_numpy(poses.joints_cam_m)
    rotation = observe(rays, torch.ones(rays.shape[:2])).rotation
    depth = (joints * rotation[:, 2][:, None]).sum(-1)
    lifted = Predictor(threads=2).lift(rays.numpy(), poses.scores)
    ups = {
        'known': up_cam_from_elevation(poses.elevation_rad).astype(np.float32),
        'found': mean_of_clips(lifted.up_cam, poses.clip_index),
    }
    tree: dict[str, Any] = {'poses': len(poses)}
    for name, up_cam in ups.items():
        labels = perspective_labels(rays, torch.from_numpy(up_cam))
        tree[f'perspective, up {name}'] = by_kind(labels, judged(labels, depth), PAIR_KINDS)
    labels = lifter_labels(lifted.joints_cam, lifted.sigma, rays.numpy())
    tree['lifter'] = {'all': figures(judged(labels, depth), labels.confidence)}
    other = torch.randperm(len(rays), generator=torch.Generator().manual_seed(0))
    same = torch.from_numpy(poses.camera_index == poses.camera_index[other.numpy()])
    order, confidence = nearer_person(rays, rays[other])
    distance = joints[:, 0].norm(dim=1)
    right = torch.sign(distance[other] - distance) == order
    tree['between'] = {'all': figures(right[same], confidence[same])}
    return tree


def show(name: str, tree: dict[str, Any]) -> None:
    """Print a line for each rule and each kind of pair."""
    print(f'{name}: {tree["poses"]} poses')
    for rule, kinds in tree.items():
        if rule == 'poses':
            continue
        for kind, found in kinds.items():
            bins = '  '.join(
                f'{b["accuracy"]:.0%} of {b["share"]:.0%}' if b['accuracy'] is not None else '-'
                for b in found['bins']
            )
            label = rule if kind == 'all' else f'  {kind}'
            print(
                f'  {label:28} {found["accuracy"]:6.1%} right, by weight '
                f'{found["accuracy_by_weight"]:6.1%}; by confidence {bins}'
            )


def main() -> None:
    """Measure all sets, print and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--mocap', type=Path, help='folder of the sets; else ELEPOSE_DATA/mocap')
    parser.add_argument('--sets', nargs='+', default=list(SETS))
    parser.add_argument('--every', type=int, default=EVERY, help='every n-th pose')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    folder = options.mocap or Path(os.environ['ELEPOSE_DATA']) / 'mocap'
    print(f'confidence up to {", ".join(f"{edge:g}" for edge in EDGES[1:])}')
    tree: dict[str, Any] = {'every': options.every, 'sets': {}}
    for name in options.sets:
        poses = PoseSet.load(folder / f'{name}.npz')
        tree['sets'][name] = measured(poses.select(np.arange(0, len(poses), options.every)))
        show(name, tree['sets'][name])
    if options.json is not None:
        options.json.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
