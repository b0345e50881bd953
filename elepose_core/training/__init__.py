# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The training loops, one page each, and their checkpoints."""
