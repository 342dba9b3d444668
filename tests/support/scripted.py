"""An HTTP server that does to a connection whatever a test wants done to it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import orjson

RUNS_OUT_S = 4.0
"""A deadline that is to run out: a stalled machine has sent the request by then all the same."""


@dataclass(frozen=True)
class Request:
    """What was asked; `body` is JSON, read, or None for anything else."""

    method: str
    route: str
    query: dict[str, str]
    headers: Message
    body: Any


class Exchange(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: _Server
    asked: Request

    def answer(self, code: int = 200, body: Any = None, **headers: str) -> None:
        """A whole answer; `body` is bytes or becomes JSON."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        """The headers of a stream."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        """A piece of a stream."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def end(self) -> None:
        """The orderly end of a stream."""
        self.wfile.write(b"0\r\n\r\n")

    def stream(self, *chunks: bytes) -> None:
        """A whole stream."""
        self.begin()
        for chunk in chunks:
            self.chunk(chunk)
        self.end()

    def cut(self) -> None:
        """Close the connection, wherever it is."""
        self.close_connection = True

    def hold(self) -> None:
        """Leave the connection open and say nothing more, until the server stops."""
        self.server.stopping.wait(30)
        self.close_connection = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        is_json = "json" in self.headers.get("Content-Type", "")
        body = orjson.loads(content) if length and is_json else None
        query = dict(parse_qsl(url.query))
        self.asked = Request(self.command, url.path, query, self.headers, body)
        self.server.requests.append(self.asked)
        self.server.script(self)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        pass


Script = Callable[[Exchange], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    script: Script
    requests: list[Request]
    stopping: threading.Event


class ScriptedServer:
    """Runs a script for each request; the script may be replaced at any time."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), Exchange)
        self._server.script = script
        self._server.requests = []
        self._server.stopping = threading.Event()
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """All that was asked so far."""
        return self._server.requests

    def script(self, script: Script) -> None:
        """Answer like this from now on."""
        self._server.script = script

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
