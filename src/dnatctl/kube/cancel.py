"""Breaking off, from another thread, a request that waits for its answer.

urllib3 hands a connection out only together with the answer's headers, so that a thread waiting
for those could not be woken up. The connection classes here tell the request's `Canceller` of
their socket before they send anything, and let it have the last word before a request is sent.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


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

    @contextlib.contextmanager
    def watching(self, leave: Callable[[], None] | None = None) -> Iterator[None]:
        """Learn of the sockets that this thread's requests use from here on.

        `leave` is called right before each is sent, when its connection has been made; what it
        raises is raised by the request, which is not sent then.
        """
        token = _current.set((self, leave))
        try:
            yield
        finally:
            _current.reset(token)

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


_Watch = tuple[Canceller | None, Callable[[], None] | None]
_current: ContextVar[_Watch] = ContextVar("canceller and leave to send", default=(None, None))


def _announce(connection: HTTPConnection) -> None:
    canceller, _ = _current.get()
    if canceller is not None and isinstance(connection.sock, socket.socket):
        canceller.attach(connection.sock)


def _ask_leave(connection: HTTPConnection) -> None:
    if connection.sock is None:  # plain HTTP connects as late as it sends
        connection.connect()
    _, leave = _current.get()
    if leave is not None:
        leave()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _announce(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _announce(self)
        _ask_leave(self)
        super().request(*args, **kwargs)


class _TLSConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _announce(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _announce(self)
        _ask_leave(self)
        super().request(*args, **kwargs)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def make_cancellable(pools: PoolManager) -> None:
    """Let the connections of a pool manager announce their sockets."""
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
