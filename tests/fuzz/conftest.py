# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Leave out what needs ROS where there is none."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec('rclpy') else ['messages.py']
