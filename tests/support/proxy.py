"""A forward proxy on loopback that remembers what came through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        if not self._let_in():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._let_in():
            return
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        there = HTTPConnection(url.netloc)
        there.request(self.command, f"{url.path}?{url.query}", body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        there.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "x-acs-retry-after"):
            if value := answer.headers.get(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET  # noqa: N815

    def _let_in(self) -> bool:
        self.server.seen.append(self.path if self.command == "CONNECT" else urlsplit(self.path)[1])
        login = self.server.login
        if not login or self.headers.get("Proxy-Authorization") == login:
            return True
        self.send_response(407, "Proxy Authentication Required")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        pass


def _pump(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := here.recv(1 << 16):
            there.sendall(piece)
        there.shutdown(socket.SHUT_WR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    seen: list[str]
    login: str


class Proxy:
    """`seen`: the hosts that were asked for. `login`: the Proxy-Authorization wanted, if any."""

    def __init__(self, login: str = "") -> None:
        self._server = _Server(("127.0.0.1", 0), _Relay)
        self._server.seen = self.seen = []
        self._server.login = login
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
