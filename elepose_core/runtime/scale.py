# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""One scale per person out of stature, ground and depth, each by its covariance, over time."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.camera import Camera
from elepose_core.runtime.averaging import average, fading
from elepose_core.runtime.camera_and_people import SHARED, CameraAndPeople, Posterior
from elepose_core.runtime.depth import MeasuredScale
from elepose_core.runtime.ground import GroundScale
from elepose_core.runtime.people import Elevation, ScaleSource, Surroundings
from elepose_core.runtime.placement import STATURE_SPREAD
from elepose_core.runtime.shapes import Shapes

__all__ = ['ScaleFusion', 'Scales']

Array = NDArray[np.float64]

_PRIOR_VARIANCE = STATURE_SPREAD**2
# Frames of one second are too alike to be told of one by one, and what is wrong with a person's
# feet stays wrong: after so many seconds each further one counts less.
_LEARN_S = 1.0
# Somebody new teaches after half of it: who gets a new number in each frame teaches nothing, since
# the same person is no witness of their own.
_FIRST_S = 0.5
_SECONDS_THAT_COUNT = 2.0
# What changes at once, such as that the ground is known, moves people over so long.
_SLOW_S = 0.5
# The mount was moved when the ground contradicts the mean elevation by so many (squared).
_MOVED = 16.0
# Half or twice the height that was assumed, and a bit.
_LEAST, _MOST = 0.3, 4.0
_STUDENT = 4.0
_LEAST_TILT_VARIANCE, _LEAST_HEIGHT_SPREAD = 1e-8, 1e-4
# What contradicts again and again is right in the end.
_LEAST_BELIEF = 100.0
# With more people, those unseen for longest are forgotten: an upstream tracker that gives new ids
# in each frame would fill the memory.
_MOST_HIDDEN = 256

