# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model's data, in numpy: mesh, bones, and how they vary between grown-ups.

Axes are those of a camera that the body faces: x to the body's left, y down, z to its back.
Units are metres.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['PHENOTYPES', 'POSE_BONES', 'BodyData', 'body_data']

Array = NDArray[Any]

# What makes one body differ from another, each 0..1: male to female, young to old grown-ups, and
# little to much of the others.
PHENOTYPES = ('gender', 'age', 'muscle', 'weight', 'height', 'proportions')
# The bones that a pose turns; all others (fingers, toes, twists of limbs, parts of the spine) go
# with their parents.
POSE_BONES = (
    *('root', 'spine05', 'spine03', 'spine01', 'neck01', 'head'),
    *(f'{bone}.{side}' for side in 'LR' for bone in ('upperleg01', 'lowerleg01', 'foot')),
    *(
        f'{bone}.{side}'
        for side in 'LR'
        for bone in ('clavicle', 'upperarm01', 'lowerarm01', 'wrist')
    ),
)
_PATH = Path(__file__).with_name('anny_small.npz')


@dataclass(frozen=True)
class BodyData:
    """Mesh and bones at rest as linear functions of R coefficients, and the skinning.

    Attributes:
        vertices, vertices_basis: (V, 3), (R, V, 3) of the mesh.
        heads, heads_basis: (K, 3), (R, K, 3) where each of all bones begins.
        turns, turns_basis: (K, 3, 3), (R, K, 3, 3): the rotation nearest to this turns a bone from
            rest to the reference pose, in which bodies of all shapes stand alike.
        usual_turns: (K, 3, 3) those rotations of a usual body.
        corner_coefficients: (2 * 2 * 3 * 3 * 2 * 2, R) coefficients of the bodies between which
            `PHENOTYPES` interpolate; the last one varies fastest; muscle and weight have a middle.
        skin_weights, skin_bones: (V, S) how much each vertex goes with which bones.
        faces: (F, 3) vertices of each triangle, counter-clockwise seen from outside.
        bone_names, bone_parents: (K,) parents come first; -1 = none.
        nose_vertex, top_vertex: Tip of the nose, top of the head.
    """

    vertices: Array
    vertices_basis: Array
    heads: Array
    heads_basis: Array
    turns: Array
    turns_basis: Array
    usual_turns: Array
    corner_coefficients: Array
    skin_weights: Array
    skin_bones: Array
    faces: Array
    bone_names: tuple[str, ...]
    bone_parents: Array
    nose_vertex: int
    top_vertex: int


@lru_cache(maxsize=1)
def body_data() -> BodyData:
    """Return the data that the package brings; made by tools/body_data.py."""
    with np.load(_PATH, allow_pickle=False) as file:
        arrays = dict(file)
    names = tuple(str(name) for name in arrays.pop('bone_names'))
    nose, top = int(arrays.pop('nose_vertex')), int(arrays.pop('top_vertex'))
    return BodyData(**arrays, bone_names=names, nose_vertex=nose, top_vertex=top)
