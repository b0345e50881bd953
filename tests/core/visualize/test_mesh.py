# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles hide each other as they should, and left stays left."""

import numpy as np
import pytest

pytest.importorskip('cv2', reason='OpenCV is not installed')

from elepose_core.visualize.mesh import face_normals, paint_mesh

RED, BLUE = (255, 0, 0), (0, 0, 255)


def square(x: float, z: float, half: float) -> np.ndarray:
    """Return the corners of a square before the camera, clockwise in the picture."""
    return np.array([[x - half, -half, z], [x + half, -half, z], [x + half, half, z]])


def painted(*triangles: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    picture = np.zeros((40, 40, 3), np.uint8)
    vertices = np.concatenate(triangles)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    points = vertices[:, :2] / vertices[:, 2:] * 40 + 20
    paint_mesh(picture, vertices, points, faces, np.array(colours, np.uint8))
    return picture


def test_a_triangle_in_front_hides_one_behind_in_whatever_order() -> None:
    near, far = square(0.0, 2.0, 0.4)[::-1], square(0.0, 4.0, 1.5)[::-1]
    for triangles, colours in (((near, far), [RED, BLUE]), ((far, near), [BLUE, RED])):
        picture = painted(*triangles, colours=colours)
        assert tuple(picture[17, 22]) == RED
        assert tuple(picture[10, 28]) == BLUE


def test_left_is_left_and_what_looks_away_is_not_painted() -> None:
    left = square(-0.5, 2.0, 0.3)[::-1]
    picture = painted(left, colours=[RED])
    assert picture[:, 20:].sum() == 0
    assert picture[:, :20].sum() > 0
    assert painted(left[::-1], colours=[RED]).sum() == 0


def test_normals_point_out_and_what_is_behind_the_camera_is_left_out() -> None:
    facing = square(0.0, 2.0, 0.4)[::-1]
    np.testing.assert_allclose(face_normals(facing, np.array([[0, 1, 2]])), [[0.0, 0.0, -1.0]])
    assert painted(facing * [1.0, 1.0, -1.0], colours=[RED]).sum() == 0
