# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""How long each stage of the way from message to message takes, and how many pass."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

__all__ = ['MUCH_DROPPED', 'WAITED', 'Percentiles', 'StageStatistics']

# About ten seconds of a 30 Hz camera: old enough to be steady, young enough to show a change.
_WINDOW = 300
# Fewer lost frames than one in twenty disturb nobody.
MUCH_DROPPED = 0.05
# Frames that got lost behind one that waits for the camera: lifting is not too slow then.
WAITED = 'without a camera'
# The diagnostics ask for the rates once a second.
_HISTORY = 30


@dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile of a stage in milliseconds, over `count` passes."""

    p50_ms: float
    p95_ms: float
    count: int


class StageStatistics:
    """Latest durations of each stage and counters of events; safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._durations_s: dict[str, deque[float]] = {}
        self._counts: Counter[str] = Counter()
        self._hold = ''
        self._rates_from: tuple[float, Counter[str]] = (time.monotonic(), Counter())
        # What had been counted at each of the last calls of `rates_hz`.
        self._history: deque[Counter[str]] = deque([Counter()], maxlen=_HISTORY)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time the block as one pass of a stage; a block that raises is not counted."""
        start_s = time.perf_counter()
        yield
        self.record(stage, time.perf_counter() - start_s)

    def record(self, stage: str, duration_s: float) -> None:
        """Add one pass of a stage."""
        with self._lock:
            self._durations_s.setdefault(stage, deque(maxlen=_WINDOW)).append(duration_s)

    def count(self, event: str, number: int = 1) -> None:
        """Count an event, such as a frame that came in."""
        with self._lock:
            self._counts[event] += number

    def hold(self, reason: str) -> None:
        """Say what frames wait for, which is not for earlier frames; '' = for nothing."""
        with self._lock:
            self._hold = reason

    def drop(self, number: int = 1) -> None:
        """Count frames that got lost in a queue; those that waited for something also apart."""
        with self._lock:
            self._counts['dropped'] += number
            if self._hold:
                self._counts[f'dropped {self._hold}'] += number

    def counts(self) -> dict[str, int]:
        """Return how often each event has happened so far."""
        with self._lock:
            return dict(self._counts)

    def rates_hz(self) -> dict[str, float]:
        """Return events per second since the last call of this method."""
        with self._lock:
            now_s, counts = time.monotonic(), Counter(self._counts)
            then_s, before = self._rates_from
            self._rates_from = (now_s, counts)
            self._history.append(counts)
        elapsed_s = max(now_s - then_s, 1e-6)
        return {event: (counts[event] - before[event]) / elapsed_s for event in counts}

    def recent_counts(self) -> dict[str, int]:
        """Return how often each event happened within the last 30 calls of `rates_hz`."""
        with self._lock:
            before = self._history[0]
            return {event: number - before[event] for event, number in self._counts.items()}

    def percentiles(self) -> dict[str, Percentiles]:
        """Return the figures of each stage, in the order in which the stages first ran."""
        with self._lock:
            snapshot = {stage: list(values) for stage, values in self._durations_s.items()}
        return {stage: _percentiles(values) for stage, values in snapshot.items()}


def _percentiles(durations_s: list[float]) -> Percentiles:
    p50, p95 = np.percentile(np.asarray(durations_s) * 1e3, [50, 95])
    return Percentiles(float(p50), float(p95), len(durations_s))
