# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's tilt from all people so far, with an honest variance, and whether it was moved."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elepose_core.geometry.elevation import elevation_from_up_cam, roll_from_up_cam
from elepose_core.runtime.people import Elevation
from elepose_core.runtime.placement import skeleton_stature
from elepose_core.runtime.predictor import Lifted
from elepose_core.runtime.tilt_solver import (
    TiltPrior,
    TiltSamples,
    TiltSolution,
    solve_tilt,
)
from elepose_core.runtime.tilt_watch import Jump, JumpWatch, tilt_change
from elepose_core.skeleton import H36M_17

__all__ = ['CameraTilt']

Array = NDArray[np.float64]

_SECOND_NS = 1_000_000_000
# Neighbouring frames show the same person in almost the same posture: one a second is enough, and
# of a crowd fewer are. They are looked at a few in each frame, so that none takes long.
_SAMPLES_PER_SECOND, _SAMPLES_PER_FRAME = 8, 4
# An id that is new in each frame makes nobody another person: of N people so many times N samples
# a second are taken, whatever they are called, after a few in advance. Those who leave the picture
# and come back may have theirs at once.
_MOST_PER_PERSON, _SAMPLES_IN_ADVANCE = 1.25, 8.0
_CAPACITY = 512
_SOLVE_NS = _SECOND_NS
# Roll is easier to see than elevation: on val the error that estimates share is about half.
_ROLL_SHARE = 0.5
# Floors, lenses and statures are never quite what the equations take them to be.
_LEAST_SIGMA_RAD = math.radians(0.5)
_CONVERGED_SIGMA_RAD = math.radians(6.0)
_CONVERGED_SAMPLES = 5
# A camera that looks straight down has no roll: its variance is then huge, not infinite.
_LEAST_LEVEL = 1e-3
_ANKLES = [H36M_17.index('right_ankle'), H36M_17.index('left_ankle')]

# Samples of the last so many seconds are compared with those before, in turn.
_RECENT_S = (3, 6, 12)
_LEAST_RECENT, _LEAST_OLDER = 2, 5
# How surely and by how much they differ before the camera counts as moved; less surely will do
# soon after a jump that would not do by itself.
_CHANGE_DISTANCE, _CHANGE_AFTER_JUMP, _LEAST_CHANGE_RAD = 3.0, 2.1, math.radians(2.0)
_LEAST_JUMP_RAD = math.radians(2.5)
_CLEAR_JUMP = {1: 10.0, 2: 9.0}
_JUMP_OF_MANY, _SUSPECTED_JUMP = 7.0, 6.0
_SUSPICION_NS = 6 * _SECOND_NS
# After a change that was found by samples these are kept; the status says DISTURBED for so long.
_KEPT_NS = 2 * _SECOND_NS
_DISTURBED_NS = 3 * _SECOND_NS
# Who was not seen for so long is somebody new.
_FORGOTTEN_NS = 60 * _SECOND_NS


