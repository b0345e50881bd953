# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Poses read off joints put the body where the joints are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.body.data import POSE_BONES  # noqa: E402
from elepose_core.models.body import BodyModel, oriented, turned_from_parents  # noqa: E402
from elepose_core.models.body_pose import pose_of_joints  # noqa: E402
from elepose_core.skeleton import H36M_17  # noqa: E402

BODY = BodyModel().requires_grad_(False)
SHAPE = BODY.shape(torch.full((1, 6), 0.5))


@pytest.fixture(scope='module')
def crowd_joints(crowd_of: Callable[..., Any]) -> 'torch.Tensor':
    return torch.from_numpy(crowd_of(64).joints_cam_m).float()


def posed(turns: dict[str, list[float]]) -> 'torch.Tensor':
    """Return orientations (1, 20, 3, 3) of rotation vectors by bone."""
    pose = torch.eye(3).expand(1, 20, 3, 3).clone()
    for bone, vector in turns.items():
        pose[0, POSE_BONES.index(bone)] = torch.from_numpy(
            Rotation.from_rotvec(vector).as_matrix()
        ).float()
    return oriented(pose)


def test_a_posed_body_is_found_again() -> None:
    truth = posed(
        {
            'root': [0.2, 2.5, -0.3],
            'upperleg01.L': [-0.9, 0.0, 0.0],
            'lowerleg01.L': [1.2, 0.0, 0.0],
            'upperarm01.R': [0.3, -0.2, 0.8],
        }
    )
    place = torch.tensor([[0.3, -0.2, 4.0]])
    joints = BODY(SHAPE, truth, place).joints
    found = pose_of_joints(joints, SHAPE)
    again = BODY(SHAPE, found, place).joints
    torch.testing.assert_close(again, joints, atol=2e-3, rtol=0)
    # A bent limb shows how it is turned; so do trunk and hips.
    for bone in ('root', 'spine05', 'spine01', 'upperleg01.L', 'lowerleg01.L', 'upperarm01.R'):
        index = POSE_BONES.index(bone)
        off = found[0, index].T @ truth[0, index]
        angle = Rotation.from_matrix(off.numpy()).magnitude()
        assert angle < 0.12, bone


def test_collar_bones_turn_when_they_are_asked_to() -> None:
    truth = posed({'root': [0.1, -1.0, 0.2], 'clavicle.L': [0.0, 0.0, -0.3]})
    joints = BODY(SHAPE, truth, torch.zeros(1, 3)).joints
    found = pose_of_joints(joints, SHAPE, with_collars=True)
    again = BODY(SHAPE, found, torch.zeros(1, 3)).joints
    torch.testing.assert_close(again, joints, atol=4e-3, rtol=0)
    with_chest = BODY(SHAPE, pose_of_joints(joints, SHAPE), torch.zeros(1, 3)).joints
    assert (with_chest - joints).norm(dim=-1).max() > 0.03


def test_directions_are_met_for_bodies_of_other_shape(crowd_joints: 'torch.Tensor') -> None:
    shape = BODY.shape(torch.rand(1, 6, generator=torch.Generator().manual_seed(1)))
    found = BODY(shape, pose_of_joints(crowd_joints, shape), crowd_joints[:, 0]).joints
    for start, end in (
        *(('left_hip', 'left_knee'), ('right_knee', 'right_ankle')),
        *(('left_shoulder', 'left_elbow'), ('right_elbow', 'right_wrist')),
        *(('pelvis', 'spine'), ('spine', 'thorax'), ('thorax', 'head_top')),
    ):
        a, b = H36M_17.index(start), H36M_17.index(end)
        seen, own = crowd_joints[:, b] - crowd_joints[:, a], found[:, b] - found[:, a]
        cosine = torch.nn.functional.cosine_similarity(seen, own)
        assert cosine.min() > 0.999, (start, end)


def test_straight_limbs_are_turned_as_little_as_can_be() -> None:
    joints = SHAPE.joints.clone()
    for side in ('left', 'right'):
        hip, knee, ankle = (H36M_17.index(f'{side}_{part}') for part in ('hip', 'knee', 'ankle'))
        joints[:, ankle] = joints[:, knee] + (joints[:, knee] - joints[:, hip])
    rotations = turned_from_parents(pose_of_joints(joints, SHAPE))
    index = POSE_BONES.index('upperleg01.L')
    assert Rotation.from_matrix(rotations[0, index].numpy()).magnitude() < 0.05


def test_knees_and_elbows_bend_the_way_they_can(crowd_joints: 'torch.Tensor') -> None:
    """Bent by up to a right angle, as generated; other turns of the shank stay small."""
    rotations = turned_from_parents(pose_of_joints(crowd_joints, SHAPE))
    vectors = Rotation.from_matrix(
        rotations[:, POSE_BONES.index('lowerleg01.L')].double().numpy()
    ).as_rotvec()
    assert np.abs(vectors[:, 1:]).max() < 0.25
    assert vectors[:, 0].min() > -0.2  # about the axis to the left: the foot goes back
