# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How far people are by a depth image that may have holes and show things in front of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.camera import MAX_PIXELS
from elepose_core.runtime.averaging import MOST_NEARER
from elepose_core.skeleton import H36M_17

__all__ = ['DepthImage', 'MeasuredScale', 'scale_by_depth']

Array = NDArray[np.float64]

_ASPECT_TOLERANCE = 0.01
# A camera sees the skin and not the joint: by so much a joint lies behind it, and so much it
# counts, since what is thin lets the background in. Metres, of an adult who is seen from any side
# (a chest is 0.24 m deep and 0.32 m wide), with an arm in front of it now and then.
_JOINTS = {
    **dict.fromkeys(('pelvis', 'spine', 'thorax'), (0.14, 1.0)),
    **dict.fromkeys(('left_hip', 'right_hip'), (0.13, 1.0)),
    **dict.fromkeys(('left_shoulder', 'right_shoulder'), (0.10, 1.0)),
    **dict.fromkeys(('neck_nose', 'head_top'), (0.10, 0.7)),
    **dict.fromkeys(('left_knee', 'right_knee'), (0.06, 0.7)),
    **dict.fromkeys(('left_elbow', 'right_elbow'), (0.045, 0.5)),
    **dict.fromkeys(('left_ankle', 'right_ankle'), (0.045, 0.5)),
    **dict.fromkeys(('left_wrist', 'right_wrist'), (0.03, 0.3)),
}
_BEHIND_SKIN_M = np.array([_JOINTS[name][0] for name in H36M_17.joint_names])
_COUNTS = np.array([_JOINTS[name][1] for name in H36M_17.joint_names])
# Of the skin's distance from the joint: of one joint, and what all joints of a body share.
_JOINT_SKIN_SIGMA_M = 0.05
_BODY_SKIN_SIGMA_M = 0.05
# A sensor's own error, as a share of the depth.
_SENSOR_SPREAD = 0.01
# Of a three-dimensional normal error, the radius that holds 68 % is so many standard deviations.
_RADIUS_PER_SIGMA = 1.87
# Samples are taken on a square grid around each joint, so far out as a share of the stature.
_PATCH_SHARE = 0.02
_PATCH = np.stack(np.meshgrid(*[np.linspace(-1, 1, 4)] * 2), -1).reshape(-1, 2)
_LEAST_SAMPLES = 4
# Beside the body lies the background, which is farther: the joint is at a nearer quantile.
_QUANTILE = 0.35
_LEAST_JOINTS = 3
_CLEAR_JOINTS = 5
_CLEAR_SHARE = 0.6
# Agreement with what was expected counts, but a child must not lose against a table.
_UNEXPECTED = 0.2


@dataclass(frozen=True)
class DepthImage:
    """Depth along the optical axis (REP 118), seen through the lens of the colour image.

    Attributes:
        values: (H, W) uint16 millimetres, 0 = hole, or floats in metres, where all that is not
            finite and above 0 is a hole. Any byte order; nothing is copied.
    """

    values: NDArray[Any]

    def __post_init__(self) -> None:
        kind = self.values.dtype
        if self.values.ndim != 2 or kind.newbyteorder('=') not in (np.uint16, np.float32):
            raise InputError(
                f'depth image has shape {self.values.shape} and type {kind}; '
                'expected (H, W) of uint16 millimetres or float32 metres'
            )
        if not 0 < self.values.size <= MAX_PIXELS:
            height, width = self.values.shape
            raise InputError(
                f'depth image is {width}x{height} pixels; expected both > 0 and at most '
                f'{MAX_PIXELS // 10**6} megapixels'
            )

    def check_size(self, width: int, height: int) -> None:
        """Raise InputError unless the image of the keypoints is a plain resize of this one."""
        rows, columns = self.values.shape
        if min(width, height) <= 0:  # whoever does not tell the size has the same
            return
        if abs((columns / width) / (rows / height) - 1) > _ASPECT_TOLERANCE:
            raise InputError(
                f'depth image is {columns}x{rows} but the image is {width}x{height}; expected '
                'the same aspect ratio (depth must be aligned to the image)'
            )

    def metres(self, points_px: Array) -> Array:
        """Return the depth (...) at the pixels nearest to `points_px` (..., 2); NaN = unknown."""
        rows, columns = self.values.shape
        limits = np.array([columns, rows])
        with np.errstate(invalid='ignore'):
            inside = ((points_px > -0.5) & (points_px < limits - 0.5)).all(-1)
        places: Any = np.where(np.expand_dims(inside, -1), points_px, 0).round().astype(np.intp)
        with np.errstate(invalid='ignore'):  # a NaN may be a signalling one
            found = self.values[places[..., 1], places[..., 0]].astype(np.float64)
            if self.values.dtype.kind == 'u':
                found *= 1e-3
            return np.where(inside & np.isfinite(found) & (found > 0), found, np.nan)


