# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Readers and writers of keypoints: everything becomes a `PoseSet`."""
