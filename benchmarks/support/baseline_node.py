# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What `keypoint_latency.py` compares with: the published lifter in a node as they are usual.

Eager torch, one marker per joint, arrays of numpy in the messages. It neither tracks nor places
people and knows neither missing joints nor the camera's tilt.
"""

import contextlib
import os
import sys
from typing import Any

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

import numpy as np
import rclpy
import torch
from geometry_msgs.msg import Point
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from visualization_msgs.msg import Marker, MarkerArray

from elepose_core.models.elepose_paper import ElePoseLifter, ElePoseLifterConfig
from elepose_ros.interfaces import People2D, Skeleton3D, Skeletons3D

_DEPTH_M = 4.0


class Baseline(Node):
    """Keypoints in, skeletons and markers out."""

    def __init__(self) -> None:
        super().__init__('baseline')
        torch.set_num_threads(1)
        self._lifter = ElePoseLifter(ElePoseLifterConfig()).eval()
        self._matrix = np.eye(3)
        self._skeletons = self.create_publisher(Skeletons3D, 'skeletons', 10)
        self._markers = self.create_publisher(MarkerArray, 'markers', 10)
        self.create_subscription(CameraInfo, 'camera_info', self._on_camera, 5)
        self.create_subscription(People2D, 'keypoints', self._on_keypoints, 8)

    def _on_camera(self, message: Any) -> None:
        self._matrix = np.array(message.k).reshape(3, 3)

    def _on_keypoints(self, message: Any) -> None:
        rays = np.stack([self._rays(person) for person in message.people])
        with torch.no_grad():
            joints, _ = self._lifter(self._lifter.normalised(torch.from_numpy(rays)))
        poses = joints.numpy().astype(np.float32)
        skeletons = Skeletons3D(header=message.header, layout='h36m_17')
        for pose in poses:
            x, y, z = pose.T
            skeletons.skeletons.append(Skeleton3D(x=x.copy(), y=y.copy(), z=z.copy()))
        self._skeletons.publish(skeletons)
        markers = MarkerArray()
        for number, joint in enumerate(poses.reshape(-1, 3)):
            marker = Marker(header=message.header, ns='joints', id=number, type=Marker.SPHERE)
            x, y, z = (float(value) for value in joint)
            marker.pose.position = Point(x=x, y=y, z=z + _DEPTH_M)
            marker.pose.orientation.w = 1.0
            marker.scale.x = marker.scale.y = marker.scale.z = 0.06
            marker.color.r = marker.color.a = 1.0
            markers.markers.append(marker)
        self._markers.publish(markers)

    def _rays(self, person: Any) -> Any:
        focal, centre = self._matrix[[0, 1], [0, 1]], self._matrix[:2, 2]
        points = np.stack([np.array(person.x), np.array(person.y)], axis=-1)
        return ((points - centre) / focal).astype(np.float32)


def main() -> int:
    """Run the node until it is told to end."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        rclpy.spin(Baseline())
    return 0


if __name__ == '__main__':
    sys.exit(main())
