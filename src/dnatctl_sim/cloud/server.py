"""The emulated cloud behind a socket: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import datetime
from typing import cast

from dnatctl_sim.cloud.admin import Admin
from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.wire import Answer, BadRequestError, Cut, Life, Reply, Request, take_request
from dnatctl_sim.endings import end_listening, end_tasks

Handler = Callable[[Request], Life]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


_ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
_DRIP_S = 1.0


class Connection(asyncio.Protocol):
    """One client's connection: answers its requests in order, one at a time."""

    def __init__(
        self, handle: Handler, open_connections: set[Connection], now: Callable[[], datetime]
    ) -> None:
        self._handle = handle
        self._now = now
        self._open = open_connections
        self._buffer = bytearray()
        self._served = 0
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol. (asyncio sets TCP_NODELAY.)"""
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """A call under way goes on: the cloud does not know that its client has left."""
        self._transport = None
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        self._next()

    def end(self) -> None:
        """Close the connection now."""
        if self._transport:
            self._transport.abort()

    def _next(self) -> None:
        if self._busy:
            return
        try:
            request = take_request(self._buffer, reused=self._served > 0)
        except BadRequestError as error:
            self._buffer.clear()
            self._write(Reply(400, str(error).encode(), "text/plain"), keep_alive=False)
            return
        if request:
            self._busy = True
            self._served += 1
            self._advance(self._handle(request), request)

    def _advance(self, life: Life, request: Request) -> None:
        try:
            pause = next(life)
        except StopIteration as stop:
            self._finish(stop.value, request)
        except Exception:
            self.end()  # a bug: the client must not wait for an answer that never comes
            raise
        else:
            asyncio.get_running_loop().call_later(pause, self._advance, life, request)

    def _finish(self, answer: Answer, request: Request) -> None:
        self._busy = False
        if isinstance(answer, Cut):
            self._cut(answer)
            return
        self._write(answer, keep_alive=request.keep_alive)
        if self._buffer:
            self._next()

    def _write(self, reply: Reply, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        self._transport.write(reply.render(keep_alive=keep_alive, now=self._now()))
        if not keep_alive:
            self._transport.close()

    def _cut(self, cut: Cut) -> None:
        if self._transport is None:
            return
        if cut.how == "drip":
            self._transport.write(_ENDLESS)
            self._drip()
            return
        if cut.how == "reset":
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _drip(self) -> None:
        if self._transport is not None:
            self._transport.write(b" ")
            asyncio.get_running_loop().call_later(_DRIP_S, self._drip)


class CloudServer:
    """Serves a cloud over HTTP on a loopback port, admin API included; a context manager.

    With `tls`, over HTTPS: the credentials library speaks to STS in no other way.
    """

    def __init__(
        self,
        cloud: Cloud,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.cloud = cloud
        self._admin = Admin(cloud)
        self._host = host
        self._port = port
        self._tls = tls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connections: set[Connection] = set()

    @property
    def address(self) -> str:
        """`host:port`, what the SDKs take as endpoint; the port is known once started."""
        return f"{self._host}:{self._port}"

    @property
    def endpoint(self) -> str:
        """The URL."""
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def start(self) -> CloudServer:
        """Listen and serve until `stop`; raises OSError if the port cannot be had."""
        loop = asyncio.new_event_loop()
        try:
            listening = loop.run_until_complete(self._listen(loop))
        except OSError:
            loop.close()
            raise
        self._loop = loop
        self._port = listening.sockets[0].getsockname()[1]
        self._thread = threading.Thread(
            target=self._run, args=(loop, listening), name="cloud-server", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and end; calls under way are abandoned."""
        if self._loop and self._thread:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop = self._thread = None

    def __enter__(self) -> CloudServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        return await loop.create_server(
            lambda: Connection(self._handle, self._connections, self._now),
            self._host,
            self._port,
            ssl=self._tls,
            backlog=512,
        )

    def _handle(self, request: Request) -> Life:
        if request.path.startswith(Admin.PREFIX):
            return self._admin.serve(request)
        return self.cloud.serve(request)

    def _now(self) -> datetime:
        return self.cloud.clock.now()

    def _run(self, loop: asyncio.AbstractEventLoop, listening: asyncio.Server) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._end(listening))
            loop.close()

    async def _end(self, listening: asyncio.Server) -> None:
        await end_listening(listening, self._cut)
        await end_tasks()  # handshakes that nobody goes on with

    def _cut(self) -> None:
        for connection in tuple(self._connections):
            connection.end()