class CameraTilt:
    """Fuses what people show of the camera's tilt: see `tilt_solver` for what and how.

    The variance adds what the model is not exact in. What was seen fades while people are there,
    since nothing is learned of a camera before an empty room. A camera that was moved is found by
    `tilt_watch`; then everything from before is forgotten and the estimate starts anew by itself.

    Only what was lifted without being told of up may enter, so that nothing proves itself.
    """

    def __init__(self, model_error_rad: float, memory_s: float = math.inf) -> None:
        """Start empty.

        Args:
            model_error_rad: Error of the model's elevation after averaging over a clip, as
                measured on data with truth.
            memory_s: After so many seconds with people a sample counts 1 / e.
        """
        sigma_rad = max(model_error_rad, _LEAST_SIGMA_RAD)
        self._sigma_rad = (sigma_rad, _ROLL_SHARE * sigma_rad)
        self._memory_s = memory_s
        self._watch = JumpWatch()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._watch.forget()
        self._samples = _Ring()
        self._last_sample_ns: dict[int, int] = {}
        self._allowed = _SAMPLES_IN_ADVANCE
        self._stamp_ns: int | None = None
        self._clock_s = 0.0
        self._solved_ns: int | None = None
        self._solves = 0
        self._solution: TiltSolution | None = None
        self._used = 0
        self._disturbed_until_ns: int | None = None
        self._suspected_ns: int | None = None
        self._starts = 0

    def look(
        self, tracks: list[int], rays: Array, seen: NDArray[np.bool_], stamp_ns: int
    ) -> NDArray[np.int64]:
        """Look at a frame before it is lifted.

        Args:
            tracks: N numbers that stay with people.
            rays: (N, 17, 2) x/z, y/z.
            seen: (N, 17).
            stamp_ns: Time of the frame, not before that of the last one.

        Returns:
            Rows of the people whom `add` wants to see lifted without being told of up.
        """
        if self._stamp_ns is not None and len(tracks):
            step_s = min((stamp_ns - self._stamp_ns) * 1e-9, 1.0)
            self._clock_s += step_s
            earned = step_s * _MOST_PER_PERSON * min(len(tracks), _SAMPLES_PER_SECOND)
            self._allowed = min(self._allowed + earned, _SAMPLES_IN_ADVANCE)
        self._stamp_ns = stamp_ns
        numbers = np.array(tracks, np.int64)
        if self._solution is not None:
            directions = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
            directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
            directions[~seen] = np.nan
            jump = self._watch.look(numbers, directions, self._solution.up_cam, stamp_ns)
            if jump is not None and jump.angle_rad > _LEAST_JUMP_RAD:
                self._judge(jump, stamp_ns)
        return self._due(tracks, stamp_ns)

    def add(
        self, tracks: list[int], due: NDArray[np.int64], lifted: Lifted, seen: NDArray[np.bool_]
    ) -> None:
        """Take in the people of whom `look` wanted samples.

        Args:
            tracks: As in `look`.
            due: What `look` returned, D rows.
            lifted: Those D people, lifted without being told of up.
            seen: (N, 17) as in `look`.
        """
        stamp_ns = self._stamp_ns
        if stamp_ns is None or not len(due):
            return
        stature = skeleton_stature(lifted.joints_cam)
        feet = lifted.joints_cam[:, _ANKLES].astype(np.float64)
        feet /= np.maximum(stature, 1e-9)[:, None, None]
        up = lifted.up_cam.astype(np.float64)
        lower = -np.einsum('dfc,dc->df', feet, up)
        foot = feet[np.arange(len(due)), lower.argmax(1)]
        numbers = np.array(tracks, np.int64)[due]
        self._samples.add(
            up,
            lifted.up_variance[:, 0].astype(np.float64),
            foot,
            np.asarray(seen[due][:, _ANKLES].all(1), np.float64),
            numbers,
            np.full(len(due), self._clock_s),
            np.full(len(due), stamp_ns),
        )
        if self._solved_ns is None or stamp_ns - self._solved_ns >= _SOLVE_NS:
            self._solve(stamp_ns)
            self._compare(stamp_ns)

    def estimate(self) -> Elevation | None:
        """Return what is known so far, None before the first sample."""
        found = self._solution
        if found is None:
            return None
        variance = np.diag(found.covariance) + _LEAST_SIGMA_RAD**2
        level = max(math.hypot(found.up_cam[0], found.up_cam[1]), _LEAST_LEVEL)
        elevation_variance, roll_variance = float(variance[0]), float(variance[1]) / level**2
        disturbed = self._disturbed_until_ns is not None
        return Elevation(
            elevation_rad=float(elevation_from_up_cam(found.up_cam)),
            roll_rad=float(roll_from_up_cam(found.up_cam)),
            elevation_variance=elevation_variance,
            roll_variance=roll_variance,
            up_cam=found.up_cam,
            samples=self._used,
            # Up is known as well where the camera looks down and roll means little.
            converged=(
                not disturbed
                and self._used >= _CONVERGED_SAMPLES
                and float(variance.max()) < _CONVERGED_SIGMA_RAD**2
            ),
            disturbed=disturbed,
            starts=self._starts,
        )

    def _due(self, tracks: list[int], stamp_ns: int) -> NDArray[np.int64]:
        """Return the rows of those who have waited longest for their next sample."""
        if self._disturbed_until_ns is not None and stamp_ns >= self._disturbed_until_ns:
            self._disturbed_until_ns = None
        period_ns = max(1.0, len(tracks) / _SAMPLES_PER_SECOND) * _SECOND_NS
        long_ago = stamp_ns - _FORGOTTEN_NS
        last_ns = np.array([self._last_sample_ns.get(track, long_ago) for track in tracks])
        waiting = np.flatnonzero(stamp_ns - last_ns >= period_ns)
        order = np.argsort(last_ns[waiting], kind='stable')
        # Steps of time do not quite sum up to whole seconds.
        count = min(_SAMPLES_PER_FRAME, int(self._allowed + 1e-6))
        due = np.sort(waiting[order[:count]])
        self._allowed -= len(due)
        self._last_sample_ns.update((tracks[row], stamp_ns) for row in due.tolist())
        return due

    def _judge(self, jump: Jump, stamp_ns: int) -> None:
        """Start anew if a jump is beyond doubt; remember it if it may have been one."""
        if jump.significance > _CLEAR_JUMP.get(jump.people, _JUMP_OF_MANY):
            self._start_anew(stamp_ns, stamp_ns)
        elif jump.significance > _SUSPECTED_JUMP:
            self._suspected_ns = stamp_ns

    def _solve(self, stamp_ns: int) -> None:
        samples, _ = self._samples.view(self._clock_s, self._memory_s)
        tracks, row = np.unique(samples.track, return_inverse=True)
        start = None if self._solution is None else self._solution.up_cam
        prior = TiltPrior(self._sigma_rad)
        found = solve_tilt(samples, row, len(tracks), prior, start)
        self._solved_ns = stamp_ns
        self._solves += 1
        # It is fed back, and would be the start of the next one: nothing spoilt may stay.
        if np.isfinite(found.up_cam).all() and np.isfinite(found.covariance).all():
            self._solution, self._used = found, len(samples.weight)
        long_ago = stamp_ns - _FORGOTTEN_NS
        self._last_sample_ns = {
            track: at for track, at in self._last_sample_ns.items() if at > long_ago
        }

    def _compare(self, stamp_ns: int) -> None:
        """Start anew if the samples of the last seconds contradict those before."""
        samples, stamps_ns = self._samples.view(self._clock_s, self._memory_s)
        window_s = _RECENT_S[self._solves % len(_RECENT_S)]
        suspected_ns = self._suspected_ns
        if suspected_ns is not None and stamp_ns - suspected_ns > _SUSPICION_NS:
            self._suspected_ns = suspected_ns = None
        since_ns = stamp_ns - window_s * _SECOND_NS if suspected_ns is None else suspected_ns
        recent = stamps_ns >= since_ns
        fresh = int(recent.sum())
        if self._solution is None or fresh < _LEAST_RECENT or len(recent) - fresh < _LEAST_OLDER:
            return
        angle_rad, distance = tilt_change(samples, recent, self._sigma_rad, self._solution.up_cam)
        enough = _CHANGE_DISTANCE if suspected_ns is None else _CHANGE_AFTER_JUMP
        if distance > enough and angle_rad > _LEAST_CHANGE_RAD:
            kept_ns = stamp_ns - _KEPT_NS if suspected_ns is None else suspected_ns
            self._start_anew(kept_ns, stamp_ns)
            self._solve(stamp_ns)

    def _start_anew(self, since_ns: int, stamp_ns: int) -> None:
        """Forget all samples from before."""
        self._samples.keep_since(since_ns)
        self._last_sample_ns.clear()
        self._allowed = _SAMPLES_IN_ADVANCE
        self._solution = None
        self._solved_ns = self._suspected_ns = None
        self._watch.forget()
        self._disturbed_until_ns = stamp_ns + _DISTURBED_NS
        self._starts += 1


