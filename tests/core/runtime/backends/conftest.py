# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped graph, people to lift, and a machine whose GPU is a stand-in."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elepose_core.bundle import open_bundle
from elepose_core.runtime.backends.interface import Feeds, Graph

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[4]


def shipped_graph() -> Graph:
    bundle = open_bundle()
    rows = {'rays': (17, 2), 'scores': (17,), 'up_cam': (3,), 'up_variance': ()}
    return Graph(bundle.onnx_path, bundle.manifest.sha256, rows, bundle.manifest.output_names)


def make_feeds(rows: int, seed: int = 0) -> Feeds:
    """Return people in random poses, some joints missing, some cameras told of up."""
    random = np.random.default_rng(seed)
    rays = random.normal(0, 0.1, (rows, 17, 2)).astype(np.float32)
    scores = random.uniform(0.2, 1, (rows, 17)).astype(np.float32)
    scores[random.random((rows, 17)) < 0.1] = 0
    rays[random.random((rows, 17)) < 0.05] = np.nan
    up = random.normal((0, -1, 0), 0.3, (rows, 3))
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    variance = np.array([np.inf, 0.0, 0.01], np.float32)[np.arange(rows) % 3]
    return {
        'rays': rays,
        'scores': scores,
        'up_cam': up.astype(np.float32),
        'up_variance': variance,
    }


@pytest.fixture(scope='session')
def graph() -> Graph:
    return shipped_graph()


@pytest.fixture(scope='session')
def feeds_of() -> Callable[..., Feeds]:
    return make_feeds


@pytest.fixture(scope='session')
def stand_in_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a libcuda.so.1 without a GPU."""
    compiler = shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler for the stand-in of the CUDA driver')
    library = tmp_path_factory.mktemp('driver') / 'libcuda.so.1'
    command = [compiler, '-std=c11', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC']
    subprocess.run([*command, '-o', library, HERE / 'stand_in' / 'driver.c'], check=True)
    return library


@pytest.fixture
def on_stand_in(stand_in_driver: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a script where a GPU and TensorRT seem to be."""

    def run(script: str, with_tensorrt: bool = True, **environment: str) -> str:
        path = [str(ROOT), str(HERE)] + [str(HERE / 'stand_in')] * with_tensorrt
        done = subprocess.run(
            [sys.executable, '-W', 'error', '-c', textwrap.dedent(script)],
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(path),
                'LD_LIBRARY_PATH': str(stand_in_driver.parent),
                'XDG_CACHE_HOME': str(tmp_path / 'cache'),
                'STAND_IN_BUILDS': str(tmp_path / 'builds'),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
