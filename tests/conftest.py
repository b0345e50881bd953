# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests."""

import os
from pathlib import Path

import numpy as np
import pytest

# Figures are drawn into files; set before any test imports matplotlib.
os.environ['MPLBACKEND'] = 'Agg'


# With pytest -n 2 these share one process: they start nodes, which meet over DDS and need cores.
_WITH_NODES = ('ros', 'test_demo.py', 'test_launch.py')
# They take long; begun last, one of them would keep a process busy while the other idles.
_LONG = (
    *('test_docs.py', 'test_training_run.py', 'test_walkthrough.py', 'test_ablations.py'),
    *('test_onnx.py', 'test_command.py', 'test_example.py', 'test_distillation.py'),
)
_ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a file in one process, since its tests share fixtures, and all that starts nodes.

    What takes longest comes first, so that both processes end at about the same time.
    """
    if not config.pluginmanager.hasplugin('xdist'):
        return
    for item in items:
        group = 'nodes' if _starts_nodes(item) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (not _starts_nodes(item), item.path.name not in _LONG))


def _starts_nodes(item: pytest.Item) -> bool:
    return not set(_WITH_NODES).isdisjoint(item.path.relative_to(_ROOT).parts)


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
