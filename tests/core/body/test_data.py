# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model's data are whole and in the axes that they claim."""

import numpy as np

from elepose_core.body.data import PHENOTYPES, POSE_BONES, body_data


def test_arrays_fit_each_other() -> None:
    data = body_data()
    shapes, bones = len(data.corner_coefficients.T), len(data.bone_names)
    assert len(PHENOTYPES) == 6
    assert data.corner_coefficients.shape == (2 * 2 * 3 * 3 * 2 * 2, shapes)
    assert data.vertices_basis.shape == (shapes, *data.vertices.shape)
    assert data.heads_basis.shape == (shapes, bones, 3)
    assert data.turns_basis.shape == (shapes, bones, 3, 3)
    assert set(POSE_BONES) <= set(data.bone_names)
    assert (data.bone_parents < np.arange(bones)).all()
    np.testing.assert_allclose(data.skin_weights.sum(1), 1, atol=1e-6)


def test_a_body_faces_the_camera_upright() -> None:
    data = body_data()
    place = dict(zip(data.bone_names, data.heads, strict=True))
    assert place['upperarm01.L'][0] > 0.1  # the left shoulder at the larger x
    assert place['foot.L'][1] > place['head'][1] + 1.2  # y down
    assert data.vertices[data.nose_vertex, 2] < data.vertices[data.top_vertex, 2] - 0.05
    assert data.vertices[data.top_vertex, 1] == data.vertices[:, 1].min()


def test_faces_close_the_surface_and_look_outwards() -> None:
    data = body_data()
    faces = data.faces.astype(int)
    corner = data.vertices[faces].astype(float)
    # Divergence: the volume of a grown-up, positive where all triangles turn outwards.
    volume = np.einsum('fi,fi->f', corner[:, 0], np.cross(corner[:, 1], corner[:, 2])).sum() / 6
    assert 0.05 < volume < 0.12
