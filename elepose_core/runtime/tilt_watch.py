# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Two witnesses of a camera that was moved: all people turn at once, or new samples contradict."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elepose_core.runtime.tilt_solver import TiltPrior, TiltSamples, solve_tilt, tangent_axes

__all__ = ['Jump', 'JumpWatch', 'tilt_change']

Array = NDArray[np.float64]

# Frames this far apart are compared; with a longer gap people may have done anything.
_STEP_NS, _LONGEST_STEP_NS = 90_000_000, 350_000_000
_USUAL_STEP_S = 0.1
_LEAST_JOINTS = 6
# Of the steps before, the last counts half.
_PACE_SHARE = 0.5
_LEAST_PACED = 2
# How much a person's turn from one step to the next differs from the one before: across the
# vertical and along it in units of the person's angular size, and about the line of sight.
_UP_DOWN_SPREAD, _SIDEWAYS_SPREAD = 0.08, 0.3
_LEANING_SPREAD_RAD = math.radians(2.5)
_FREEDOM = 4.0
_LARGEST_JUMP_RAD = math.radians(10.0)
# Unless half of the people turn by more, nothing is weighed: that is almost always so, and cheap.
_NOTICED_RAD = math.radians(2.0)
# What people's posture adds to the error that the lifter's estimates share, and to their feet.
_POSTURE_UP_RAD = (math.radians(2.0), math.radians(2.0))
_POSTURE_FEET = 1.2


class Jump(NamedTuple):
    """How much everybody turned about a horizontal axis between two frames.

    Attributes:
        angle_rad: Of the turn that all people share, beyond how they moved before.
        significance: Its Mahalanobis distance from none.
        people: Who were compared.
    """

    angle_rad: float
    significance: float
    people: int


class JumpWatch:
    """Compares where people are seen with where they were, at most about ten times a second.

    A turn of the camera turns everybody's joints alike, however far away they are. Turns about the
    vertical are left out: people who walk by do the same, and they do not tilt the camera.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._stamp_ns: int | None = None
        self._tracks = np.zeros(0, np.int64)
        self._directions = np.zeros((0, 17, 3))
        self._pace = np.zeros((0, 3))
        self._paced = np.zeros(0, np.int64)

    def look(
        self, tracks: NDArray[np.int64], directions: Array, up_cam: Array, stamp_ns: int
    ) -> Jump | None:
        """Take in a frame.

        Args:
            tracks: (N,) whole numbers.
            directions: (N, 17, 3) unit vectors to the joints; NaN = not seen.
            up_cam: (3,) as far as it is known.
            stamp_ns: Time of the frame.

        Returns:
            The turn since the frame before; None where there is nobody to compare or hardly
            anybody turned.
        """
        step_ns = math.inf if self._stamp_ns is None else stamp_ns - self._stamp_ns
        if step_ns < _STEP_NS:
            return None
        pace, paced = np.zeros((len(tracks), 3)), np.zeros(len(tracks), np.int64)
        jump = None
        now, before = self._common(tracks)
        if step_ns <= _LONGEST_STEP_NS and len(now):
            step_s = step_ns * 1e-9
            turns, good = _turns(self._directions[before], directions[now])
            new = turns / step_s
            old, known = self._pace[before], self._paced[before]
            share = np.where(known > 0, _PACE_SHARE, 1.0)[:, None]
            pace[now] = np.where(good[:, None], old + share * (new - old), old)
            paced[now] = known + good
            usable = good & (known >= _LEAST_PACED)
            surprise = (turns - old * step_s)[usable]
            if len(surprise) and np.median(np.sqrt((surprise**2).sum(1))) > _NOTICED_RAD:
                jump = _common_turn(surprise, directions[now[usable]], up_cam, step_s)
        self._stamp_ns, self._tracks, self._directions = stamp_ns, tracks, directions
        self._pace, self._paced = pace, paced
        return jump

    def _common(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows of people who were there before, now and then."""
        same = tracks[:, None] == self._tracks
        now, before = np.nonzero(same)
        return now, before


