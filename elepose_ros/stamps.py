# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Whether stamps and frames of the input make sense, told in one sentence with the cure each."""

import time
from dataclasses import dataclass

__all__ = ['StampWatch', 'clock_fault']

# Older than this is a recording on another clock, not a slow camera.
_RECORDED_S = 60.0
_LATE_S = 1.0
# tf2 and RViz wait for so long at most before they drop what lies ahead.
_AHEAD_S = 0.1
_LASTS_S = 30.0


@dataclass
class _Happened:
    """Something that happens now and then: how often lately, and the newest case."""

    number: int = 0
    last_s: float = float('-inf')
    what: str = ''

    def again(self, what: str) -> None:
        now_s = time.monotonic()
        self.number = self.number + 1 if now_s - self.last_s < _LASTS_S else 1
        self.last_s, self.what = now_s, what

    def lately(self) -> int:
        return self.number if time.monotonic() - self.last_s < _LASTS_S else 0


class StampWatch:
    """Looks at the header of each frame; what it finds is told when somebody asks."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._frame = ''
        self._age_s = 0.0
        self._back = _Happened()
        self._other_frame = _Happened()

    def observe(self, stamp_ns: int, now_ns: int, frame: str) -> float:
        """Take the stamp and frame of a frame; returns its age on the node's clock, s.

        Args:
            stamp_ns: Of the input.
            now_ns: The node's clock.
            frame: The frame_id.
        """
        if self._stamp_ns is not None:
            if stamp_ns < self._stamp_ns:
                self._back.again(f'{(self._stamp_ns - stamp_ns) / 1e9:.3f} s')
            if frame != self._frame:
                self._other_frame.again(f'{self._frame!r} to {frame!r}')
        self._stamp_ns, self._frame = stamp_ns, frame
        self._age_s = (now_ns - stamp_ns) / 1e9
        return self._age_s

    def faults(self, total_ms: float) -> dict[str, str]:
        """Return what is wrong, by a key.

        Args:
            total_ms: How long a frame takes in this node, median.
        """
        if self._stamp_ns is None:
            return {}
        found = {'stamp': self._stamp_fault(total_ms)}
        if number := self._back.lately():
            found['stamps back'] = (
                f'stamps went back {number} time(s), the last time by {self._back.what}: people '
                'and tilt start anew each time; a bag in a loop does that, and so do two '
                'publishers on one topic: stop one of them'
            )
        if number := self._other_frame.lately():
            found['frames'] = (
                f'frame_id changed {number} time(s), the last time from {self._other_frame.what}: '
                'one node serves one camera; give each camera its own topic and node'
            )
        if self._frame.startswith('/'):
            found['slash'] = (
                f'frame_id {self._frame!r} begins with a slash, which tf2 refuses: drop the slash '
                'in the driver of the camera'
            )
        return {key: sentence for key, sentence in found.items() if sentence}

    def _stamp_fault(self, total_ms: float) -> str:
        if self._stamp_ns == 0:
            return (
                'the stamp of the input is 0: let the driver of the camera set it to the time of '
                'the image, since tracks, smoothing and tf2 go by it'
            )
        if self._age_s > _RECORDED_S:
            return (
                f'stamps are {_span(self._age_s)} older than the clock of this node: for a bag '
                'set use_sim_time to true and play it with --clock; for a live camera '
                'synchronise the clocks (chrony)'
            )
        if self._age_s - total_ms / 1e3 > _LATE_S:
            return (
                f'frames are {self._age_s:.1f} s old when they are done, {total_ms / 1e3:.2f} s '
                'of that in this node: synchronise the clocks of camera and computer (chrony), or '
                'look for the delay in the driver or the detector'
            )
        if self._age_s < -_AHEAD_S:
            return (
                f'stamps are {_span(-self._age_s)} ahead of the clock of this node, so that tf2 '
                'and RViz drop what is sent: synchronise the clocks (chrony), or set '
                'use_sim_time where the stamps come from a simulation or a bag'
            )
        return ''


def clock_fault(uses_sim_time: bool, now_ns: int) -> str:
    """Return what to do about a clock that stands still; empty = nothing."""
    if uses_sim_time and now_ns == 0:
        return (
            'use_sim_time is true but nothing comes on /clock: play the bag with --clock, start '
            'the simulation, or set use_sim_time to false'
        )
    return ''


def _span(seconds: float) -> str:
    for name, length in (('days', 86400.0), ('h', 3600.0), ('min', 60.0)):
        if seconds >= 2 * length:
            return f'{seconds / length:.1f} {name}'
    return f'{seconds:.2f} s'
