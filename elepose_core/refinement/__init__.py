# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whole clips refined: joints that agree with bones, motion, floor and one camera."""
