"""A small HTTP server for two kinds of askers, probes and scrapers, that strangers cannot hurt.

One thread; so much time, so many bytes and so many connections, whoever asks. Where more than
`CONNECTIONS` are open the oldest gives way that has not asked yet, or has been answered: who asks
and goes, as probes do, is served beside any number of those who only hold a connection. Who has
asked stays in line: if all have, the newcomer is the one too many, or none would ever get its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from functools import partial
from http import HTTPStatus

import structlog

from dnatctl.heartbeat import Heartbeats

log = structlog.get_logger(__name__)

PATIENCE_S = 5.0
"""From the connection to the last byte of the answer."""
CONNECTIONS = 32
HEAD_BYTES = 16 << 10
"""Request line and headers."""
PACE_S = 0.001
"""Between two answers at least: whoever asks without end does not get the whole CPU."""
LOOK_S = 10.0
"""How often the server gives a sign of life where nobody asks."""

TEXT = "text/plain; charset=utf-8"

Answer = tuple[int, str, bytes]
"""Status, content type and body."""


class ListenError(OSError):
    """An address that cannot be listened on."""


def parse_address(text: str) -> tuple[str, int] | None:
    """Host ("" for all) and port of `host:port`, `[host]:port` or `:port`; None for `0` (off).

    Raises ValueError for anything else.
    """
    if text == "0":
        return None
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise ValueError(f"{text!r} is no address")
    if (":" in bare) != (bare != host) or set(bare) & set("[]/ "):
        raise ValueError(f"{text!r} is no address")
    return bare, int(port)


@contextlib.contextmanager
def told_with(flag: str) -> Iterator[None]:
    """Who cannot listen is told which flag takes another address."""
    try:
        yield
    except ListenError as error:
        raise ListenError(f"{error}; {flag} takes another") from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        # The library puts the address into some of its texts; names that nobody knows are below 0.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror
        raise ListenError(f"cannot listen on {shown}:{port}: {why}") from error


class HttpServer:
    """Answers GETs on a listening socket with what `answer(target, accept)` says.

    `accept`: the header of that name, "" if there is none. `headers`: sent with each answer.
    `hosts`: names, without a port, that may be asked for; all if empty. `admit`: given the header
    Authorization and the address of who asks, says OK or how to refuse; all are let in without it.
    `tls`: what to speak TLS with, asked for each connection; plain HTTP without it.
    """

    def __init__(
        self,
        sock: socket.socket,
        answer: Callable[[str, str], Answer],
        hearts: Heartbeats,
        *,
        headers: Mapping[str, str] | None = None,
        hosts: Collection[str] = (),
        admit: Callable[[str, str], HTTPStatus] | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self.dropped = 0
        """Connections that were closed before they were served."""
        self._sock = sock
        self._answer = answer
        self._headers = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        self._hosts = hosts
        self._admit = admit
        self._tls = tls
        self._open: dict[asyncio.Task[None], None] = {}
        self._in_line: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        """Those of them that have asked, and are not answered yet."""
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        """By the loop's clock, when the next answer may be made."""
        self._stopping = False
        self._end: Callable[[], object] | None = None
        """Ends the waiting of the server, from any thread."""
        port = sock.getsockname()[1]
        self._thread = hearts.thread(f"dnatctl-http-{port}", lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        """Start serving."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, if it was begun, and close the socket."""
        self._stopping = True
        if self._end is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._end()
        if self._thread.ident is not None:
            self._thread.join(2)
        self._sock.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._sock, limit=HEAD_BYTES)
        ended = asyncio.Event()
        self._end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        async with server:
            while not self._stopping:
                self._thread.by(LOOK_S, "serves")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), LOOK_S)
            for task in self._open:
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if not self._make_room():
            self.dropped += 1
            writer.transport.abort()
            return
        self._open[task] = None
        served = False
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._exchange(reader, writer)
            served = True
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            self.dropped += 1
        finally:
            self._open.pop(task, None)
            # One that has closed in good order cannot be aborted, if its answer was a long one.
            if not served:
                writer.transport.abort()

    def _make_room(self) -> bool:
        """For one more; whether there is."""
        if len(self._open) < CONNECTIONS:
            return True
        oldest = next((task for task in self._open if not self._waits(task)), None)
        if oldest is None:
            return False
        del self._open[oldest]
        oldest.cancel()
        return True

    def _waits(self, task: asyncio.Task[None]) -> bool:
        """Whether it is in line, and somebody is there to be answered."""
        transport = self._in_line.get(task)
        return transport is not None and not transport.is_closing()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._tls is not None:
            # Here and not by the listener: what bounds connections bounds handshakes too. Nothing
            # may be awaited before, or what the client says first is taken for its request.
            await writer.start_tls(self._tls())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        async with self._line(writer.transport):
            writer.write(self._whole(*self._reply(head, _peer(writer.transport))))
            writer.close()
        await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def _line(self, transport: asyncio.WriteTransport) -> AsyncIterator[None]:
        """Wait for the turn. The pause is before it: what is made is sent at once. Raises EOFError
        where nobody is there any more."""
        task, clock = asyncio.current_task(), asyncio.get_running_loop().time
        assert task is not None
        self._in_line[task] = transport
        try:
            async with self._turn:
                if not transport.is_closing():
                    await asyncio.sleep(self._next_at - clock())
                if transport.is_closing():
                    raise EOFError
                yield
                self._next_at = clock() + PACE_S
        finally:
            self._in_line.pop(task, None)

    def _whole(self, status: int, kind: str, body: bytes) -> bytes:
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n{self._headers}\r\n"
        )
        return head.encode() + body

    def _reply(self, head: str, peer: str) -> Answer:
        request, *lines = head.rstrip("\r\n").split("\r\n")
        method, _, rest = request.partition(" ")
        target, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1."):
            return HTTPStatus.BAD_REQUEST, TEXT, b"400 bad request\n"
        if method != "GET":
            return HTTPStatus.NOT_IMPLEMENTED, TEXT, b"501 only GET is\n"
        host = _field(lines, "host").lower()
        if self._hosts and host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, TEXT, b"421 not asked by that name\n"
        try:
            if self._admit:
                verdict = self._admit(_field(lines, "authorization"), peer)
                if verdict is not HTTPStatus.OK:
                    return verdict, TEXT, f"{verdict} {verdict.phrase.lower()}\n".encode()
            return self._answer(target, _field(lines, "accept"))
        except Exception:
            log.exception("a question could not be answered", target=target[:200])
            return HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, b"500 see the log\n"


def _peer(transport: asyncio.WriteTransport) -> str:
    """The address of who asks, without the port; "" where it is not known."""
    match transport.get_extra_info("peername"):
        case (str(host), *_):
            return host
    return ""


def _field(lines: list[str], name: str) -> str:
    """The value of a header, "" where there is none."""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in fields if key.lower() == name), "")
