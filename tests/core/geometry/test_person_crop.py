# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from elepose_core.geometry.person_crop import crop_from_pixels, person_squares


def test_square_and_map_are_those_worked_out_by_hand() -> None:
    keypoints = np.array([[[100.0, 50.0], [140.0, 250.0], [900.0, 900.0]]])
    centres, sides = person_squares(keypoints, np.array([[True, True, False]]))
    np.testing.assert_allclose(centres, [[120.0, 150.0]])
    np.testing.assert_allclose(sides, [250.0])  # 1.25 times 200
    (matrix,) = crop_from_pixels(centres, sides, 50)
    # A pixel of the crop is five of the picture; its first outer edge lies at 120 - 125.
    for point, wanted in (((120.0, 150.0), (24.5, 24.5)), ((-5.0, 25.0), (-0.5, -0.5))):
        np.testing.assert_allclose(matrix @ [*point, 1.0], wanted, atol=1e-12)


def test_who_is_not_seen_has_no_square() -> None:
    centres, sides = person_squares(np.zeros((1, 3, 2)), np.zeros((1, 3), bool))
    assert np.isnan(centres).all()
    assert np.isnan(sides).all()


def test_a_single_keypoint_makes_a_square_that_can_be_enlarged() -> None:
    centres, sides = person_squares(np.full((1, 1, 2), 7.0), np.ones((1, 1), bool))
    assert centres.tolist() == [[7.0, 7.0]]
    assert sides.tolist() == [1.25]
