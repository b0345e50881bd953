# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2 nodes over elepose_core; the generated messages live in elepose_ros.msg."""

from pkgutil import extend_path

# The generated msg and srv modules may lie in another folder of the same name (a sourced install
# beside this source tree); without this line the source tree would hide them.
__path__ = extend_path(__path__, __name__)