# No number of feet tells the tilt better than the mean elevation may know it: floors are not flat,
# a lifter errs the same way for everybody, and the mean elevation has seen the same feet.
_LEAST_TILT_RAD = math.radians(0.5)
_LEAST_VARIANCE = np.array([_LEAST_TILT_RAD**2, _LEAST_TILT_RAD**2, 0.0])

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
        self.set_memory(memory_s)
        self.reset()

    def set_memory(self, memory_s: float) -> None:
        """Let what was learned count 1 / e after so many seconds."""
        self._memory_s = memory_s

    def reset(self) -> None:
        """Forget everything."""
        self._row_of: dict[int, int] = {}
        self._tracks = np.zeros(0, _TRACK)
        self._state = CameraAndPeople()
        self._prior = np.zeros(SHARED), np.ones(SHARED)
        self._reference: tuple[float, float] | None = None
        self._starts = 0
        self._height_m = 0.0
        self._faded_s = -math.inf
        self._unmeasured_s: dict[int, float] = {}

    def unlearn(self) -> None:
        """Forget what was learned of people and the camera; nobody jumps by that."""
        self._state.clear()
        self._tracks['told'] = self._tracks['samples'] = 0
        self._tracks['prior'] = _PRIOR_VARIANCE
        self._tracks['sums'] = 0

    def forget(self, numbers: Sequence[int]) -> None:
        """Forget tracks that ended; what their feet told of the camera stays."""
        for number in numbers:
            self._unmeasured_s.pop(number, None)
        rows = [self._row_of[number] for number in numbers if number in self._row_of]
        if rows:
            self._drop(rows)

    def _drop(self, rows: Sequence[int]) -> None:
        gone = np.zeros(len(self._tracks), bool)
        gone[rows] = True
        self._state.drop(gone, self._tracks['prior'])
        self._tracks = self._tracks[~gone]
        left = [number for number, row in self._row_of.items() if not gone[row]]
        self._row_of = {number: row for row, number in enumerate(left)}

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
        ground = shapes.by_ground(*view)
        depth = shapes.by_depth(view[0], view[2])
        surroundings = view[2]
        is_told = surroundings.camera_height_m or surroundings.depth is not None
        now_s = stamp_ns * 1e-9
        if not numbers or not (is_told or self._row_of):
            self._unmeasured_s.update(dict.fromkeys(numbers, now_s))
            ones = np.ones(len(numbers))
            source = np.full(len(numbers), ScaleSource.STATURE, np.uint8)
            return Scales(ones, ones * STATURE_SPREAD, source)
        self._heed_changes(view[1], surroundings)
        rows = self._rows(numbers, now_s)
        told = self._turned(ground, view[1])
        known = self._posterior(view)
        shape_variance = shapes.variance()
        fused = _combined(known, rows, shape_variance, (told, depth))
        source = self._sources(fused, rows)
        self._learn(rows, now_s, (told, depth, shape_variance), known)
        shown, variance = self._slowed(fused, rows, now_s)
        return Scales(1 / shown, np.sqrt(variance) / shown, source)

    def _heed_changes(self, elevation: Elevation | None, surroundings: Surroundings) -> None:
        """Forget what no longer holds: of a camera that was moved, or at another height."""
        if elevation is not None and elevation.starts != self._starts:
            self._starts, self._reference = elevation.starts, None
            # People are as tall as before.
            known = self._state.posterior(self._prior, self._tracks['prior'], _LEAST_VARIANCE)
            self._state.keep_people(known, self._tracks['prior'])
            self._tracks['sums'] = 0
        height_m = surroundings.camera_height_m
        if height_m and abs(height_m - self._height_m) > surroundings.camera_height_deviation_m:
            # Statures rest on the height: if the one before was wrong, so are they.
            if self._height_m:
                self.unlearn()
            self._height_m = height_m

    def _rows(self, numbers: Sequence[int], now_s: float) -> NDArray[np.intp]:
        """Return the row of each track, after making those that are new."""
        crowd = len(self._tracks) - max(_MOST_HIDDEN, len(numbers))
        if crowd > 0:
            last_s = self._tracks['seen_s'].copy()
            last_s[[self._row_of[number] for number in numbers if number in self._row_of]] = now_s
            oldest = np.argsort(last_s, kind='stable')[:crowd]
            self._drop(oldest[last_s[oldest] < now_s].tolist())
        new = [number for number in numbers if number not in self._row_of]
        if new:
            fresh = np.zeros(len(new), _TRACK)
            # Who was shown before, as tall as everybody, does not jump; others come as they are.
            fresh['seen_s'] = [self._unmeasured_s.pop(number, -math.inf) for number in new]
            fresh['learned_s'] = now_s - (_LEARN_S - _FIRST_S)
            fresh['prior'] = _PRIOR_VARIANCE
            self._row_of |= dict(zip(new, range(len(self._tracks), 10**9), strict=False))
            self._tracks = np.concatenate([self._tracks, fresh])
            self._state.append(len(new))
        elapsed_s = now_s - self._faded_s
        if elapsed_s >= _LEARN_S:
            # Only time with people counts: nothing is learned of a camera before an empty room.
            kept = math.exp(-min(elapsed_s, 2 * _LEARN_S) / self._memory_s)
            self._state.fade(kept)
            self._tracks['told'] *= kept
            self._tracks['samples'] *= kept
            self._faded_s = now_s
        return np.array([self._row_of[number] for number in numbers], np.intp)

    def _turned(self, ground: GroundScale | None, elevation: Elevation | None) -> GroundScale:
        """Return the ground's measurements with the camera's turn told from the reference."""
        if ground is None or elevation is None:
            nothing = np.zeros((0, SHARED))
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

    def _posterior(self, view: tuple[Camera, Elevation | None, Surroundings]) -> Posterior:
        """Return what is known, priors included."""
        _, elevation, surroundings = view
        mean, weights = np.zeros(SHARED), np.ones(SHARED)
        if elevation is not None:
            mean[:2] = self._turn(elevation)
            variances = np.array([elevation.elevation_variance, elevation.roll_variance])
            weights[:2] = 1 / np.maximum(variances, _LEAST_TILT_VARIANCE)
        if surroundings.camera_height_m:
            spread = surroundings.camera_height_deviation_m / surroundings.camera_height_m
            weights[2] = max(spread, _LEAST_HEIGHT_SPREAD) ** -2
        self._prior = mean, weights
        known = self._state.posterior(self._prior, self._tracks['prior'], _LEAST_VARIANCE)
        # The mean moves off its prior by no more than what the measurements take off its variance.
        left = np.diag(known.camera_covariance) - _LEAST_VARIANCE
        gained = np.maximum(1 / weights[:2] - left[:2], 1e-8)
        if ((known.camera - mean)[:2] ** 2 > _MOVED * gained).any():
            self.unlearn()
            return self._state.posterior(self._prior, self._tracks['prior'], _LEAST_VARIANCE)
        return known

    def _learn(
        self,
        rows: NDArray[np.intp],
        now_s: float,
        measured: tuple[GroundScale, MeasuredScale | None, Array],
        known: Posterior,
    ) -> None:
        """Take measurements in, each track once a second with the mean of what was seen."""
        ground, depth, shape_variance = measured
        sums = self._tracks['sums']
        if len(ground.inverse):
            variance = ground.variance + shape_variance
            _add(sums[:, _GROUND], rows, ground.inverse, ground.gradient, variance)
        if depth is not None:
            still = np.zeros((len(rows), SHARED))
            # What does not clearly agree teaches nothing.
            variance = np.where(depth.is_clear, depth.variance + shape_variance, np.inf)
            _add(sums[:, _DEPTH], rows, depth.inverse, still, variance)
        due = rows[now_s - self._tracks['learned_s'][rows] >= _LEARN_S]
        due = due[(sums[due, :, 0] > 0).any(1)]
        for kind in (_GROUND, _DEPTH):
            taken = due[sums[due, kind, 0] > 0]
            self._take(taken, kind, sums[taken, kind] / sums[taken, kind, :1], known)
        self._tracks['learned_s'][due] = now_s
        sums[due] = 0

    def _take(self, rows: NDArray[np.intp], kind: int, samples: Array, known: Posterior) -> None:
        """Take in a sample (R, 6) of each of R tracks."""
        self._tracks['samples'][rows, kind] += 1
        repeated = self._tracks['samples'][rows, kind] / _SECONDS_THAT_COUNT
        value, gradient = samples[:, 1] - 1, samples[:, 2:5]
        variance = samples[:, 5] * np.maximum(1.0, repeated)
        mean = known.mean[rows]
        miss = value - (mean - gradient @ known.camera)
        expected = known.variance[rows] + variance
        expected += ((gradient @ known.camera_covariance - 2 * known.cross[rows]) * gradient).sum(
            1
        )
        faded = fading(miss**2 / expected)
        is_high = (miss < 0) & (kind == _GROUND)  # feet that are higher than they should be
        # Whoever is known does not shrink; somebody new may be a child.
        is_new = known.variance[rows] > _PRIOR_VARIANCE / 2
        others = np.where(is_new, 1.0, np.minimum(faded, _LEAST_BELIEF))
        variance *= np.where(is_high, faded, others)
        self._state.add(rows, gradient, value, variance)
        self._tracks['told'][rows, kind] += 1 / variance
        # Statures have a long tail: children.
        excess = np.maximum(mean, 0.0) ** 2 / _PRIOR_VARIANCE
        self._tracks['prior'][rows] = _PRIOR_VARIANCE * np.maximum(
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


def _combined(
    known: Posterior,
    rows: NDArray[np.intp],
    shape_variance: Array,
    measured: tuple[GroundScale, MeasuredScale | None],
) -> _Fused:
    """Average the scales by learned stature, ground and depth of one frame."""
    ground, depth = measured
    inverse, learned = 1 + known.mean[rows], known.variance[rows]
    variance, nothing = learned + shape_variance, np.zeros(len(rows))
    ground_share = depth_share = nothing
    if len(ground.inverse):
        gradient = ground.gradient
        by_ground = ((gradient @ known.camera_covariance) * gradient).sum(1) + ground.variance
        inverse, variance, ground_share = average(
            (inverse, variance),
            (ground.inverse + gradient @ known.camera, by_ground),
            (known.cross[rows] * gradient).sum(1),
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
    used = np.isfinite(variance + value)
    columns = [np.ones((len(value), 1)), value[:, None], gradient, variance[:, None]]
    # Rows come once each.
    sums[rows[used]] += np.concatenate(columns, axis=1)[used]
