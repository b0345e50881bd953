# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m elepose_core` is the command `elepose`."""

from elepose_core.cli import main

main()
