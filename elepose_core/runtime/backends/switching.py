# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Serve from the first frame while a faster backend gets ready, then change over."""

import threading
from collections.abc import Callable, Sequence

from elepose_core.runtime.backends.interface import Backend, Device, Feeds, Float32

__all__ = ['SwitchingBackend']


class SwitchingBackend:
    """Computes with one backend until another is ready, from then on with that.

    The change happens between two calls of `run`. When the second does not open, or breaks later,
    the first goes on and `trouble` says why: every call is answered.
    """

    def __init__(self, first: Backend, open_second: Callable[[], Backend], awaited: str) -> None:
        """Begin to open the second in a thread of its own.

        Args:
            first: Ready to run.
            open_second: May take minutes; whatever it raises is told, not raised.
            awaited: What the second will be, for the description.
        """
        self._first = first
        self._current = first
        self._awaited = awaited
        self._trouble = ''
        # A daemon: a node that is told to end does not wait for an engine.
        self._thread = threading.Thread(
            target=self._open, args=(open_second,), name='second backend', daemon=True
        )
        self._thread.start()

    @property
    def name(self) -> Device:
        """Return the device that computes now."""
        return self._current.name

    @property
    def description(self) -> str:
        """Return what computes now, and what is awaited."""
        waiting = f'; {self._awaited} is getting ready' if self._thread.is_alive() else ''
        return f'{self._current.description}{waiting}'

    @property
    def trouble(self) -> str:
        """Return why the second is not used, or what troubles it."""
        return self._trouble or self._current.trouble

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the second backend; True when it is no longer awaited, ready or not."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run(self, feeds: Feeds, wanted: Sequence[str] | None = None) -> list[Float32]:
        """Return the outputs of the backend that is current when the call begins."""
        backend = self._current
        if backend is self._first:
            return backend.run(feeds, wanted)
        try:
            return backend.run(feeds, wanted)
        except Exception as error:  # a GPU that is lost must not take the robot's eyes with it
            self._trouble = f'{backend.name} broke and {self._first.name} goes on: {error}'
            self._current = self._first
            return self._first.run(feeds, wanted)

    def _open(self, open_second: Callable[[], Backend]) -> None:
        try:
            self._current = open_second()
        except Exception as error:  # likewise
            self._trouble = f'{self._awaited} is not used and {self._first.name} goes on: {error}'
