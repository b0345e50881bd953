# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual camera that looks straight at one person, in torch, as the graph needs it.

A person at the edge of the image is seen from another side than one in the middle. Turning the
camera towards each person takes that away, so that one lifter serves the whole image.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = [
    'azimuth_rotation',
    'elevation_and_roll',
    'image_turn',
    'rotated',
    'rotated_rays',
    'up_from_elevation_and_roll',
    'up_from_virtual_elevation',
    'virtual_camera',
]


def virtual_camera(centre_ray: Tensor) -> Tensor:
    """Return the rotation (B, 3, 3) from the camera to a camera that looks along `centre_ray`.

    Args:
        centre_ray: (B, 2) normalised image coordinates of the person's centre.

    Returns:
        Rows are the virtual camera's axes in the real camera: z through the person, x kept
        perpendicular to the real camera's y, so that a level camera stays level.
    """
    ray = pad(centre_ray, (0, 1), value=1.0)
    z = ray / ray.norm(dim=1, keepdim=True)
    # Few and simple operations: each is a node of the exported graph, which takes time.
    across = z @ z.new_tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    length = across.norm(dim=1, keepdim=True)
    down = z.new_tensor([[0.0, 1.0, 0.0]]) - z[:, 1:2] * z
    return torch.cat([across / length, down / length, z], dim=1).reshape(-1, 3, 3)


def rotated(vectors: Tensor, rotation: Tensor) -> Tensor:
    """Turn vectors (B, 3), each by its own `rotation` (B, 3, 3)."""
    return (rotation @ vectors[:, :, None])[:, :, 0]


def rotated_rays(rays: Tensor, rotation: Tensor) -> Tensor:
    """Turn rays (B, J, 2) of one camera into those of a camera turned by `rotation` (B, 3, 3)."""
    turned = pad(rays, (0, 1), value=1.0) @ rotation.transpose(1, 2)
    # A ray beside or behind the virtual camera has no image; the bound keeps it finite.
    return turned[..., :2] / turned[..., 2:].clamp(min=0.05)


def up_from_virtual_elevation(elevation_rad: Tensor, rotation: Tensor) -> Tensor:
    """Return up (B, 3) in the virtual camera, given the virtual camera's own elevation.

    The real camera is taken to have no roll: its up is (0, -cos e, -sin e) for some e. That and
    the virtual elevation v fix e: with z the person's ray in the real camera,
    sin v = z_y cos e + z_z sin e = h sin(e + phi) with h = |(z_y, z_z)|, phi = atan2(z_y, z_z).

    Args:
        elevation_rad: (B,) elevation of the virtual camera.
        rotation: (B, 3, 3) from `virtual_camera`.
    """
    z_y, z_z = rotation[:, 2, 1], rotation[:, 2, 2]
    h = torch.sqrt(z_y * z_y + z_z * z_z)
    # The bound stays off +-1, where the gradient of asin is infinite.
    sine = (torch.sin(elevation_rad) / h).clamp(-0.9999, 0.9999)
    real = torch.asin(sine) - torch.atan2(z_y, z_z)
    up_cam = torch.stack([torch.zeros_like(real), -torch.cos(real), -torch.sin(real)], dim=1)
    return rotated(up_cam, rotation)


def up_from_elevation_and_roll(elevation_rad: Tensor, roll_rad: Tensor) -> Tensor:
    """Return up (B, 3) in the camera; `geometry.elevation.up_cam_from_elevation` in torch."""
    elevation, roll = elevation_rad[:, None], roll_rad[:, None]
    level = -torch.cos(elevation)
    across, upwards = level * torch.sin(roll), level * torch.cos(roll)
    return torch.cat([across, upwards, -torch.sin(elevation)], dim=1)


def elevation_and_roll(up: Tensor) -> tuple[Tensor, Tensor]:
    """Return elevation and roll (B,) in radians of unit vectors `up` (B, 3)."""
    # The bound stays off +-1, where the gradient of asin is infinite.
    elevation = torch.asin((-up[:, 2]).clamp(-0.9999, 0.9999))
    return elevation, torch.atan2(-up[:, 0], -up[:, 1])


def image_turn(roll_rad: Tensor) -> Tensor:
    """Return the rotation (B, 2, 2) of the image when the camera rolls by `roll_rad` (B,).

    Points p (B, J, 2) become `p @ image_turn(r).transpose(1, 2)`; `p @ image_turn(r)` undoes it.
    """
    roll = roll_rad[:, None]
    sine, cosine = torch.sin(roll), torch.cos(roll)
    return torch.cat([cosine, sine, -sine, cosine], dim=1).reshape(-1, 2, 2)


def azimuth_rotation(up: Tensor, azimuth_rad: Tensor) -> Tensor:
    """Return the rotation (B, 3, 3) by `azimuth_rad` (B,) about unit vectors `up` (B, 3).

    Source: Rodrigues' formula.
    """
    zero = torch.zeros_like(azimuth_rad)
    x, y, z = up.unbind(1)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    sine, cosine = torch.sin(azimuth_rad)[:, None, None], torch.cos(azimuth_rad)[:, None, None]
    identity = torch.eye(3, device=up.device, dtype=up.dtype)
    return identity + sine * cross + (1 - cosine) * (cross @ cross)
