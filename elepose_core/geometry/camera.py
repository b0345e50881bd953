# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera with lens distortion: pixels to viewing rays and back."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError, shown

__all__ = [
    'DISTORTION_MODELS',
    'FOCAL_PX',
    'MAX_DISTORTION',
    'MAX_KEYPOINT_PX',
    'MAX_PIXELS',
    'MAX_SIDE_PX',
    'Camera',
    'pixels_from_rays',
    'project',
    'rays_from_pixels',
]

Array = NDArray[np.float64]

DISTORTION_MODELS = ('none', 'plumb_bob', 'rational_polynomial', 'equidistant')
_COEFFICIENTS = {
    'none': (0,),
    'plumb_bob': (4, 5),
    'rational_polynomial': (8,),
    'equidistant': (4,),
}
# What a real camera can have; more is damaged or hostile, and would end in infinities.
MAX_SIDE_PX = 65_535
# Of an image of colours or depth: no camera of a robot is larger.
MAX_PIXELS = 64_000_000
FOCAL_PX = (1e-3, 1e7)
MAX_DISTORTION = 1e6
# Points outside the image are welcome; beyond this no lens could have seen them.
MAX_KEYPOINT_PX = 1e6
# Rays (x/z, y/z) that differ by less are the same: 0.6 degrees or, far off the axis, less.
_SAME_RAY = 0.01
# Distortion is inverted by fixed-point steps; real lenses converge to 1e-9 well before this.
_UNDISTORT_STEPS = 60


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one camera.

    Attributes:
        matrix: (3, 3) K in pixels; zero skew is not required.
        width: Image width in pixels.
        height: Image height in pixels.
        distortion_model: One of `DISTORTION_MODELS`, coefficients in the order of OpenCV and ROS.
        distortion: The coefficients.
        assumed: True when nobody calibrated this camera and a field of view was assumed.
        inverse: (3, 3) of the matrix.
    """

    matrix: Array
    width: int
    height: int
    distortion_model: str = 'none'
    distortion: tuple[float, ...] = ()
    assumed: bool = False
    inverse: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise InputError(
                f'camera matrix has shape {matrix.shape} or non-finite entries; expected (3, 3)'
            )
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError(
                f'focal lengths are {matrix[0, 0]:g} and {matrix[1, 1]:g} px; expected > 0 '
                '(zero means that the camera is not calibrated)'
            )
        _check_matrix(matrix)
        if not (0 <= self.width <= MAX_SIDE_PX and 0 <= self.height <= MAX_SIDE_PX):
            raise InputError(
                f'camera image is {self.width}x{self.height} pixels; '
                f'expected 0..{MAX_SIDE_PX} each'
            )
        if self.distortion_model not in DISTORTION_MODELS:
            raise InputError(
                f'distortion_model is {shown(self.distortion_model)}; '
                f'expected one of {", ".join(DISTORTION_MODELS)}'
            )
        counts = _COEFFICIENTS[self.distortion_model]
        if len(self.distortion) not in counts:
            raise InputError(
                f'{self.distortion_model} has {len(self.distortion)} distortion coefficients; '
                f'expected {" or ".join(map(str, counts))}'
            )
        if not all(abs(c) <= MAX_DISTORTION for c in self.distortion):
            raise InputError(
                f'distortion is {self.distortion}; expected finite coefficients up to '
                f'{MAX_DISTORTION:g}'
            )
        matrix.setflags(write=False)
        object.__setattr__(self, 'matrix', matrix)
        object.__setattr__(self, 'inverse', np.linalg.inv(matrix))

    @classmethod
    def from_field_of_view(cls, width: int, height: int, horizontal_fov_rad: float) -> 'Camera':
        """Make the assumed camera of a robot that publishes no calibration.

        The axis goes through the middle of the image and pixels are square.
        """
        if not 0 < horizontal_fov_rad < math.pi:
            raise InputError(f'horizontal_fov_rad is {horizontal_fov_rad}; expected 0..pi')
        if width <= 0 or height <= 0:
            raise InputError(f'image is {width}x{height} pixels; expected both > 0')
        focal_px = width / 2 / math.tan(horizontal_fov_rad / 2)
        x, y = (width - 1) / 2, (height - 1) / 2
        matrix = np.array([[focal_px, 0, x], [0, focal_px, y], [0, 0, 1]])
        return cls(matrix, width, height, assumed=True)

    def sees_like(self, other: 'Camera') -> bool:
        """Tell whether the same parts of both images show the same directions, to about a degree.

        A plain resize changes nothing, nor does what trembles in a calibration that is sent with
        each frame; another lens, field of view or centre does.
        """
        same_lens = (self.distortion_model, self.distortion) == (
            other.distortion_model,
            other.distortion,
        )
        same_size = (self.width, self.height) == (other.width, other.height)
        if same_lens and same_size and np.array_equal(self.matrix, other.matrix):
            return True
        apart = np.abs(_spread_rays(self) - _spread_rays(other))
        return bool(np.nanmax(apart, initial=0.0) < _SAME_RAY)

    def scaled_to(self, width: int, height: int) -> 'Camera':
        """Return the same camera for an image that was resized as a whole.

        Raises:
            InputError: The new size has another aspect ratio, so that it is not a plain resize.
        """
        if (width, height) == (self.width, self.height):
            return self
        x, y = width / max(self.width, 1), height / max(self.height, 1)
        if min(x, y) <= 0 or abs(x / y - 1) > 0.01:
            raise InputError(
                f'image is {width}x{height} but the camera is calibrated for '
                f'{self.width}x{self.height}; expected the same size or the same aspect ratio'
            )
        # Pixels count from the centre of the first one; a resize keeps the image's edges.
        to_edge = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = np.linalg.inv(to_edge) @ np.diag([x, y, 1.0]) @ to_edge @ self.matrix
        return Camera(matrix, width, height, self.distortion_model, self.distortion, self.assumed)


def rays_from_pixels(points_px: ArrayLike, camera: Camera) -> Array:
    """Undistort pixels into normalised image coordinates.

    Args:
        points_px: (..., 2) pixels; NaN stays NaN.
        camera: The camera that took them.

    Returns:
        (..., 2) x/z and y/z in the camera frame. NaN too where a pixel lies so far outside the
        image that the lens model has no ray for it.
    """
    inverse = camera.inverse
    distorted = np.asarray(points_px, dtype=np.float64) @ inverse[:2, :2].T + inverse[:2, 2]
    return _UNDISTORT[camera.distortion_model](distorted, camera.distortion)


def pixels_from_rays(rays: ArrayLike, camera: Camera) -> Array:
    """Distort normalised image coordinates (..., 2) into pixels (..., 2)."""
    undistorted = np.asarray(rays, dtype=np.float64)
    distorted = _DISTORT[camera.distortion_model](undistorted, camera.distortion)
    homogeneous = np.concatenate([distorted, np.ones_like(distorted[..., :1])], axis=-1)
    return (homogeneous @ camera.matrix.T)[..., :2]


def project(points_cam_m: ArrayLike, camera: Camera) -> Array:
    """Project camera-frame points (..., 3) in metres to pixels (..., 2).

    Points on or behind the camera plane (z <= 0) have no picture and come back as NaN.
    """
    points = np.asarray(points_cam_m, dtype=np.float64)
    depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
    return pixels_from_rays(points[..., :2] / depth, camera)


def _spread_rays(camera: Camera) -> Array:
    """Return rays of 3 x 3 places all over the image, NaN where the lens has none."""
    # Whoever does not tell the size has the centre in the middle.
    width = camera.width or 2 * camera.matrix[0, 2]
    height = camera.height or 2 * camera.matrix[1, 2]
    places = np.stack(np.meshgrid([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]), -1)
    return rays_from_pixels(places * (width, height) - 0.5, camera)


def _check_matrix(matrix: Array) -> None:
    """Refuse what is no K: it could not be inverted, or its rays would overflow."""
    low, high = FOCAL_PX
    if not (low <= matrix[0, 0] <= high and low <= matrix[1, 1] <= high):
        raise InputError(
            f'focal lengths are {matrix[0, 0]:g} and {matrix[1, 1]:g} px; '
            f'expected {low:g}..{high:g}'
        )
    if np.abs(matrix[:2, 1:]).max() > high:
        raise InputError(
            f'camera matrix reaches {np.abs(matrix[:2, 1:]).max():g} px; expected at most {high:g}'
        )
    below = [matrix[1, 0], *matrix[2]]
    if max(abs(found - want) for found, want in zip(below, (0, 0, 0, 1), strict=True)) > 1e-6:
        raise InputError(
            f'camera matrix has {below[0]:g} at the start of its second row and '
            f'{", ".join(f"{value:g}" for value in below[1:])} as its third; '
            'expected 0 and 0, 0, 1'
        )


def _keep(rays: Array, _coefficients: tuple[float, ...]) -> Array:
    return rays


def _distort_polynomial(rays: Array, coefficients: tuple[float, ...]) -> Array:
    """Apply the Brown model (4, 5 or 8 coefficients k1 k2 p1 p2 k3 k4 k5 k6)."""
    radial, tangential = _brown_terms(rays, coefficients)
    return rays * radial + tangential


def _brown_terms(rays: Array, coefficients: tuple[float, ...]) -> tuple[Array, Array]:
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, *(0.0,) * (8 - len(coefficients)))
    x, y = rays[..., 0], rays[..., 1]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    tangential = np.stack(
        [
            2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return radial[..., None], tangential


def _undistort_polynomial(distorted: Array, coefficients: tuple[float, ...]) -> Array:
    rays = distorted
    with np.errstate(all='ignore'):  # far outside the image the steps may diverge: NaN below
        for _ in range(_UNDISTORT_STEPS):
            radial, tangential = _brown_terms(rays, coefficients)
            rays = (distorted - tangential) / radial
        miss = np.abs(_distort_polynomial(rays, coefficients) - distorted).max(-1, keepdims=True)
        return np.where(miss < 1e-6, rays, np.nan)


def _distort_equidistant(rays: Array, coefficients: tuple[float, ...]) -> Array:
    """Apply the fisheye model: the image radius is an odd polynomial of the ray's angle."""
    radius = np.linalg.norm(rays, axis=-1, keepdims=True)
    angle = np.arctan(radius)
    image_radius = _fisheye_radius(angle, coefficients)
    return rays * np.where(radius > 1e-9, image_radius / np.maximum(radius, 1e-9), 1.0)