class MeasuredScale(NamedTuple):
    """Scale of N people as something measured it, relative to what was expected.

    Attributes:
        inverse: (N,) expected scale over measured scale: 1 = as expected, 2 = half as far away.
        variance: (N,); infinite = not measured.
        is_clear: (N,) most of what was seen agrees: more likely than that the expectation holds.
    """

    inverse: Array
    variance: Array
    is_clear: NDArray[np.bool_]


def scale_by_depth(
    joints_m: Array,
    sigma_m: Array,
    keypoints_px: NDArray[np.float32],
    depth: DepthImage,
    size: tuple[int, int],
) -> MeasuredScale:
    """Compare the depth of joints as they are expected with what the image shows.

    Each visible joint says how much farther everything is than expected. The joints vote: what
    the most of them say within their errors holds, nearness to the expectation counts too, and
    joints behind something else, or beside the body, are left out.

    Args:
        joints_m: (N, 17, 3) camera frame, as far as is expected.
        sigma_m: (N, 17) radii of their errors relative to the root.
        keypoints_px: (N, 17, 2) where they were seen, pixels of the image; NaN = not seen.
        depth: Aligned to that image, of the same or another resolution.
        size: Width and height of the image, px; 0 = as the depth image.
    """
    z = joints_m[..., 2]
    measured = _joint_depth_m(keypoints_px, depth, size)
    along = z / np.maximum(np.linalg.norm(joints_m, axis=-1), 1e-9)
    with np.errstate(divide='ignore', invalid='ignore'):
        said = np.log(z / (measured + _BEHIND_SKIN_M * along))
        spread2 = (_JOINT_SKIN_SIGMA_M / measured) ** 2 + _SENSOR_SPREAD**2
        spread2 = spread2 + (sigma_m / _RADIUS_PER_SIGMA / z) ** 2
    known = np.isfinite(said) & np.isfinite(spread2)
    said, spread2 = np.where(known, said, 0.0), np.where(known, spread2, 1.0)
    weight = _COUNTS * known
    # (N, J, J): how far each joint agrees with each.
    apart2 = (said[:, :, None] - said[:, None]) ** 2 / (spread2[:, :, None] + spread2[:, None])
    votes = (np.exp(-apart2 / 2) * weight[:, None]).sum(2) * weight
    expected = np.exp(-(said**2) / (2 * 0.1**2))
    best = (votes * (_UNEXPECTED + (1 - _UNEXPECTED) * expected)).argmax(1)
    centre = np.take_along_axis(said, best[:, None], 1)
    for _ in range(2):
        agrees = known & ((said - centre) ** 2 < 9 * spread2)
        share = np.where(agrees, weight / spread2, 0.0)
        total = np.maximum(share.sum(1, keepdims=True), 1e-9)
        centre = (share * said).sum(1, keepdims=True) / total
    count = agrees.sum(1)
    distance = np.where(agrees, measured, 0.0).sum(1) / np.maximum(count, 1)
    variance = 1 / total[:, 0] + (_BODY_SKIN_SIGMA_M / np.maximum(distance, 1e-3)) ** 2
    inverse = np.exp(centre[:, 0])
    is_clear = (agrees * weight).sum(1) >= _CLEAR_SHARE * weight.sum(1)
    return MeasuredScale(
        inverse,
        np.where(
            (count >= _LEAST_JOINTS) & (inverse < MOST_NEARER), variance * inverse**2, np.inf
        ),
        is_clear & (count >= _CLEAR_JOINTS),
    )


def _joint_depth_m(
    keypoints_px: NDArray[np.float32], depth: DepthImage, size: tuple[int, int]
) -> Array:
    """Return the depth (N, 17) that is seen at each joint, NaN = none."""
    rows, columns = depth.values.shape
    scale = np.array([columns / (size[0] or columns), rows / (size[1] or rows)])
    # Pixels count from the centre of the first one; a resize keeps the image's edges.
    centre = (keypoints_px.astype(np.float64) + 0.5) * scale - 0.5
    with np.errstate(invalid='ignore'):
        extent = np.nanmax(centre, 1, initial=-np.inf) - np.nanmin(centre, 1, initial=np.inf)
    reach = np.maximum(_PATCH_SHARE * extent.max(-1), 1.0)
    samples = depth.metres(centre[:, :, None] + reach[:, None, None, None] * _PATCH)
    samples.sort(-1)  # NaN comes last
    count = np.isfinite(samples).sum(-1)
    place = (_QUANTILE * np.maximum(count - 1, 0)).astype(np.intp)
    found = np.take_along_axis(samples, place[..., None], -1)[..., 0]
    return np.where(count >= _LEAST_SAMPLES, found, np.nan)
