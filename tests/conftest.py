# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests."""

import os
from pathlib import Path

import numpy as np
import pytest

# Figures are drawn into files; set before any test imports matplotlib.
os.environ['MPLBACKEND'] = 'Agg'


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers in every run."""
    return np.random.default_rng(20261121)


@pytest.fixture(scope='session')
def data_folder() -> Path:
    """The recordings and test sets that are too large for the repository."""
    folder = os.environ.get('ELEPOSE_DATA')
    if folder is None:
        pytest.skip('ELEPOSE_DATA is not set; expected the folder that holds mocap/ and media/')
    if not Path(folder, 'mocap').is_dir():
        pytest.fail(f'ELEPOSE_DATA is {folder}, which has no folder mocap')
    return Path(folder)