def _turns(before: Array, now: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the small rotations (N, 3) that best bring directions to others, and who has one."""
    both = np.isfinite(before[..., 0] + now[..., 0])
    good = both.sum(1) >= _LEAST_JOINTS
    a = np.where(both[..., None], before, 0.0)
    b = np.where(both[..., None], now, 0.0)
    outer = np.einsum('nji,njk->nik', a, a)
    normal = np.trace(outer, axis1=1, axis2=2)[:, None, None] * np.eye(3) - outer
    normal[~good] = np.eye(3)
    after, behind = [1, 2, 0], [2, 0, 1]
    moment = (a[..., after] * b[..., behind] - a[..., behind] * b[..., after]).sum(1)
    turns = np.linalg.solve(normal + 1e-9 * np.eye(3), moment[..., None])[..., 0]
    return turns, good


def _common_turn(surprise: Array, directions: Array, up_cam: Array, step_s: float) -> Jump:
    """Weigh the turns (N, 3) of people by how well each is known; outliers count little."""
    seen = np.isfinite(directions[..., :1])
    count = seen.sum(1)
    centre = np.where(seen, directions, 0.0).sum(1) / count
    size = np.sqrt(
        (np.where(seen, directions - centre[:, None], 0.0) ** 2).sum((1, 2)) / count[:, 0]
    )
    sight = centre / np.linalg.norm(centre, axis=1, keepdims=True)
    across = np.cross(sight, up_cam)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-3)
    axes = np.stack([across, sight, np.cross(across, sight)], axis=1)
    spread = np.stack(
        [
            _UP_DOWN_SPREAD * size,
            np.full(len(size), _LEANING_SPREAD_RAD),
            _SIDEWAYS_SPREAD * size,
        ],
        axis=1,
    )
    # What somebody does with one acceleration grows with the square of the time.
    spread *= max(step_s / _USUAL_STEP_S, 1.0) ** 2
    white = axes / spread[..., None]
    found = np.einsum('nij,nj->ni', white, surprise)
    weight = np.ones(len(surprise))
    for _ in range(4):
        information = np.einsum('n,nij,nik->jk', weight, white, white)
        information += np.eye(3) / _LARGEST_JUMP_RAD**2
        turn = np.linalg.solve(information, np.einsum('n,nij,ni->j', weight, white, found))
        left = found - white @ turn
        weight = (_FREEDOM + 3.0) / (_FREEDOM + (left**2).sum(1))
    horizontal = tangent_axes(up_cam)
    tilt = horizontal @ turn
    covariance = horizontal @ np.linalg.inv(information) @ horizontal.T
    significance = math.sqrt(float(tilt @ np.linalg.solve(covariance, tilt)))
    return Jump(float(np.linalg.norm(tilt)), significance, len(surprise))


def tilt_change(
    samples: TiltSamples, recent: NDArray[np.bool_], sigma_rad: tuple[float, float], up_cam: Array
) -> tuple[float, float]:
    """Return by how much recent samples want another up than older ones, and how surely.

    Args:
        samples: All.
        recent: (S,) which are recent; some are and some are not.
        sigma_rad: Error that all estimates of the lifter share; see `TiltPrior`.
        up_cam: (3,) up of all, to start from.

    Returns:
        The angle, rad, and its Mahalanobis distance from none.
    """
    tracks, row = np.unique(samples.track, return_inverse=True)
    old = ~recent
    before = solve_tilt(samples.subset(old), row[old], len(tracks), TiltPrior(sigma_rad), up_cam)
    known = TiltPrior(
        _POSTURE_UP_RAD,
        (float(before.shared_rad[0]), float(before.shared_rad[1])),
        before.heights,
        before.heights_variance + _POSTURE_FEET**2,
    )
    after = solve_tilt(samples.subset(recent), row[recent], len(tracks), known, before.up_cam)
    change = tangent_axes(before.up_cam) @ (after.up_cam - before.up_cam)
    covariance = before.scatter + after.covariance
    distance = math.sqrt(float(change @ np.linalg.solve(covariance, change)))
    return float(np.linalg.norm(change)), distance
