# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Up as people show it against up as something else gives it, say an IMU or a calibrated mount."""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elepose_core.errors import InputError
from elepose_core.geometry.elevation import (
    angle_between,
    elevation_from_up_cam,
    roll_from_up_cam,
)
from elepose_core.runtime.people import Elevation

__all__ = ['Agreement', 'GravityCheck', 'check_gravity']

# Two honest directions differ more than so by chance once in a thousand.
_LEAST_CHANCE = 1e-3
# A given direction that is less certain than this is no witness.
_LARGEST_GIVEN_SIGMA_RAD = math.radians(30.0)


class Agreement(Enum):
    """What the comparison says."""

    UNDECIDED = 'undecided'
    AGREES = 'agrees'
    CONTRADICTS = 'contradicts'


@dataclass(frozen=True)
class GravityCheck:
    """Fused and given direction side by side.

    Attributes:
        agreement: UNDECIDED as long as the fused direction has not converged.
        angle_rad: Angle between the two, 0..pi; NaN without a fused one.
        elevation_difference_rad: Fused minus given; NaN without a fused one.
        roll_difference_rad: Fused minus given, -pi..pi; NaN without a fused one.
        expected_rad: Standard deviation of `angle_rad` that the two variances explain, in the
            direction in which they differ; NaN without a fused one.
        chance: Share of honest pairs that differ at least as much, 0..1; NaN without a fused one.
    """

    agreement: Agreement
    angle_rad: float
    elevation_difference_rad: float
    roll_difference_rad: float
    expected_rad: float
    chance: float

    @property
    def sentence(self) -> str:
        """Say it in one sentence, in degrees."""
        if math.isnan(self.angle_rad):
            return 'nobody has shown the tilt of the camera yet'
        said = {
            Agreement.UNDECIDED: 'people have not shown enough yet',
            Agreement.AGREES: 'people and the given gravity agree',
            Agreement.CONTRADICTS: 'people contradict the given gravity',
        }[self.agreement]
        angle, expected, elevation, roll = (
            math.degrees(value)
            for value in (
                self.angle_rad,
                self.expected_rad,
                self.elevation_difference_rad,
                self.roll_difference_rad,
            )
        )
        return (
            f'{said}: they differ by {angle:.1f} degrees (elevation {elevation:+.1f}, roll '
            f'{roll:+.1f}), where {expected:.1f} are expected'
        )


def check_gravity(
    fused: Elevation | None, given_up_cam: ArrayLike, given_variance: float
) -> GravityCheck:
    """Tell whether the up direction that people show and a given one agree.

    Both errors are taken to be Gaussian on the plane that touches the sphere of directions there;
    the squared distance over its variance is then exponential with mean 2 (chi squared with two
    degrees of freedom). Fused and given must not rest on each other.

    Args:
        fused: From `PeopleLifter`; None before the first person.
        given_up_cam: (3,) against gravity in the same optical frame, any length > 0. What an
            accelerometer at rest measures points that way.
        given_variance: rad^2, of its direction along each of the two axes of that plane.

    Raises:
        InputError: The given direction is not finite or has no length, or the variance is not
            a finite number > 0.
    """
    up = np.asarray(given_up_cam, np.float64)
    if up.shape != (3,) or not np.isfinite(up).all() or not np.linalg.norm(up) > 0:
        raise InputError(
            f'given_up_cam is {up.tolist()}; expected three finite numbers, not all 0'
        )
    if not (math.isfinite(given_variance) and given_variance > 0):
        raise InputError(f'given_variance is {given_variance}; expected a finite number > 0')
    if fused is None:
        return GravityCheck(Agreement.UNDECIDED, *(math.nan,) * 5)
    elevation = fused.elevation_rad - float(elevation_from_up_cam(up))
    roll = math.remainder(fused.roll_rad - float(roll_from_up_cam(up)), math.tau)
    angle = float(angle_between(fused.up_cam, up))
    expected = _deviation(fused, up / np.linalg.norm(up), given_variance)
    chance = math.exp(-((angle / expected) ** 2) / 2)
    decided = fused.converged and given_variance <= _LARGEST_GIVEN_SIGMA_RAD**2
    agreement = Agreement.AGREES if chance >= _LEAST_CHANCE else Agreement.CONTRADICTS
    return GravityCheck(
        agreement if decided else Agreement.UNDECIDED, angle, elevation, roll, expected, chance
    )


def _deviation(fused: Elevation, up: NDArray[np.float64], given_variance: float) -> float:
    """Return the standard deviation of the angle in the direction from fused to given."""
    level = math.cos(fused.elevation_rad)
    # Elevation moves up along a meridian of the optical axis, roll along a parallel to it.
    sin_roll, cos_roll = math.sin(fused.roll_rad), math.cos(fused.roll_rad)
    sin_elevation = math.sin(fused.elevation_rad)
    along = np.array([sin_elevation * sin_roll, sin_elevation * cos_roll, -level])
    sideways = np.array([-cos_roll, sin_roll, 0.0])
    parts = np.array([along @ up, sideways @ up])
    length = float(np.linalg.norm(parts))
    # Opposite or equal: every direction is as good, so the more certain one counts.
    share = parts**2 / length**2 if length > 1e-12 else np.array([0.5, 0.5])
    variances = np.array([fused.elevation_variance, fused.roll_variance * level**2])
    # Along a direction u the Mahalanobis distance is that of 1 / (u' S^-1 u).
    return float(1.0 / np.sqrt((share / (variances + given_variance)).sum()))
