# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bone ratios from 2D alone, on generated people whose bones are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='priors are torch functions')

from elepose_core.models.observation import observe  # noqa: E402
from elepose_core.priors.bones import (  # noqa: E402
    bone_lengths,
    bone_ratios_by_person,
    bone_ratios_from_2d,
    symmetric_bones,
)
from elepose_core.skeleton import H36M_17  # noqa: E402


def test_lengths_by_hand() -> None:
    pose = torch.zeros(1, 17, 3)
    pose[0, H36M_17.index('right_hip')] = torch.tensor([2.0, 3.0, 6.0])
    lengths = bone_lengths(pose)
    assert lengths.shape == (1, 16)
    assert lengths[0, 0] == 7.0  # pelvis to right hip is the first bone
    assert lengths[0, 1] == 7.0  # right hip to right knee, which still lies at the origin
    assert lengths[0, 2:].sum() == 0.0


def _seen(crowd: Any) -> 'torch.Tensor':
    rays = torch.from_numpy(crowd.joints_cam_m[..., :2] / crowd.joints_cam_m[..., 2:])
    return observe(rays, torch.ones(rays.shape[:2], dtype=rays.dtype)).pose_2d


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_ratios_are_found_within_ten_percent(
    seed: int, crowd_of: Callable[..., Any], rest_m: dict[str, tuple[float, float, float]]
) -> None:
    """Random build: each pair of limbs is up to 25 % longer or shorter than usual."""
    random = np.random.default_rng(seed)
    factor = {name.split('_', 1)[-1]: random.uniform(0.75, 1.25) for name in rest_m}
    bones = {
        name: tuple(factor[name.split('_', 1)[-1]] * x for x in bone)
        for name, bone in rest_m.items()
    }
    true = np.array([np.linalg.norm(bones[H36M_17.joint_names[c]]) for _, c in H36M_17.bones])
    found = bone_ratios_from_2d(_seen(crowd_of(4000, seed=seed, bones_m=bones)))
    error = found.numpy() / (true / true.mean()) - 1
    names = [H36M_17.joint_names[c] for _, c in H36M_17.bones]
    assert np.abs(error).max() < 0.10, dict(zip(names, error.round(3), strict=True))


def test_ratios_have_mean_one_and_are_the_same_on_both_sides(
    crowd_of: Callable[..., Any],
) -> None:
    pose = _seen(crowd_of(500))
    before = pose.clone()
    ratios = bone_ratios_from_2d(pose)
    assert torch.equal(pose, before)
    assert ratios.shape == (16,)
    np.testing.assert_allclose(ratios.mean(), 1.0)
    by_child = {child: bone for bone, (_, child) in enumerate(H36M_17.bones)}
    for left in H36M_17.left:
        assert ratios[by_child[left]] == ratios[by_child[H36M_17.mirror[left]]]


def test_ratios_do_not_depend_on_size_order_or_side(crowd_of: Callable[..., Any]) -> None:
    pose = _seen(crowd_of(500))
    ratios = bone_ratios_from_2d(pose)
    torch.testing.assert_close(bone_ratios_from_2d(3.0 * pose.flip(0)), ratios)
    mirrored = pose[:, list(H36M_17.mirror)] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(bone_ratios_from_2d(mirrored), ratios)


def test_everybody_who_is_seen_often_has_bones_of_their_own(
    crowd_of: Callable[..., Any], rest_m: dict[str, tuple[float, float, float]]
) -> None:
    long = {name: tuple(1.3 * x for x in b) if 'knee' in name else b for name, b in rest_m.items()}
    poses = [
        _seen(crowd_of(count, seed=seed, bones_m=bones))
        for seed, (count, bones) in enumerate([(1200, rest_m), (1200, long), (5, long)])
    ]
    person = torch.repeat_interleave(torch.arange(3), torch.tensor([1200, 1200, 5]))
    found = bone_ratios_by_person(torch.cat(poses), person, 4)
    assert found.shape == (4, 16)
    torch.testing.assert_close(found[0], bone_ratios_from_2d(poses[0]))
    torch.testing.assert_close(found[1], bone_ratios_from_2d(poses[1]))
    everybody = bone_ratios_from_2d(torch.cat(poses))
    # Five poses do not show every bone in full, none show nothing: the bones of all are taken.
    torch.testing.assert_close(found[2], everybody)
    torch.testing.assert_close(found[3], everybody)


def test_symmetric_bones_by_hand() -> None:
    by_child = {H36M_17.joint_names[child]: bone for bone, (_, child) in enumerate(H36M_17.bones)}
    lengths = torch.ones(16)
    lengths[by_child['left_knee']], lengths[by_child['right_knee']] = 2.0, 4.0
    lengths[by_child['head_top']] = 7.0
    before, found = lengths.clone(), symmetric_bones(lengths)
    assert found[by_child['left_knee']] == found[by_child['right_knee']] == 3.0
    assert found[by_child['head_top']] == 7.0
    assert found.sum() == lengths.sum()
    assert torch.equal(lengths, before)
