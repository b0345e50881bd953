# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles of the body that the package brings, and colours of people."""

import itertools

import numpy as np
import pytest

from elepose_core.body.data import body_data
from elepose_core.body.surface import faces_of, person_colour
from elepose_core.errors import InputError


def test_triangles_are_those_of_the_body() -> None:
    data = body_data()
    faces = faces_of('anny_small', len(data.vertices))
    np.testing.assert_array_equal(faces, data.faces)
    assert not faces.flags.writeable


@pytest.mark.parametrize('body', ['nobody', '../body/anny_small', ''])
def test_unknown_body_is_one_sentence(body: str) -> None:
    with pytest.raises(InputError, match='expected one that this version of elepose brings: anny'):
        faces_of(body, 10)


def test_body_of_other_vertices_is_refused() -> None:
    with pytest.raises(InputError, match='body anny_small has 1229 vertices; found 10 of them'):
        faces_of('anny_small', 10)


def test_neighbours_in_number_have_colours_far_apart() -> None:
    colours = np.array([person_colour(number) for number in range(6)])
    assert ((colours >= 0) & (colours <= 1)).all()
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)]
    assert min(apart) > 0.15
