# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Metric scale and place of a person whom the lifter knows up to one scale."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.people import ScaleSource
from elepose_core.skeleton import H36M_17

__all__ = ['STATURE_SPREAD', 'Placement', 'place', 'place_by_stature', 'skeleton_stature']

# Adults scatter by about 7 % around a stature that nobody measured.
STATURE_SPREAD = 0.07
# An assumed field of view may be off by half: depth is then hardly known.
_ASSUMED_CAMERA_SPREAD = 0.5
# The pelvis of a detector lies some centimetres beside the joint.
_LATERAL_SIGMA_M = 0.05
# Ankles stand 0.039 and ears 0.936 of the stature above the floor; the chain of bones between
# them is the rest. Source: segment lengths of Drillis and Contini (1966), as fractions of stature.
_CHAIN_SHARE = 0.936 - 0.039
# Of the stature, the chain from the pelvis to the ears: median of the val split's people.
_TRUNK_SHARE = 0.416
_ROOT = H36M_17.index('pelvis')
_TRUNK = ('pelvis', 'spine', 'thorax', 'neck_nose', 'head_top')
_LEGS = [[f'{side}_{part}' for part in ('hip', 'knee', 'ankle')] for side in ('left', 'right')]
# From joint to joint, and how much each bone counts: the legs by their mean.
_BONES = np.array(
    [
        [H36M_17.index(name) for name in pair]
        for chain in (_TRUNK, *_LEGS)
        for pair in itertools.pairwise(chain)
    ]
)
_BELOW_HIPS = np.array([[H36M_17.index(name) for name in leg[1:]] for leg in _LEGS])
_PARTS = np.array([1.0] * (len(_TRUNK) - 1) + [0.5] * 4) / _CHAIN_SHARE


@dataclass(frozen=True)
class Placement:
    """People in metres.

    Attributes:
        joints_cam_m: (..., 17, 3) float32, optical frame; NaN where not seen.
        sigma_m: (..., 17) float32, radius that holds 68 % of the errors relative to the root; 0
            for the root itself, NaN where not seen.
        root_cam_m: (..., 3) pelvis.
        root_covariance_m2: (..., 3, 3); long along the ray, because scale is the least certain.
        scale_source: (...) uint8 of `ScaleSource`.
        scale: (...) metres per unit of what was placed.
    """

    joints_cam_m: NDArray[np.float32]
    sigma_m: NDArray[np.float32]
    root_cam_m: NDArray[np.float64]
    root_covariance_m2: NDArray[np.float64]
    scale_source: NDArray[np.uint8]
    scale: NDArray[np.float64]


def skeleton_stature(
    joints: NDArray[np.float32], seen: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the stature (...) of joints (..., 17, 3) in their own unit, whatever the posture.

    The bones from head to pelvis and along the legs (mean of both) are laid end to end and
    extended by what lies above the ears and below the ankles.

    Args:
        joints: (..., 17, 3) complete.
        seen: (..., 17) joints that are not a guess. Guessed legs come out 5 % too short: a leg
            that is not seen down to the ankle counts as the other one, or as usual for the trunk.
    """
    ends = joints[..., _BONES, :].astype(np.float64)
    bones = ends[..., 1, :] - ends[..., 0, :]
    lengths = np.sqrt(np.einsum('...i,...i->...', bones, bones))
    is_whole = np.True_ if seen is None else seen[..., _BELOW_HIPS].all(-1)
    if is_whole.all():
        return np.asarray(lengths @ _PARTS)
    count = is_whole.sum(-1)
    legs = lengths[..., len(_TRUNK) - 1 :].reshape(*lengths.shape[:-1], 2, 2).sum(-1)
    mean_leg = (is_whole * legs).sum(-1) / np.maximum(count, 1)
    trunk = lengths[..., : len(_TRUNK) - 1].sum(-1)
    by_trunk = trunk / _TRUNK_SHARE
    return np.asarray(np.where(count > 0, (trunk + mean_leg) / _CHAIN_SHARE, by_trunk))


def place_by_stature(
    joints: NDArray[np.float32],
    sigma: NDArray[np.float32],
    seen: NDArray[np.bool_],
    camera: Camera,
    stature_m: float,
) -> Placement:
    """Scale what is known up to one scale to a stature.

    Args:
        joints: (..., 17, 3) complete, camera frame, any unit, the root in front of the camera.
        sigma: (..., 17) their radii of error, same unit.
        seen: (..., 17) joints that are not a guess; only they come out.
        camera: An assumed camera makes the covariance large and the source UNKNOWN.
        stature_m: Assumed height of the people, metres.
    """
    scale = stature_m / np.maximum(skeleton_stature(joints, seen), 1e-9)
    spread = np.full_like(scale, _ASSUMED_CAMERA_SPREAD if camera.assumed else STATURE_SPREAD)
    source = ScaleSource.UNKNOWN if camera.assumed else ScaleSource.STATURE
    return place(joints, sigma, seen, (scale, spread, np.full(scale.shape, source, np.uint8)))


def place(
    joints: NDArray[np.float32],
    sigma: NDArray[np.float32],
    seen: NDArray[np.bool_],
    scales: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
) -> Placement:
    """Scale people: joints, errors and place alike, so that they stay where the image has them.

    Args:
        joints: (..., 17, 3) complete, camera frame, any unit, the root in front of the camera.
        sigma: (..., 17) their radii of error, same unit.
        seen: (..., 17) joints that are not a guess; only they come out.
        scales: (...) metres per unit, their relative standard deviations, and what they rest on
            (uint8 of `ScaleSource`).
    """
    scale, spread, source = scales
    placed = joints.astype(np.float64) * scale[..., None, None]
    root = placed[..., _ROOT, :]
    distance = np.linalg.norm(root, axis=-1, keepdims=True)
    ray = root / np.maximum(distance, 1e-9)
    along = ray[..., :, None] * ray[..., None, :]
    sigma_m = sigma.astype(np.float64) * scale[..., None]
    sigma_m[..., _ROOT] = 0.0
    # A guess must not look like a measurement.
    return Placement(
        joints_cam_m=np.where(seen[..., None], placed, np.nan).astype(np.float32),
        sigma_m=np.where(seen, sigma_m, np.nan).astype(np.float32),
        root_cam_m=root,
        root_covariance_m2=np.square(spread[..., None] * distance)[..., None] * along
        + _LATERAL_SIGMA_M**2 * (np.eye(3) - along),
        scale_source=source,
        scale=scale,
    )
