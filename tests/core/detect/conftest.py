# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The photograph that is shipped with the tests, and what people marked in it."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from elepose_core.evaluation.keypoints import AnnotatedPerson
from elepose_core.images import rgb_from_photograph

FOLDER = Path(__file__).parents[2] / 'data'


class Photograph(NamedTuple):
    rgb: NDArray[np.uint8]
    people: list[AnnotatedPerson]


@pytest.fixture(scope='session')
def skier() -> Photograph:
    """One woman on skis: 640x425, all 17 keypoints marked."""
    entry = json.loads((FOLDER / 'skier.json').read_text())
    people = [AnnotatedPerson.from_coco(p['keypoints'], p['bbox']) for p in entry['persons']]
    return Photograph(rgb_from_photograph((FOLDER / 'skier.jpg').read_bytes()), people)
