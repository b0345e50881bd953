# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Sentences to the user: each trouble is said once in a while, not once per frame."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ['Reporter']

_MOST_TROUBLES = 32
_MOST_KEYS = 1000


class Logger(Protocol):
    """The part of a ROS logger that is used."""

    def info(self, message: str) -> object:
        """Log a fact."""

    def warning(self, message: str) -> object:
        """Log a trouble that the node works around."""

    def error(self, message: str) -> object:
        """Log a trouble that costs output."""


class Reporter:
    """Logs and remembers the last trouble for the diagnostics.

    rclpy throttles by the line of code that calls it, which would make one trouble silence all
    others that come through here; this class throttles by what the trouble is.
    """

    def __init__(
        self, logger: Logger, clock: Callable[[], float] = time.monotonic, every_s: float = 10.0
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._every_s = every_s
        self._said_s: dict[str, float] = {}
        # When, whether it is an error, and its text; by key, the newest last.
        self._troubles: dict[str, tuple[float, bool, str]] = {}
        self._lock = threading.Lock()

    def info(self, text: str) -> None:
        """Say a fact."""
        self._logger.info(text)

    def warn(self, key: str, text: str, *, once: bool = False) -> None:
        """Say a trouble that the node works around, unless `key` was said a moment ago."""
        if self._may_say(key, text, is_error=False, once=once):
            self._logger.warning(text)

    def error(self, key: str, text: str) -> None:
        """Say a trouble that costs output, unless `key` was said a moment ago."""
        if self._may_say(key, text, is_error=True):
            self._logger.error(text)

    def over(self, key: str) -> None:
        """Forget a trouble that has ended; should it come back, it is said at once."""
        with self._lock:
            self._troubles.pop(key, None)
            self._said_s.pop(key, None)

    def worst_trouble(self, within_s: float = 30.0) -> tuple[bool, str] | None:
        """Return the newest error of late, else the newest warning; None when all are older.

        Returns:
            Whether it is an error, and its text.
        """
        recent = self._recent(within_s)
        worst = [trouble for trouble in recent.values() if trouble[0]] or [*recent.values()]
        return worst[-1] if worst else None

    def recent_troubles(self, within_s: float = 30.0) -> dict[str, str]:
        """Return the text of each trouble that came up lately by its key, the newest last."""
        return {key: text for key, (_, text) in self._recent(within_s).items()}

    def last_trouble(self) -> tuple[float, str] | None:
        """Return the age in seconds and the text of the newest trouble; None = there was none."""
        with self._lock:
            if not self._troubles:
                return None
            at_s, _, text = self._troubles[next(reversed(self._troubles))]
            return self._clock() - at_s, text

    def _recent(self, within_s: float) -> dict[str, tuple[bool, str]]:
        with self._lock:
            since_s = self._clock() - within_s
            return {
                key: (is_error, text)
                for key, (at_s, is_error, text) in self._troubles.items()
                if at_s >= since_s
            }

    def _may_say(self, key: str, text: str, *, is_error: bool, once: bool = False) -> bool:
        now_s = self._clock()
        with self._lock:
            self._troubles.pop(key, None)
            self._troubles[key] = (now_s, is_error, text)
            if len(self._troubles) > _MOST_TROUBLES:
                del self._troubles[next(iter(self._troubles))]
            before_s = self._said_s.get(key)
            if before_s is not None and (once or now_s - before_s < self._every_s):
                return False
            # Names of people and frames are in some keys, and they come from outside.
            self._said_s.pop(key, None)
            self._said_s[key] = now_s
            if len(self._said_s) > _MOST_KEYS:
                del self._said_s[next(iter(self._said_s))]
            return True
