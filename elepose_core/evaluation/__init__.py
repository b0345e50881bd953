# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols that turn a lifter and a PoseSet into figures."""
