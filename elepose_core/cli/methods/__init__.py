# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The methods of training: one file each."""

from elepose_core.cli.methods import (
    adapter,
    elevation,
    geometric,
    posenet3d,
    published,
    supervised,
    wsp,
)
from elepose_core.cli.methods.method import Method
from elepose_core.config import Experiment

__all__ = ['method_of']

_METHODS: dict[str, Method] = {
    'elevation': elevation.METHOD,
    'published': published.METHOD,
    'supervised': supervised.METHOD,
    'geometric': geometric.METHOD,
    'posenet3d': posenet3d.METHOD,
    'adapter': adapter.METHOD,
    'wsp': wsp.METHOD,
}


def method_of(experiment: Experiment) -> Method:
    """Return the method that the recipe of these settings belongs to."""
    return _METHODS[experiment.recipe]
