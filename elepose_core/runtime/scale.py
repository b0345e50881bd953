# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One scale per person out of stature, ground and depth, each by its covariance, over time."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.averaging import average, fading
from elepose_core.runtime.depth import MeasuredScale, scale_by_depth
from elepose_core.runtime.ground import GroundScale, scale_by_ground
from elepose_core.runtime.people import Elevation, ScaleSource, Surroundings
from elepose_core.runtime.placement import STATURE_SPREAD

__all__ = ['ScaleFusion', 'Scales', 'Shapes']

Array = NDArray[np.float64]

_PRIOR_VARIANCE = STATURE_SPREAD**2
# A lifted person seems a little taller or shorter than they are, the more so the less certain the
# joints are: relative deviation, and per mean sigma of the joints over the stature (on val).
_SHAPE_SPREAD, _SHAPE_SHARE = 0.012, 0.8
# Elevation, roll, relative error of the height.
_SHARED = 3
# Frames of one second are too alike to be told of one by one, and what is wrong with a person's
# feet stays wrong: after so many seconds each further one counts less.
_LEARN_S = 1.0
_SECONDS_THAT_COUNT = 2.0
# What changes at once, such as that the ground is known, moves people over so long.
_SLOW_S = 0.5
# The mount was moved when the ground contradicts the mean elevation by so many (squared).
_MOVED = 16.0
# Half or twice the height that was assumed, and a bit.
_LEAST, _MOST = 0.3, 4.0
_STUDENT = 4.0
_LEAST_TILT_VARIANCE = 1e-8
# What contradicts again and again is right in the end.
_LEAST_BELIEF = 100.0

_TRACK = np.dtype(
    [
        ('shown', np.float64),  # logarithm of the inverse scale that came out last
        ('seen_s', np.float64),
        ('learned_s', np.float64),
        ('prior', np.float64),  # variance of the stature before anything was measured
        ('told', np.float64, 2),  # information by ground and by depth
        ('samples', np.float64, 2),  # their number
        ('sums', np.float64, (2, 6)),  # by ground, by depth: count, value, gradient, variance
    ]
)
_GROUND, _DEPTH = 0, 1


class Shapes(NamedTuple):
    """N people whom the lifter knows up to one scale, scaled to the assumed stature.

    Attributes:
        joints_m: (N, 17, 3) float64, camera frame.
        sigma_m: (N, 17) radii of error.
        seen: (N, 17) joints that are not a guess.
        keypoints_px: (N, 17, 2) where they were seen, NaN = not seen.
        stature_m: What they are scaled to.
    """

    joints_m: Array
    sigma_m: Array
    seen: NDArray[np.bool_]
    keypoints_px: NDArray[np.float32]
    stature_m: float


class Scales(NamedTuple):
    """What to multiply the shapes of N people with.

    Attributes:
        factor: (N,).
        spread: (N,) relative standard deviation of the factor, and so of the distance.
        source: (N,) uint8 of `ScaleSource`: what decides.
    """

    factor: Array
    spread: Array
    source: NDArray[np.uint8]


