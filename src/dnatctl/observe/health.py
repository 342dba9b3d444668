"""/metrics, /healthz, /livez and /readyz over HTTP, with a path and a line for each check."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Check = Callable[[], str]
"""Answers what is wrong, for people; the empty string if all is well."""

TEXT = "text/plain; charset=utf-8"


class HealthServer:
    """Serves checks and, if given a registry, metrics, on one address.

    `address` is `host:port`, `[host]:port` or `:port`; `0` turns the server off. `notes` are lines
    shown by `?verbose` that do not decide anything. Raises OSError where the address cannot be
    listened on.
    """

    def __init__(
        self,
        address: str,
        checks: Mapping[str, Mapping[str, Check]],
        registry: CollectorRegistry | None = None,
        notes: Callable[[], list[str]] = list,
    ) -> None:
        self._checks = checks
        self._registry = registry
        self._notes = notes
        self._server = None if address == "0" else _listen(address, self._handler())
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 if it is turned off."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self) -> None:
        """Start serving."""
        if self._server is not None:
            self._thread = threading.Thread(
                target=self._server.serve_forever,
                kwargs={"poll_interval": 0.2},
                name="dnatctl-http",
                daemon=True,
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop serving, if it was begun, and close the socket."""
        if self._server is None:
            return
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join(2)
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, kind, body = outer.answer(self.path, self.headers.get("Accept", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing: probes come every few seconds."""

        return Handler

    def answer(self, target: str, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a request."""
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True)
        name, _, check = url.path.strip("/").partition("/")
        if name == "metrics" and self._registry is not None:
            encode, kind = choose_encoder(accept)
            return HTTPStatus.OK, kind, encode(self._registry)
        if name not in self._checks:
            return HTTPStatus.NOT_FOUND, TEXT, b"404 page not found\n"
        checks = dict(self._checks[name])
        if check:
            if check not in checks:
                return HTTPStatus.NOT_FOUND, TEXT, b"404 page not found\n"
            checks = {check: checks[check]}
        for excluded in query.get("exclude", []):
            checks.pop(excluded, None)
        return self._report(checks, verbose="verbose" in query, name=name)

    def _report(
        self, checks: Mapping[str, Check], *, verbose: bool, name: str
    ) -> tuple[int, str, bytes]:
        found = {key: check() for key, check in checks.items()}
        bad = any(found.values())
        status = HTTPStatus.INTERNAL_SERVER_ERROR if bad else HTTPStatus.OK
        if not verbose and not bad:
            return status, TEXT, b"ok\n"
        lines = [f"[-]{key} failed: {why}" if why else f"[+]{key} ok" for key, why in found.items()]
        if verbose:
            lines += self._notes() if name == "readyz" else []
        lines.append(f"{name} check {'failed' if bad else 'passed'}")
        return status, TEXT, ("\n".join(lines) + "\n").encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Server6(_Server):
    address_family = socket.AF_INET6


def _listen(address: str, handler: type[BaseHTTPRequestHandler]) -> _Server:
    host, _, port = address.rpartition(":")
    server = _Server6 if ":" in host else _Server
    return server((host.strip("[]") or "0.0.0.0", int(port)), handler)