class _Ring:
    """The last `_CAPACITY` samples."""

    def __init__(self) -> None:
        self._next = self._count = 0
        self._up, self._foot = np.zeros((_CAPACITY, 3)), np.zeros((_CAPACITY, 3))
        self._variance, self._seen = np.zeros(_CAPACITY), np.zeros(_CAPACITY)
        self._clock_s = np.zeros(_CAPACITY)
        self._track = np.zeros(_CAPACITY, np.int64)
        self._stamp_ns = np.zeros(_CAPACITY, np.int64)

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (
            self._up,
            self._variance,
            self._foot,
            self._seen,
            self._track,
            self._clock_s,
            self._stamp_ns,
        )

    def add(self, *new: NDArray[Any]) -> None:
        """Append rows of the columns; they overwrite the oldest."""
        count = len(new[0])
        rows = (self._next + np.arange(count)) % _CAPACITY
        for column, values in zip(self._columns(), new, strict=True):
            column[rows] = values
        self._next = (self._next + count) % _CAPACITY
        self._count = min(self._count + count, _CAPACITY)

    def keep_since(self, stamp_ns: int) -> None:
        """Drop what is older."""
        kept = np.flatnonzero(self._stamp_ns[: self._count] >= stamp_ns)
        for column in self._columns():
            column[: len(kept)] = column[kept]
        self._count = len(kept)
        self._next = self._count % _CAPACITY

    def view(self, clock_s: float, memory_s: float) -> tuple[TiltSamples, NDArray[np.int64]]:
        """Return the samples, weighted by age on the clock of people, and their stamps."""
        up, variance, foot, seen, track, clocks, stamps = (
            column[: self._count] for column in self._columns()
        )
        weight = np.exp((clocks - clock_s) / memory_s)
        return TiltSamples(up, variance, foot, seen, track, weight), stamps