class ScaleFusion:
    """Learns people's statures from ground and depth, and the camera's tilt from their feet.

    State is a normal distribution of what does not change: the camera's elevation and roll, the
    relative error of its height, and the inverse stature of each person over the assumed one. The
    ground ties them together: the feet of a person far away tell the elevation much better than
    the lifter does, those of somebody near tell the stature. Priors are the mean elevation, the
    stated height and the scatter of statures; they are kept apart from what was measured
    (information form), so that the mean elevation counts once however often it is told.

    In each frame the scale by the learned stature, by the ground under the feet and by depth are
    averaged by covariance, in inverse scale, where the errors of all are normal. What deviates
    fades out: feet that are higher than they should be stand on something, while a person who is
    nearer than the stature says is small.
    """

    def __init__(self, memory_s: float) -> None:
        """Start without anybody.

        Args:
            memory_s: After so many seconds what was learned counts 1 / e.
        """
        self._memory_s = memory_s
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._numbers: list[int] = []
        self._tracks = np.zeros(0, _TRACK)
        self._information = np.zeros((_SHARED, _SHARED))
        self._vector = np.zeros(_SHARED)
        self._reference: tuple[float, float] | None = None
        self._faded_s = -math.inf

    def unlearn(self) -> None:
        """Forget what was learned of people and the camera; nobody jumps by that."""
        self._information = np.zeros_like(self._information)
        self._vector = np.zeros_like(self._vector)
        self._tracks['told'] = self._tracks['samples'] = 0
        self._tracks['prior'] = _PRIOR_VARIANCE
        self._tracks['sums'] = 0

    def forget(self, numbers: Sequence[int]) -> None:
        """Forget tracks that ended; what their feet told of the camera stays."""
        for number in numbers:
            if number not in self._numbers:
                continue
            row = self._numbers.index(number)
            place = _SHARED + row
            to_others = np.delete(self._information[place], place)
            own = self._information[place, place] + 1 / self._tracks['prior'][row]
            rest = np.delete(np.delete(self._information, place, 0), place, 1)
            self._information = rest - np.outer(to_others, to_others) / own
            self._vector = np.delete(self._vector, place) - to_others * self._vector[place] / own
            self._numbers.pop(row)
            self._tracks = np.delete(self._tracks, row)

    def fuse(
        self,
        numbers: Sequence[int],
        shapes: Shapes,
        stamp_ns: int,
        view: tuple[Camera, Elevation | None, Surroundings],
    ) -> Scales:
        """Return the scales of the people of one frame.

        Args:
            numbers: (N,) track of each.
            shapes: They.
            stamp_ns: Time of the frame, not before that of the last one.
            view: The camera, its mean elevation so far, and what is known beside.
        """
        ground = _by_ground(shapes, *view)
        depth = _by_depth(shapes, view[0], view[2])
        surroundings = view[2]
        is_told = surroundings.camera_height_m or surroundings.depth is not None
        if not numbers or not (is_told or self._numbers):
            ones = np.ones(len(numbers))
            source = np.full(len(numbers), ScaleSource.STATURE, np.uint8)
            return Scales(ones, ones * STATURE_SPREAD, source)
        now_s = stamp_ns * 1e-9
        rows = self._rows(numbers, now_s)
        told = self._turned(ground, view[1])
        mean, covariance = self._posterior(view)
        shape_variance = _shape_variance(shapes)
        fused = _combined((mean, covariance), rows, shape_variance, (told, depth))
        source = self._sources(fused, rows)
        self._learn(rows, now_s, (told, depth, shape_variance), (mean, covariance))
        shown, variance = self._slowed(fused, rows, now_s)
        return Scales(1 / shown, np.sqrt(variance) / shown, source)

    def _rows(self, numbers: Sequence[int], now_s: float) -> NDArray[np.intp]:
        """Return the row of each track, after making those that are new."""
        new = [number for number in numbers if number not in self._numbers]
        if new:
            self._numbers += new
            fresh = np.zeros(len(new), _TRACK)
            fresh['seen_s'] = fresh['learned_s'] = -math.inf
            fresh['prior'] = _PRIOR_VARIANCE
            self._tracks = np.concatenate([self._tracks, fresh])
            self._information = np.pad(self._information, (0, len(new)))
            self._vector = np.pad(self._vector, (0, len(new)))
        elapsed_s = now_s - self._faded_s
        if elapsed_s >= _LEARN_S:
            # Only time with people counts: nothing is learned of a camera before an empty room.
            kept = math.exp(-min(elapsed_s, 2 * _LEARN_S) / self._memory_s)
            self._information = self._information * kept
            self._vector = self._vector * kept
            self._tracks['told'] *= kept
            self._tracks['samples'] *= kept
            self._faded_s = now_s
        return np.array([self._numbers.index(number) for number in numbers], np.intp)

    def _turned(self, ground: GroundScale | None, elevation: Elevation | None) -> GroundScale:
        """Return the ground's measurements with the camera's turn told from the reference."""
        if ground is None or elevation is None:
            nothing = np.zeros((0, _SHARED))
            return GroundScale(nothing[:, 0], nothing, nothing[:, 0])
        turn = ground.gradient[:, :2] @ self._turn(elevation)
        return ground._replace(inverse=ground.inverse - turn)

    def _turn(self, elevation: Elevation) -> Array:
        """Return elevation and roll from the first ones that were told."""
        now = elevation.elevation_rad, elevation.roll_rad
        if self._reference is None:
            self._reference = now
        first = self._reference
        return np.array([now[0] - first[0], math.remainder(now[1] - first[1], math.tau)])

    def _posterior(
        self, view: tuple[Camera, Elevation | None, Surroundings]
    ) -> tuple[Array, Array]:
        """Return mean and covariance of the state, priors included."""
        _, elevation, surroundings = view
        prior = np.zeros(len(self._vector))
        weights = np.ones(len(prior))
        weights[_SHARED:] = 1 / self._tracks['prior']
        if elevation is not None:
            prior[:2] = self._turn(elevation)
            variances = np.array([elevation.elevation_variance, elevation.roll_variance])
            weights[:2] = 1 / np.maximum(variances, _LEAST_TILT_VARIANCE)
        if surroundings.camera_height_m:
            height, deviation = (
                surroundings.camera_height_m,
                surroundings.camera_height_deviation_m,
            )
            weights[2] = (height / deviation) ** 2
        covariance: Any = np.linalg.inv(self._information + np.diag(weights))
        mean: Any = covariance @ (self._vector + weights * prior)
        # The mean moves off its prior by no more than what the measurements take off its variance.
        gained = np.maximum(1 / weights[:2] - np.diag(covariance)[:2], 1e-8)
        if ((mean - prior)[:2] ** 2 > _MOVED * gained).any():
            self.unlearn()
            return prior, np.diag(1 / weights)
        return mean, covariance

    def _learn(
        self,
        rows: NDArray[np.intp],
        now_s: float,
        measured: tuple[GroundScale, MeasuredScale | None, Array],
        posterior: tuple[Array, Array],
    ) -> None:
        """Take measurements in, each track once a second with the mean of what was seen."""
        ground, depth, shape_variance = measured
        sums = self._tracks['sums']
        if len(ground.inverse):
            variance = ground.variance + shape_variance
            _add(sums[:, _GROUND], rows, ground.inverse, ground.gradient, variance)
        if depth is not None:
            still = np.zeros((len(rows), _SHARED))
            # What does not clearly agree teaches nothing.
            variance = np.where(depth.is_clear, depth.variance + shape_variance, np.inf)
            _add(sums[:, _DEPTH], rows, depth.inverse, still, variance)
        due = rows[now_s - self._tracks['learned_s'][rows] >= _LEARN_S]
        for row in due[(sums[due, :, 0] > 0).any(1)]:
            self._tracks['learned_s'][row] = now_s
            for kind in (_GROUND, _DEPTH):
                count = sums[row, kind, 0]
                if count:
                    self._take(row, kind, sums[row, kind] / count, posterior)
            sums[row] = 0

    def _take(self, row: int, kind: int, sample: Array, posterior: tuple[Array, Array]) -> None:
        mean, covariance = posterior
        direction = np.zeros(len(mean))
        direction[:_SHARED] = -sample[2:5]
        direction[_SHARED + row] = 1.0
        self._tracks['samples'][row, kind] += 1
        samples = self._tracks['samples'][row, kind]
        value, variance = sample[1] - 1, sample[5] * max(1.0, samples / _SECONDS_THAT_COUNT)
        miss = value - direction @ mean
        expected = direction @ covariance @ direction + variance
        is_new = covariance[_SHARED + row, _SHARED + row] > _PRIOR_VARIANCE / 2
        if kind == _GROUND and miss < 0:  # feet that are higher than they should be
            variance *= fading(miss**2 / expected)
        elif not is_new:  # whoever is known does not shrink; somebody new may be a child
            variance *= min(fading(miss**2 / expected), _LEAST_BELIEF)
        self._information += np.outer(direction, direction) / variance
        self._vector += direction * value / variance
        self._tracks['told'][row, kind] += 1 / variance
        # Statures have a long tail: children.
        excess = max(mean[_SHARED + row], 0.0) ** 2 / _PRIOR_VARIANCE
        self._tracks['prior'][row] = _PRIOR_VARIANCE * max(
            1.0, (_STUDENT + excess) / (_STUDENT + 1)
        )

    def _sources(self, fused: '_Fused', rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        ground, depth = self._tracks['told'][rows].T
        measured = np.where(depth > ground, ScaleSource.DEPTH, ScaleSource.GROUND)
        is_known = fused.learned_variance < _PRIOR_VARIANCE / 2
        source = np.where(is_known, measured, ScaleSource.STATURE)
        source = np.where(fused.ground_share > 0.5, ScaleSource.GROUND, source)
        return np.where(fused.depth_share > 0.5, ScaleSource.DEPTH, source).astype(np.uint8)

    def _slowed(
        self, fused: '_Fused', rows: NDArray[np.intp], now_s: float
    ) -> tuple[Array, Array]:
        """Return inverse scales that do not jump, and their variances."""
        wanted = np.log(np.clip(fused.inverse, _LEAST, _MOST))
        elapsed_s = now_s - self._tracks['seen_s'][rows]
        shown = self._tracks['shown'][rows]
        shown = shown + (1 - np.exp(-elapsed_s / _SLOW_S)) * (wanted - shown)
        self._tracks['shown'][rows] = shown
        self._tracks['seen_s'][rows] = now_s
        inverse = np.exp(shown)
        return inverse, fused.variance + (inverse - fused.inverse) ** 2


class _Fused(NamedTuple):
    inverse: Array
    variance: Array
    learned_variance: Array
    ground_share: Array
    depth_share: Array


def _by_ground(
    shapes: Shapes, camera: Camera, elevation: Elevation | None, surroundings: Surroundings
) -> GroundScale | None:
    if elevation is None or not elevation.converged or not surroundings.camera_height_m:
        return None
    focal_px = math.sqrt(camera.matrix[0, 0] * camera.matrix[1, 1])
    height_m = surroundings.camera_height_m
    return scale_by_ground(
        shapes.joints_m,
        shapes.sigma_m,
        shapes.seen,
        shapes.stature_m,
        (elevation.elevation_rad, elevation.roll_rad, height_m, focal_px),
    )


def _by_depth(shapes: Shapes, camera: Camera, surroundings: Surroundings) -> MeasuredScale | None:
    if surroundings.depth is None:
        return None
    return scale_by_depth(
        shapes.joints_m,
        shapes.sigma_m,
        shapes.keypoints_px,
        surroundings.depth,
        (camera.width, camera.height),
    )


def _shape_variance(shapes: Shapes) -> Array:
    share = shapes.sigma_m.mean(1) / shapes.stature_m
    return np.asarray(_SHAPE_SPREAD**2 + (_SHAPE_SHARE * share) ** 2)


def _combined(
    posterior: tuple[Array, Array],
    rows: NDArray[np.intp],
    shape_variance: Array,
    measured: tuple[GroundScale, MeasuredScale | None],
) -> _Fused:
    """Average the scales by learned stature, ground and depth of one frame."""
    (mean, covariance), (ground, depth) = posterior, measured
    places = _SHARED + rows
    inverse = 1 + mean[places]
    learned = covariance[places, places]
    variance, nothing = learned + shape_variance, np.zeros(len(rows))
    ground_share = depth_share = nothing
    if len(ground.inverse):
        shared = ground.gradient @ covariance[:_SHARED]
        by_ground = (shared[:, :_SHARED] * ground.gradient).sum(1) + ground.variance
        inverse, variance, ground_share = average(
            (inverse, variance),
            (ground.inverse + ground.gradient @ mean[:_SHARED], by_ground),
            shared[np.arange(len(rows)), places],
            nothing > 0,
        )
    if depth is not None:
        inverse, variance, depth_share = average(
            (inverse, variance),
            (depth.inverse, depth.variance),
            nothing,
            depth.is_clear & (learned > _PRIOR_VARIANCE / 2),
        )
        ground_share = ground_share * (1 - depth_share)
    return _Fused(inverse, variance, learned, ground_share, depth_share)


def _add(
    sums: Array, rows: NDArray[np.intp], value: Array, gradient: Array, variance: Array
) -> None:
    """Add what was measured to sums (T, 6) of the tracks."""
    used = np.isfinite(variance)
    columns = [np.ones((len(value), 1)), value[:, None], gradient, variance[:, None]]
    # Rows come once each.
    sums[rows[used]] += np.concatenate(columns, axis=1)[used]
