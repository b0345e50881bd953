# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Lifting on the robot: numpy in, numpy out, no torch."""
