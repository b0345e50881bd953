# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What is known before any 3D: the density of 2D poses and the ratios of the bones."""
