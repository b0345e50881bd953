# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs that no honest sender makes, and what must come of them."""
