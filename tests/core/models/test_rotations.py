# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations of products and quotients, against SciPy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip('torch', reason='models are torch modules')

from elepose_core.models.rotations import (  # noqa: E402
    nearest_rotation,
    rotation_from_columns,
    shortest_rotation,
    skew,
)


def test_skew_is_the_cross_product() -> None:
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, 0.5, 2.0])
    torch.testing.assert_close(skew(a) @ b, torch.linalg.cross(a, b))


def test_nearest_rotation_is_that_of_the_singular_value_decomposition() -> None:
    random = np.random.default_rng(0)
    turn = Rotation.random(50, random_state=1).as_matrix()
    stretch = random.uniform(0.05, 1.5, (50, 3))
    basis = Rotation.random(50, random_state=2).as_matrix()
    matrices = turn @ (basis * stretch[:, None]) @ basis.transpose(0, 2, 1)
    off = Rotation.from_rotvec(random.uniform(-0.25, 0.25, (50, 3))).as_matrix()
    start = torch.from_numpy(turn @ off)
    found = nearest_rotation(torch.from_numpy(matrices), start).numpy()
    np.testing.assert_allclose(found, turn, atol=1e-9)


@pytest.mark.parametrize('batch', [(), (5,), (2, 3)])
def test_columns_give_rotations(batch: tuple[int, ...]) -> None:
    columns = torch.randn(*batch, 6, dtype=torch.float64)
    found = rotation_from_columns(columns)
    assert found.shape == (*batch, 3, 3)
    identity = torch.eye(3, dtype=torch.float64).expand(found.shape)
    torch.testing.assert_close(found @ found.transpose(-1, -2), identity)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(batch, dtype=torch.float64))
    first = columns[..., :3] / columns[..., :3].norm(dim=-1, keepdim=True)
    torch.testing.assert_close(found[..., 0], first)


def test_columns_of_a_rotation_give_it_back_with_its_gradient() -> None:
    rotation = torch.from_numpy(Rotation.from_euler('xyz', [0.3, -1.0, 2.0]).as_matrix())
    columns = rotation.T[:2].flatten().clone().requires_grad_()
    torch.testing.assert_close(rotation_from_columns(columns), rotation)
    assert torch.autograd.gradcheck(rotation_from_columns, (columns,))


def test_the_shortest_rotation_turns_about_the_common_normal() -> None:
    # From x to y: a quarter turn about z.
    found = shortest_rotation(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 0.0]))
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    same = torch.tensor([0.3, -2.0, 1.0])
    torch.testing.assert_close(shortest_rotation(same, same), torch.eye(3), atol=1e-6, rtol=0)


def test_opposite_directions_stay_finite() -> None:
    x = torch.tensor([1.0, 0.0, 0.0])
    assert shortest_rotation(x, -x).isfinite().all()
