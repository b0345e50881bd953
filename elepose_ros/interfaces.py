# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The only import of our own messages, so that moving them to another package is one line."""

try:
    from elepose_ros.msg import CameraElevation, People2D, Person2D, Skeleton3D, Skeletons3D
    from elepose_ros.srv import LoadModel
except ImportError as error:
    raise ImportError(
        'the messages of elepose_ros are not built ("colcon build" or "make setup") or not sourced'
    ) from error

__all__ = ['CameraElevation', 'LoadModel', 'People2D', 'Person2D', 'Skeleton3D', 'Skeletons3D']
