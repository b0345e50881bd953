# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Other packages' keypoint messages as the core's `People2D`; none is imported unless chosen."""
