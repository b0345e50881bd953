# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The graph that is deployed: rays and scores in, joints in the camera frame out.

The maths between the two stands here once; training, evaluation and the exported bundle share it.
"""

import torch
from torch import Tensor, nn

from elepose_core.geometry.virtual_camera import up_from_virtual_elevation
from elepose_core.models.lifter import Lifter, back_project, observe

__all__ = ['INPUT_NAMES', 'OUTPUT_NAMES', 'LiftingGraph']

INPUT_NAMES = ('rays', 'scores', 'up_cam', 'up_known')
OUTPUT_NAMES = ('joints_cam', 'up_cam_estimate')


class LiftingGraph(nn.Module):
    """Virtual camera, missing joints, lifting and the way back."""

    def __init__(self, lifter: Lifter) -> None:
        super().__init__()
        self.lifter = lifter

    def forward(
        self, rays: Tensor, scores: Tensor, up_cam: Tensor, up_known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Lift one person per row.

        Args:
            rays: (B, 17, 2) undistorted x/z, y/z; NaN = missing.
            scores: (B, 17); 0 = missing.
            up_cam: (B, 3) direction against gravity in the camera frame, any value if unknown.
            up_known: (B,) 1 where `up_cam` holds, 0 where the graph's own estimate is used.

        Returns:
            joints_cam: (B, 17, 3) in the camera frame, in units of the root's depth in the
                virtual camera: the person's place and shape up to one scale. Missing joints are
                completed.
            up_cam_estimate: (B, 3) the graph's own estimate, known or not; without roll.
        """
        finite = (rays == rays).all(-1) & (rays.abs() < 1e4).all(-1)
        visible = (finite & (scores > 0)).to(rays.dtype)
        observation = observe(torch.where(visible[..., None] > 0, rays, 0.0), visible)
        rotation = observation.rotation
        estimate = up_from_virtual_elevation(self.lifter.elevation(observation), rotation)
        told = (rotation @ up_cam[:, :, None])[:, :, 0]
        up = torch.where(up_known[:, None] > 0, told, estimate)
        lifted = self.lifter(observation, up)
        pose_2d = torch.where(visible[..., None] > 0, observation.pose_2d, lifted.completion)
        joints = back_project(pose_2d, lifted.depth)
        # Rows of the rotation are the virtual axes: v_cam = R^T v_virtual.
        up_estimate = (rotation.transpose(1, 2) @ estimate[:, :, None])[:, :, 0]
        return joints @ rotation, up_estimate
