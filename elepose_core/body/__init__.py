# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The body model as data, for everybody, without torch."""
