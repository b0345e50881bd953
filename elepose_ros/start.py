# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The way from an executable to its node, with one sentence when something is not sourced."""

import importlib
import sys

__all__ = ['start']


def start(module: str) -> int:
    """Run `main` of a module of this package and return its exit code; 2 when it cannot load."""
    try:
        main = importlib.import_module(f'elepose_ros.{module}').main
    except ImportError as error:
        sys.stderr.write(
            f'error: {module} cannot start: {error}; source the set-up file of ROS 2 and of the '
            'workspace with elepose_ros, and see what elepose doctor misses\n'
        )
        return 2
    return int(main())
