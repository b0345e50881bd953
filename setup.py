# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Build of the pip distribution; every setting that needs no code is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithMessages(build_py):
    """Copies the message definitions into the package: bags are then written without ROS."""

    def run(self) -> None:
        """Build, then add msg/*.msg as elepose_core/bags/msg (in place for an editable build)."""
        super().run()
        if self.editable_mode:  # the source tree has msg/ beside elepose_core
            return
        target = Path(self.build_lib, 'elepose_core', 'bags', 'msg')
        target.mkdir(parents=True, exist_ok=True)
        for definition in sorted((ROOT / 'msg').glob('*.msg')):
            shutil.copy2(definition, target / definition.name)


setup(cmdclass={'build_py': BuildWithMessages})
