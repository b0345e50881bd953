# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model against the package it is made from, and by itself."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='models are torch modules')

from torch import Tensor  # noqa: E402

from elepose_core.body.data import PHENOTYPES, POSE_BONES, body_data  # noqa: E402
from elepose_core.models.body import (  # noqa: E402
    BodyModel,
    BodyShape,
    oriented,
    pose_parents,
    turned_from_parents,
)
from elepose_core.skeleton import H36M_17  # noqa: E402

REFERENCE = Path(__file__).parents[2] / 'data' / 'anny_reference.npz'


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel().requires_grad_(False)


def rotations(*shape: int, seed: int = 0) -> Tensor:
    """Return random rotations (*shape, 20, 3, 3), about half a radian each."""
    vectors = np.random.default_rng(seed).normal(0, 0.3, (*shape, 20, 3))
    flat = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return torch.from_numpy(flat.reshape(*shape, 20, 3, 3)).float()


def usual(body: BodyModel) -> BodyShape:
    return body.shape(torch.full((1, 6), 0.5))


def test_bodies_are_those_of_anny(body: BodyModel) -> None:
    with np.load(REFERENCE, allow_pickle=False) as file:
        expected = {name: torch.from_numpy(values) for name, values in file.items()}
    shape = body.shape(expected['phenotypes'])
    found = body(shape, oriented(expected['rotations']), torch.zeros(3))
    # anny's origin is the root, ours is where the pelvis is put.
    move = expected['heads_m'][:, :1] - found.bones[:, :1]
    torch.testing.assert_close(found.bones + move, expected['heads_m'], atol=1e-5, rtol=0)
    assert found.vertices is not None
    vertices = (found.vertices + move)[:, ::4]
    torch.testing.assert_close(vertices, expected['vertices_m'], atol=1e-5, rtol=0)


def test_joints_do_not_need_the_mesh(body: BodyModel) -> None:
    phenotypes, pose = torch.rand(3, 6), oriented(rotations(3))
    whole = body(body.shape(phenotypes), pose, torch.zeros(3))
    alone = body(body.shape(phenotypes, with_skin=False), pose, torch.zeros(3))
    assert alone.vertices is None
    torch.testing.assert_close(alone.joints, whole.joints, atol=1e-6, rtol=0)


def test_a_body_stands_where_it_is_put_and_turns_as_a_whole(body: BodyModel) -> None:
    turn = torch.from_numpy(Rotation.from_rotvec([0.4, -2.0, 1.0]).as_matrix()).float()
    pose, place = oriented(rotations(1)), torch.tensor([[1.0, -0.5, 4.0]])
    still = body(usual(body), pose, torch.zeros(1, 3))
    moved = body(usual(body), turn @ pose, place)
    torch.testing.assert_close(moved.joints[:, 0], place)
    assert still.vertices is not None
    assert moved.vertices is not None
    for before, after in ((still.joints, moved.joints), (still.vertices, moved.vertices)):
        torch.testing.assert_close(after, before @ turn.T + place, atol=1e-5, rtol=0)


def test_bones_keep_their_lengths_in_all_poses(body: BodyModel) -> None:
    shape = usual(body)
    several = body(shape, oriented(rotations(6)), torch.zeros(6, 3)).bones
    parents = [max(parent, 0) for parent in pose_parents()]
    lengths = (several - several[:, parents]).norm(dim=-1)
    torch.testing.assert_close(lengths, lengths[:1].expand(6, -1), atol=1e-6, rtol=0)


def test_frames_of_a_clip_share_a_shape(body: BodyModel) -> None:
    phenotypes, pose = torch.rand(2, 6), oriented(rotations(2, 5))
    shape = body.shape(phenotypes, with_skin=False)
    of_clip = BodyShape(shape.bones[:, None], shape.joints[:, None], None)
    joints = body(of_clip, pose, torch.zeros(2, 5, 3)).joints
    alone = body(body.shape(phenotypes[1:], with_skin=False), pose[1, 3:4], torch.zeros(1, 3))
    torch.testing.assert_close(joints[1, 3], alone.joints[0], atol=1e-6, rtol=0)


