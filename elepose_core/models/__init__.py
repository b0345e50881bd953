# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Networks, as plain modules that know no data set and no optimiser."""
