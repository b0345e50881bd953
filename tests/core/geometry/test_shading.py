# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Order of painting and brightness of triangles, by hand."""

import numpy as np
import pytest

from elepose_core.geometry.shading import shaded

# In the plane across the z axis, seen from 0 at its middle.
FLAT = np.array([[-1.0, -1, 0], [2, -1, 0], [-1, 2, 0]])


def test_far_triangles_come_first() -> None:
    corners = np.stack([FLAT + np.array([0, 0, z]) for z in (3.0, 9.0, 5.0)])
    assert shaded(corners).order.tolist() == [1, 2, 0]
    assert shaded(corners, np.array([0.0, 0, 1])).order.tolist() == [0, 2, 1]


def test_brightness_is_that_of_the_angle_to_the_viewer() -> None:
    """Head on 1; turned by 60 degrees 0.35 + 0.65 / 2; edge on 0.35; from behind as in front."""
    c, s = np.cos(np.pi / 3), np.sin(np.pi / 3)
    turned = FLAT @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    edge_on = FLAT[:, [2, 1, 0]]
    behind = FLAT[::-1]
    corners = np.stack([FLAT, turned, edge_on, behind]) + np.array([0, 0, 4.0])
    found = shaded(corners, np.array([0.0, 0, -1]))
    assert found.order.tolist() == [0, 1, 2, 3]  # as far as each other: as they came
    np.testing.assert_allclose(found.brightness, [1.0, 0.675, 0.35, 1.0])
    np.testing.assert_allclose(shaded(corners[:1]).brightness, 1.0)


@pytest.mark.parametrize('corners', [np.zeros((0, 3, 3)), np.zeros((1, 3, 3))])
def test_nothing_and_a_point_are_no_trouble(corners: np.ndarray) -> None:
    found = shaded(corners)
    assert len(found.order) == len(corners)
    assert np.isfinite(found.brightness).all()
