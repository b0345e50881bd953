# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""From a trained lifter to a bundle that runs without torch."""
