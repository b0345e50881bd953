# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Figures from arrays; needs the extra `view` (matplotlib, plotly), imported on use."""

from elepose_core.visualize.interactive import write_page
from elepose_core.visualize.motion import Motion, Still
from elepose_core.visualize.picture import write_picture

__all__ = ['Motion', 'Still', 'write_page', 'write_picture']
