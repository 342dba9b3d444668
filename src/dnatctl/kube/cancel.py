"""Breaking off, from another thread, a request that waits for its answer.

The connections of `dnatctl.transport` tell the request's `Canceller` of their socket.
"""

from __future__ import annotations

import contextlib
import socket
import threading


class Canceller:
    """Given along with requests, one at a time; `cancel` ends the one in flight and all later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Break off now. The request raises KubeError (CANCELLED). May be called repeatedly.

        A connection that is only being made is not broken off; its own timeout is short.
        """
        with self._lock:
            self._cancelled = True
            self._shut()

    def interrupt(self) -> None:
        """End the request in flight, if any; later ones are not affected."""
        with self._lock:
            self._shut()

    def attach(self, sock: socket.socket) -> None:
        """Remember the socket of the request in flight; shut it if that is cancelled already."""
        with self._lock:
            self._socket = sock
            if self._cancelled:
                self._shut()

    def detach(self) -> None:
        """Forget the socket: its request has ended, another may use it."""
        with self._lock:
            self._socket = None

    def _shut(self) -> None:
        if self._socket is not None:
            # Not SSLSocket.shutdown: that takes the TLS state away under the reading thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