def _undistort_equidistant(distorted: Array, coefficients: tuple[float, ...]) -> Array:
    image_radius = np.linalg.norm(distorted, axis=-1, keepdims=True)
    angle = image_radius
    with np.errstate(all='ignore'):
        for _ in range(_UNDISTORT_STEPS):
            angle = angle * image_radius / np.maximum(_fisheye_radius(angle, coefficients), 1e-12)
        # Rays at a right angle or more have no point on the z = 1 plane.
        good = (np.abs(_fisheye_radius(angle, coefficients) - image_radius) < 1e-6) & (
            angle < math.radians(89)
        )
        scale = np.where(image_radius > 1e-9, np.tan(angle) / np.maximum(image_radius, 1e-9), 1.0)
        return np.where(good, distorted * scale, np.nan)


def _fisheye_radius(angle: Array, coefficients: tuple[float, ...]) -> Array:
    k1, k2, k3, k4 = coefficients
    a2 = angle * angle
    return np.asarray(angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4)))))


_Lens = Callable[[Array, tuple[float, ...]], Array]
_DISTORT: dict[str, _Lens] = {
    'none': _keep,
    'plumb_bob': _distort_polynomial,
    'rational_polynomial': _distort_polynomial,
    'equidistant': _distort_equidistant,
}
_UNDISTORT: dict[str, _Lens] = {
    'none': _keep,
    'plumb_bob': _undistort_polynomial,
    'rational_polynomial': _undistort_polynomial,
    'equidistant': _undistort_equidistant,
}
