# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Depths in pictures: their unit, and the way back to 3D."""

import importlib.util
import math

import numpy as np
import pytest
import torch

from elepose_core.models.image_depth import (
    DepthSeen,
    ImageDepth,
    ImageDepthConfig,
    depth_offsets,
    placed_on_rays,
)
from elepose_core.skeleton import H36M_17


def test_depth_is_relative_to_the_pelvis_in_angular_sizes() -> None:
    joints = torch.zeros(1, 17, 3, dtype=torch.float64)
    joints[..., 2] = 4.0
    joints[0, 1:, 0] = torch.where(torch.arange(16) % 2 == 0, 0.4, -0.4)
    joints[0, 5, 2] = 5.0
    joints[0, 5, 0] = 0.5
    rays = joints[..., :2] / joints[..., 2:]
    depth = depth_offsets(joints, rays)
    # Sixteen joints 0.1 off the axis and the pelvis on it; 5 m are a quarter more than 4 m.
    scale = 16 * 0.1 / 17
    assert depth[0, 5].item() == pytest.approx(0.25 / scale, rel=1e-6)
    assert depth[0, [0, 1, 2]].abs().max().item() < 1e-12


def test_true_depths_on_true_rays_are_the_truth_off_the_axis_too(
    crowd_of: object,
) -> None:
    crowd = crowd_of(20)  # type: ignore[operator]
    joints = torch.from_numpy(crowd.joints_cam_m)
    joints = joints + torch.tensor([1.5, 0.4, 0.0])
    rays = joints[..., :2] / joints[..., 2:]
    depth = depth_offsets(joints, rays)
    found, sigma = placed_on_rays(rays, depth, torch.full_like(depth, 0.5))
    # Up to the distance along the line of sight to the pelvis.
    found = found * joints[:, :1].norm(dim=-1, keepdim=True)
    np.testing.assert_allclose(found.numpy(), joints.numpy(), atol=1e-9)
    assert (sigma > 0).all()


@pytest.mark.skipif(importlib.util.find_spec('timm') is None, reason='timm is not installed')
def test_the_network_says_nothing_of_the_pelvis_and_starts_flat() -> None:
    torch.manual_seed(0)
    network = ImageDepth(ImageDepthConfig(side=32, channels=4, width=16)).float().eval()
    with torch.no_grad():
        depth, sigma = network(torch.rand(3, 3, 32, 32, dtype=torch.float32))
        depth_again, places = network.depth_and_places(torch.zeros(2, 3, 32, 32))
    assert depth.shape == sigma.shape == (3, 17)
    assert depth_again.shape == (2, 17)
    assert places.shape == (2, 17, 2)
    assert depth[:, H36M_17.index('pelvis')].abs().max() == 0
    assert depth.abs().max() < 0.1
    assert sigma.mean().item() == pytest.approx(math.exp(-1), rel=0.1)
    calibrated = DepthSeen(network)
    calibrated.sigma_factor.fill_(2.0)
    with torch.no_grad():
        pictures = torch.rand(1, 3, 32, 32, dtype=torch.float32)
        torch.testing.assert_close(calibrated(pictures)[1], 2 * network(pictures)[1])
