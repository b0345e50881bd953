# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model: phenotypes and the orientations of bones to joints and a mesh, differentiable.

Axes are those of the camera. In the reference pose a body stands upright and faces the camera:
its left is at larger x, its head at smaller y, its back at larger z. An orientation turns a bone
from there. All steps are products of matrices of fixed sizes, so that the exported graph can hold
them.
"""

from typing import NamedTuple

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
        skin: (..., 80, V) for each bone its share of each vertex: 3 rows of the offset from the
            bone's beginning times the weight, and the weight.
    """

    bones: Tensor
    joints: Tensor
    skin: Tensor | None


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
    heads: Tensor
    heads_basis: Tensor
    turns: Tensor
    turns_basis: Tensor
    usual_turns: Tensor
    corner_coefficients: Tensor
    skin_weights: Tensor

    def __init__(self, data: BodyData | None = None) -> None:
        super().__init__()
        data = body_data() if data is None else data
        for name in (
            *('vertices', 'vertices_basis', 'heads', 'heads_basis', 'turns', 'turns_basis'),
            *('usual_turns', 'corner_coefficients'),
        ):
            self.register_buffer(name, torch.from_numpy(getattr(data, name)), persistent=False)
        self.register_buffer('skin_weights', _dense(data), persistent=False)
        self.joint_offset = nn.Parameter(torch.zeros(len(H36M_17), 3))
        self._levels = _levels([int(parent) for parent in data.bone_parents])
        self._named = {name: bone for bone, name in enumerate(data.bone_names)}
        self._members = _members(data)
        self._landmarks = [data.nose_vertex, data.top_vertex]
        self._carrier = [POSE_BONES.index(goes) for goes in _carriers()]

    def shape(self, phenotypes: Tensor, with_skin: bool = True) -> BodyShape:
        """Return people by their phenotypes (B, 6), each 0..1, in the order of `PHENOTYPES`."""
        coefficients = _corner_weights(phenotypes) @ self.corner_coefficients
        heads = self.heads + _blend(coefficients, self.heads_basis)
        turns = self.turns + _blend(coefficients, self.turns_basis)
        turns = nearest_rotation(turns, self.usual_turns)
        places = self._reference_places(heads, turns)
        # From a point at rest to the reference pose: turns @ point + moves.
        moves = places - _applied(turns, heads)
        vertices: Tensor | None = None
        if with_skin:
            vertices = self.vertices + _blend(coefficients, self.vertices_basis)
            landmarks = vertices[:, self._landmarks]
        else:
            landmarks = self.vertices[self._landmarks] + _blend(
                coefficients, self.vertices_basis[:, self._landmarks]
            )
        head = self._named['head']
        landmarks = landmarks @ turns[:, head].transpose(1, 2) + moves[:, head, None]
        bones = places[:, [self._named[name] for name in POSE_BONES]]
        joints = self._reference_joints(places, landmarks)
        skin = None if vertices is None else self._skin(vertices, turns, moves, bones)
        return BodyShape(bones, joints, skin)

    def forward(self, shape: BodyShape, orientations: Tensor, place: Tensor) -> PosedBody:
        """Pose people.

        Args:
            shape: Of each; leading axes broadcast against those of the others.
            orientations: (..., 20, 3, 3) of `POSE_BONES` in the camera frame; see `oriented`.
            place: (..., 3) of the pelvis, metres.
        """
        parents = pose_parents()
        # Where a bone begins goes with its parent.
        steps = shape.bones - shape.bones[..., [max(p, 0) for p in parents], :]
        steps = _applied(orientations[..., [max(p, 0) for p in parents], :, :], steps)
        starts = _ancestors(parents, steps) @ steps
        arms = shape.joints + self.joint_offset - shape.bones[..., self._carrier, :]
        joints = _applied(orientations[..., self._carrier, :, :], arms)
        joints = joints + starts[..., self._carrier, :]
        move = (place - joints[..., 0, :])[..., None, :]
        joints, starts = joints + move, starts + move
        vertices = None
        if shape.skin is not None:
            carried = torch.cat([orientations, starts[..., None]], dim=-1)
            carried = carried.transpose(-3, -2).flatten(-2)
            vertices = (carried @ shape.skin).transpose(-1, -2)
        return PosedBody(joints, starts, vertices)

    def _reference_places(self, heads: Tensor, turns: Tensor) -> Tensor:
        """Return where all bones (B, K, 3) begin in the reference pose."""
        places: list[Tensor] = [torch.zeros_like(heads[:, 0])] * heads.shape[1]
        for bones, parents in self._levels:
            steps = _applied(turns[:, parents], heads[:, bones] - heads[:, parents])
            starts = torch.stack([places[parent] for parent in parents], dim=1)
            for bone, place in zip(bones, (starts + steps).unbind(1), strict=True):
                places[bone] = place
        return torch.stack(places, dim=1)

    def _reference_joints(self, places: Tensor, landmarks: Tensor) -> Tensor:
        hips = places[:, [self._named['upperleg01.L'], self._named['upperleg01.R']]]
        found = {'pelvis': hips.mean(1), 'neck_nose': landmarks[:, 0], 'head_top': landmarks[:, 1]}
        for joint, (bone, _) in _JOINTS.items():
            found[joint] = places[:, self._named[bone]]
        return torch.stack([found[name] for name in H36M_17.joint_names], dim=1)

    def _skin(self, vertices: Tensor, turns: Tensor, moves: Tensor, bones: Tensor) -> Tensor:
        transforms = torch.cat([turns.flatten(2), moves], dim=2)
        rows = []
        for bone, members in enumerate(self._members):
            weights = self.skin_weights[:, members]
            # Members of one bone move as one: their transforms blend before they are applied.
            blended = weights @ transforms[:, members]
            weight = weights.sum(1)[:, None]
            turned = (
                _applied(blended[..., :9].reshape(*vertices.shape, 3), vertices) + blended[..., 9:]
            )
            offset = turned - weight * bones[:, bone, None]
            rows.append(torch.cat([offset, weight.expand_as(offset[..., :1])], dim=-1))
        return torch.stack(rows, dim=1).transpose(-1, -2).flatten(1, 2)


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