def test_a_bent_elbow_moves_the_hand_alone(body: BodyModel) -> None:
    straight = torch.eye(3).expand(1, 20, 3, 3).clone()
    bent = straight.clone()
    quarter = torch.from_numpy(Rotation.from_euler('x', 90, degrees=True).as_matrix())
    bent[:, POSE_BONES.index('lowerarm01.L')] = quarter.float()
    joints = [body(usual(body), oriented(p), torch.zeros(1, 3)).joints for p in (straight, bent)]
    moved = (joints[1] - joints[0]).norm(dim=-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [H36M_17.index('left_wrist')]


def test_a_joint_offset_goes_with_its_bone(body: BodyModel) -> None:
    other = BodyModel().requires_grad_(False)
    other.joint_offset[H36M_17.index('left_knee')] = torch.tensor([0.0, 0.1, 0.0])
    pose = oriented(rotations(1))
    before = body(usual(body), pose, torch.zeros(1, 3)).joints
    after = other(usual(body), pose, torch.zeros(1, 3)).joints
    step = pose[0, POSE_BONES.index('upperleg01.L')] @ torch.tensor([0.0, 0.1, 0.0])
    torch.testing.assert_close((after - before)[0, H36M_17.index('left_knee')], step)


def test_orientations_and_turns_against_parents_undo_each_other() -> None:
    pose = rotations(4)
    torch.testing.assert_close(turned_from_parents(oriented(pose)), pose, atol=1e-5, rtol=0)


def test_gradients_reach_shape_and_pose(body: BodyModel) -> None:
    phenotypes = torch.full((1, 6), 0.4, requires_grad=True)
    pose = rotations(1).requires_grad_()
    found = body(body.shape(phenotypes), oriented(pose), torch.zeros(1, 3))
    assert found.vertices is not None
    (found.vertices.square().mean() + found.joints.square().mean()).backward()  # type: ignore[no-untyped-call]
    assert phenotypes.grad is not None
    assert (phenotypes.grad.abs() > 0).all()
    assert pose.grad is not None
    assert (pose.grad.flatten(2).norm(dim=-1) > 0).all()


def test_phenotypes_change_what_they_name(body: BodyModel) -> None:
    def mesh(phenotype: str, value: float) -> Tensor:
        phenotypes = torch.full((1, 6), 0.5)
        phenotypes[0, PHENOTYPES.index(phenotype)] = value
        upright = torch.eye(3).expand(1, 20, 3, 3)
        vertices = body(body.shape(phenotypes), upright, torch.zeros(1, 3)).vertices
        assert vertices is not None
        return vertices[0]

    def stature(vertices: Tensor) -> float:
        return float(vertices[:, 1].max() - vertices[:, 1].min())

    def volume(vertices: Tensor) -> float:
        a, b, c = vertices[torch.from_numpy(body_data().faces.astype('int64'))].unbind(1)
        return float((a * torch.linalg.cross(b, c)).sum() / 6)

    assert stature(mesh('height', 1.0)) > stature(mesh('height', 0.0)) + 0.3
    assert volume(mesh('weight', 1.0)) > volume(mesh('weight', 0.0)) * 1.15


def test_vertices_have_faces() -> None:
    assert int(body_data().faces.max()) == len(body_data().vertices) - 1


def test_shares_of_bones_in_a_vertex_add_up_to_all_of_it(body: BodyModel) -> None:
    shares = body.shares()
    assert shares.shape == (len(POSE_BONES), len(body.vertices))
    torch.testing.assert_close(shares.sum(0), torch.ones(len(body.vertices)))
    head = shares[POSE_BONES.index('head')]
    assert head[body_data().nose_vertex] == pytest.approx(1.0, abs=1e-6)
    assert head[body_data().top_vertex] == pytest.approx(1.0, abs=1e-6)
