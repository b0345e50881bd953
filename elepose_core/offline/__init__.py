# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lifting files: PoseSets, keypoint files, media and bags."""