def _members(data: BodyData) -> list[list[int]]:
    owners = _owners(data)
    return [[k for k, owner in enumerate(owners) if owner == b] for b in range(len(POSE_BONES))]


def _carriers() -> list[str]:
    goes = {'pelvis': 'root', 'neck_nose': 'head', 'head_top': 'head'}
    return [goes.get(name) or _JOINTS[name][1] for name in H36M_17.joint_names]


def _levels(parents: list[int]) -> list[tuple[list[int], list[int]]]:
    """Return bones and their parents by their distance from the root, which is left out."""
    depth = [0] * len(parents)
    for bone, parent in enumerate(parents[1:], start=1):
        depth[bone] = depth[parent] + 1
    by_depth = [[b for b, d in enumerate(depth) if d == at] for at in range(1, max(depth) + 1)]
    return [(bones, [parents[bone] for bone in bones]) for bones in by_depth]


def _dense(data: BodyData) -> Tensor:
    weights = torch.zeros(len(data.vertices), len(data.bone_names))
    bones = torch.from_numpy(data.skin_bones.astype('int64'))
    return weights.scatter_add_(1, bones, torch.from_numpy(data.skin_weights))


def _ancestors(parents: tuple[int, ...], like: Tensor) -> Tensor:
    """Return (20, 20) with 1 where the column is the row's bone or one of its ancestors."""
    rows: list[list[float]] = []
    for bone, parent in enumerate(parents):
        row = [0.0] * len(parents) if parent < 0 else list(rows[parent])
        row[bone] = 1.0
        rows.append(row)
    return like.new_tensor(rows)


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


def _blend(coefficients: Tensor, basis: Tensor) -> Tensor:
    """Return the sum (B, ...) of basis (R, ...) times coefficients (B, R)."""
    return (coefficients @ basis.flatten(1)).reshape(-1, *basis.shape[1:])


def _applied(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return matrices (..., 3, 3) times vectors (..., 3)."""
    return (matrices @ vectors[..., None])[..., 0]


_POSE_PARENTS = _pose_parents(body_data())
