# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM as a call from a thread, so that a node ends in good order."""

import signal
import socket
import threading
from collections.abc import Callable

__all__ = ['Signals']


class Signals:
    """Calls a function, from a thread of its own, when SIGINT or SIGTERM has come.

    rclpy's own handlers shut the context down under the callbacks that still publish, and Python's
    raises KeyboardInterrupt wherever the main thread is. Here a signal only ends the spinning, so
    that the node can remove its markers and leave in good order; a second signal changes nothing.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        # The byte arrives even while the main thread waits inside the middleware.
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def then(self, call: Callable[[], object]) -> None:
        """Call once, as soon as a signal comes or has come."""

        def wait() -> None:
            self._reader.recv(1)
            call()

        threading.Thread(target=wait, name='signals', daemon=True).start()
