"""HTTP exchanges that end: within a time, and within a size. For both edges, on urllib3.

The timeouts of urllib3 and requests bound the silence between two bytes, so that a server that
sends one byte now and then holds a thread for ever; and nothing bounds what an answer takes in
memory, least of all what it grows to when it is decompressed. The connection classes here count
time and bytes where they come off the socket, status line and headers included.

urllib3 hands a connection out only together with the answer's headers, so that a thread waiting
for those could not be woken up either: they tell of their socket before they send anything, and
ask for leave right before a request is sent.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    ProtocolError,
    ReadTimeoutError,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 1 << 16


_BUFFER = 1 << 16
"""Bytes asked of the socket at once: a burst of events comes in few reads."""


BROKEN = (HTTPError, http.client.HTTPException, OSError, ValueError, OverflowError)
"""What reading an answer raises where it breaks off or makes no sense: urllib3; what is under it,
where that is read itself; and what http.client makes of chunks of odd lengths."""


class TooLargeError(HTTPError):
    """An answer of more bytes than its reader takes."""


class Exchange:
    """The bounds of one request and its answer, and who is told of it.

    `seconds`: for all of it, connecting included. `most`: bytes taken off the wire, None for an
    answer that has no end (its reader has to bound what it keeps). `on_socket` is told of the
    socket before anything is sent; `leave` is called right before the request is, when its
    connection has been made, and what it raises is raised by the request, which is not sent then.
    """

    def __init__(
        self,
        seconds: float,
        most: int | None,
        *,
        on_socket: Callable[[socket.socket], None] | None = None,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self._most = most
        self._taken = 0
        self._until = 0.0
        self.on_socket = on_socket
        self.leave = leave
        self.answer: http.client.HTTPResponse | None = None
        """What urllib3 reads the answer from: the latest, where a proxy answered before."""
        self.extend(seconds)

    def extend(self, seconds: float) -> None:
        """Let it last for so long from now on."""
        # Of the machine, not of an injected clock: it is compared with the waits of real sockets.
        self._until = time.monotonic() + seconds

    def bound(self, most: int) -> None:
        """Take no more than so many bytes from here on."""
        self._most = self._taken + most

    def left(self) -> float:
        """Seconds left. Raises TimeoutError if there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long in all")
        return left

    def took(self, count: int) -> None:
        """Count bytes that came off the wire. Raises TooLargeError."""
        self._taken += count
        if self._most is not None and self._taken > self._most:
            raise TooLargeError(f"the answer has more than {self._most} bytes")

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Apply to the requests that this thread begins in here, on pools that are `bounded`."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def bounded(pools: PoolManager) -> PoolManager:
    """Have the connections of a pool manager keep to the active `Exchange`."""
    pools.pool_classes_by_scheme = {"http": _Connections, "https": _TLSConnections}
    return pools


class Hosts:
    """The pools of a pool manager by host, each looked for but once: its own `urlopen` does so for
    every request, which is a tenth of the CPU that one takes. `pools` are `bounded` by it.

    A balancer or NAT on the way that forgets connections forgets them all, and says nothing: where
    one got no answer in time the idle ones are closed too, or each would cost another request its
    timeout.
    """

    def __init__(self, pools: PoolManager) -> None:
        self._pools = bounded(pools)
        self._held: dict[str, HTTPConnectionPool] = {}

    def urlopen(self, method: str, host: str, target: str, **more: Any) -> urllib3.BaseHTTPResponse:
        """As a pool manager's. `host`: scheme, host and port; `target`: the rest of the URL, which
        begins with a slash. Redirects are not followed. Raises urllib3's HTTPError.
        """
        try:
            return self._urlopen(method, host, target, **more)
        except ClosedPoolError:  # by another thread, since it was looked for: nothing was sent
            return self._urlopen(method, host, target, **more)
        except ReadTimeoutError:
            self.clear()
            raise

    def _urlopen(
        self, method: str, host: str, target: str, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        if self._pools.proxy is not None:  # it may want the whole URL, and headers besides
            return self._pools.urlopen(method, host + target, redirect=False, **more)
        held = self._held.get(host)
        if held is None or held.pool is None:  # closed: only so many hosts are kept
            held = self._held[host] = self._pools.connection_from_url(host)
        return held.urlopen(method, target, redirect=False, assert_same_host=False, **more)

    def clear(self) -> None:
        """Close the connections that are kept, and idle; requests under way go on.

        Those as well that others share who have the same pool manager: they look for new pools.
        """
        held, self._held = self._held, {}
        self._pools.clear()
        for pool in held.values():
            pool.close()


def read(response: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """The whole body, decompressed. Raises TooLargeError, or another HTTPError if it broke."""
    body = bytearray()
    whole = False
    try:
        for chunk in response.stream(_CHUNK):
            body += chunk
            if len(body) > most:
                raise TooLargeError(f"the answer has more than {most} bytes")
        whole = True
    except HTTPError:
        raise
    except BROKEN as error:
        raise ProtocolError(f"the answer makes no sense: {error}") from error
    finally:
        if not whole:
            response.close()  # what is left of it must not be taken for the next answer
        response.release_conn()
    return bytes(body)


class _TimedReader(io.RawIOBase):
    """A socket's file whose every read waits no longer than its exchange may last."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
        self._raw = raw
        self._sock = sock
        self._exchange = exchange
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        left = self._exchange.left()
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        count: int | None = self._raw.readinto(buffer)
        self._exchange.took(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        exchange = _current.get()
        if exchange is not None:
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, exchange), _BUFFER)
            exchange.answer = self


def _announce(connection: HTTPConnection) -> None:
    exchange = _current.get()
    if exchange is not None and exchange.on_socket and isinstance(connection.sock, socket.socket):
        exchange.on_socket(connection.sock)


def _ask_leave(connection: HTTPConnection) -> None:
    if connection.sock is None:  # plain HTTP connects as late as it sends
        connection.connect()
    exchange = _current.get()
    if exchange is None:
        return
    try:
        exchange.left()
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"not sent: {error}") from error
    if exchange.leave is not None:
        exchange.leave()


class _Connection(HTTPConnection):
    response_class = _Response

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"  # urllib3 begins its messages with it

    def connect(self) -> None:
        super().connect()
        _announce(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _announce(self)
        _ask_leave(self)
        super().request(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    """Connects as `HTTPSConnection`, which comes before `HTTPConnection` among its ancestors."""


class _Connections(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSConnections(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
