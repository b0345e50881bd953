# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""3D human poses and camera elevation from 2D keypoints, learned without 3D labels."""

__version__ = '0.1.0'
