# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Depths of joints that a picture shows, fused with those that keypoints tell; pure functions.

Of both is known how deep a joint lies behind the pelvis, along the ray to the pelvis, in units of
the pelvis's depth: the lifter's offset comes from its joints, the picture's is its depth times
the angular size of the person.

The lifter's sigma is the radius of a ball that holds 68 % of the errors of a joint. Keypoints hold
a joint on its ray, so that these errors lie along it, and sigma is taken as the standard deviation
of the depth. The picture's sigma is an interval of the depth that holds 68 %: likewise. The errors
of the two are taken to be independent.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.skeleton import H36M_17

__all__ = ['angular_sizes', 'fuse', 'unflipped']

Array = NDArray[np.floating]
Float32 = NDArray[np.float32]

_ROOT = H36M_17.index('pelvis')
# As in models.observation: closer than this, in units of the pelvis's depth, nobody stands.
_NEAREST = 0.3
# What lies beside or behind the camera that looks at a person has no place in its image.
_LEAST_COSINE_PART = 0.05
_LEAST_SIZE = 1e-4
_LEAST_DEVIATION = 1e-6
# An arm ends some 2 angular sizes behind the pelvis, the feet of somebody seen from above or lying
# towards the camera some 9; what is farther is no body's.
_FARTHEST = 20.0
# Errors of the joints of a limb go together: so many joints count as one witness.
_JOINTS_PER_WITNESS = 3.0
# One pose in so many that the lifter gives is turned inside out in depth.
_USUAL_FLIPS = 0.02
# The other pose must be so many times as likely.
_CLEARLY = 10.0


class _Offsets(NamedTuple):
    """Depths behind the pelvis and their variances, (N, 17), in units of the pelvis's depth."""

    lifted: Array
    lifted_variance: Array
    shown: Array
    shown_variance: Array


def angular_sizes(rays: Array) -> tuple[Array, Array]:
    """Return where people are, unit vectors (N, 3), and their angular sizes (N,).

    The size is the mean distance of the seen joints from the pelvis, or from their mean where that
    is missing, in the image of a camera that looks straight at it: as `models.observation` has it.

    Args:
        rays: (N, 17, 2) x/z, y/z; NaN = missing.
    """
    seen = np.asarray(np.isfinite(rays).all(-1))
    whole = np.concatenate([np.where(seen[..., None], rays, 0.0), np.ones((*seen.shape, 1))], -1)
    count = np.maximum(seen.sum(1), 1)
    mean = (whole * seen[..., None]).sum(1) / count[:, None]
    mean[:, 2] = 1.0
    centre = np.where(seen[:, _ROOT, None], whole[:, _ROOT], mean)
    axis = centre / np.linalg.norm(centre, axis=1, keepdims=True)
    along = np.einsum('njc,nc->nj', whole, axis)
    across = np.sqrt(np.maximum((whole**2).sum(-1) - along**2, 0.0))
    distance = across / np.maximum(along, _LEAST_COSINE_PART)
    size = (distance * seen).sum(1) / count
    return axis, np.maximum(size, _LEAST_SIZE)


def fuse(
    joints_cam: Float32, sigma: Float32, rays: Array, depth: Float32, depth_sigma: Float32
) -> tuple[Float32, Float32]:
    """Move joints along their rays to the mean of both depths, weighed by inverse variances.

    Where the picture's depth or sigma is no number, or the depth beyond that of any body, the
    joint stays as it is; the pelvis, which both count from, always does.

    Args:
        joints_cam: (N, 17, 3) camera frame, any unit, the pelvis in front of the camera.
        sigma: (N, 17) 68 % radii, same unit.
        rays: (N, 17, 2) x/z, y/z; NaN = missing.
        depth: (N, 17) behind the pelvis, in units of the angular size.
        depth_sigma: (N, 17) 68 % of its errors are smaller, same unit.

    Returns:
        Joints and sigma after that; the rays of the joints are what they were.
    """
    axis, size = angular_sizes(rays)
    offsets = _offsets((joints_cam, sigma), (depth, depth_sigma), axis, size)
    own, other = offsets.lifted_variance, offsets.shown_variance
    with np.errstate(invalid='ignore'):  # infinite over infinite cannot be: own is finite
        share = own / (own + other)
    moved = offsets.lifted + share * (offsets.shown - offsets.lifted)
    return _moved(joints_cam, offsets.lifted, moved), np.asarray(
        sigma * np.sqrt(1 - share), np.float32
    )


def unflipped(
    joints_cam: Float32, sigma: Float32, rays: Array, depth: Float32, depth_sigma: Float32
) -> tuple[Float32, NDArray[np.bool_]]:
    """Turn people inside out in depth where the picture clearly says so.

    A pose and its mirror image in depth look alike in 2D. The mirror image is taken when what the
    picture shows is ten times as likely with it, although of a hundred lifted poses only two are
    flipped.

    Args:
        joints_cam: As in `fuse`, and so are the others.
        sigma: See there.
        rays: See there.
        depth: See there.
        depth_sigma: See there.

    Returns:
        Joints, and (N,) who was turned.
    """
    axis, size = angular_sizes(rays)
    offsets = _offsets((joints_cam, sigma), (depth, depth_sigma), axis, size)
    variance = offsets.lifted_variance + offsets.shown_variance
    # -(a - b)^2 / 2v for a and -a: what differs is 2ab / v.
    agreement = (-2 * offsets.lifted * offsets.shown / variance).sum(1) / _JOINTS_PER_WITNESS
    needed = np.log(_CLEARLY) + np.log((1 - _USUAL_FLIPS) / _USUAL_FLIPS)
    is_flipped = np.asarray(agreement > needed)
    turned = _moved(joints_cam, offsets.lifted, -offsets.lifted)
    return np.where(is_flipped[:, None, None], turned, joints_cam), is_flipped


def _offsets(
    lifted: tuple[Float32, Float32], shown: tuple[Float32, Float32], axis: Array, size: Array
) -> _Offsets:
    joints, sigma = (part.astype(np.float64) for part in lifted)
    depths = np.einsum('njc,nc->nj', joints, axis)
    unit = np.maximum(depths[:, _ROOT, None], 1e-9)
    depth, depth_sigma = (part.astype(np.float64) * size[:, None] for part in shown)
    # Also false where it is no number.
    is_told = np.abs(shown[0]) <= _FARTHEST
    is_told &= np.isfinite(depth_sigma) & (depth_sigma > 0)
    is_told[:, _ROOT] = False
    return _Offsets(
        depths / unit - 1.0,
        np.maximum(sigma / unit, _LEAST_DEVIATION) ** 2,
        np.where(is_told, depth, 0.0),
        np.where(is_told, np.maximum(depth_sigma, _LEAST_DEVIATION) ** 2, np.inf),
    )


def _moved(joints_cam: Float32, before: Array, after: Array) -> Float32:
    """Move joints along their rays so that their depths, less the pelvis's, become others."""
    factor = np.maximum(1.0 + after, _NEAREST) / np.maximum(1.0 + before, _NEAREST)
    return np.asarray(joints_cam * factor[..., None], np.float32)
