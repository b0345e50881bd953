# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""A worker thread behind a short queue in which the newest item wins."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ['NewestItems', 'Worker']

Item = TypeVar('Item')


class NewestItems(Generic[Item]):
    """A queue that forgets its oldest item when it is full; one item deep it is a slot.

    A robot acts on what is now: a frame that waited behind another is worth less than the next.
    """

    def __init__(self, depth: int = 1) -> None:
        self._items: deque[Item] = deque()
        self._depth = depth
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Add an item; True when one is lost: the oldest, or this one in a closed queue."""
        with self._changed:
            if self._closed:
                return True
            is_full = len(self._items) == self._depth
            if is_full:
                self._items.popleft()
            self._items.append(item)
            self._changed.notify()
            return is_full

    def take(self) -> Item | None:
        """Wait for the oldest item that is left; None once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            return None if self._closed else self._items.popleft()

    def close(self) -> int:
        """Let `take` return None from now on; returns how many items are lost by that."""
        with self._changed:
            self._closed = True
            lost = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return lost


class Worker(Generic[Item]):
    """Handles items in a thread of its own until it is closed."""

    def __init__(self, handle: Callable[[Item], None], depth: int = 1, name: str = '') -> None:
        self._handle = handle
        self._queue: NewestItems[Item] = NewestItems(depth)
        self._thread = threading.Thread(target=self._run, name=name or None, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Hand an item over and return at once; True when an older one is lost by that."""
        return self._queue.put(item)

    def close(self) -> int:
        """Finish the item at hand and end the thread; returns how many items are lost."""
        lost = self._queue.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        return lost

    def _run(self) -> None:
        while (item := self._queue.take()) is not None:
            self._handle(item)
