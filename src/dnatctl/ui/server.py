"""Serves the page, and beside it what the leader said last. It answers this machine alone."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import urlsplit

from dnatctl.heartbeat import Heartbeats
from dnatctl.loop import Loop
from dnatctl.observe.http import TEXT, Answer, HttpServer, listen

LOOPBACK = "127.0.0.1"
NAMES = frozenset({LOOPBACK, "localhost"})
"""Names that a browser may have asked for. A page of a stranger whose own name suddenly leads to
this machine (DNS rebinding) asks for that name, and could read every answer."""

PAUSE_S = 2.0
"""Between two questions to the leader."""
WATCHED_S = 10.0
"""So long after the page has asked the last time, the leader is asked no more."""
LONGEST_S = 60.0
"""Longest that the leader, and the API server on the way to it, take together to answer."""


class LeaderSilentError(Exception):
    """The leader cannot be reached; the text says why."""


@dataclass(frozen=True, slots=True)
class _Said:
    """The leader's last word, or why there is none; neither before it was asked."""

    document: bytes = b""
    problem: str = ""


class PageServer:
    """The page on a port of 127.0.0.1.

    `ask`: the leader's status document as JSON; raises LeaderSilentError. It is called on a thread
    of its own, and only while somebody looks at the page. Raises ListenError.
    """

    def __init__(self, port: int, ask: Callable[[], bytes], hearts: Heartbeats) -> None:
        self._page = files("dnatctl.ui").joinpath("page.html").read_bytes()
        self._ask = ask
        self._said = _Said()
        self._looked_at = float("-inf")
        sock = listen(LOOPBACK, port)
        self.url = f"http://{LOOPBACK}:{sock.getsockname()[1]}/"
        headers = _headers(self._page.decode())
        self._http = HttpServer(sock, self._answer, hearts, headers=headers, hosts=NAMES)
        self._asking = Loop("dnatctl-ask", self._look, hearts, longest_s=LONGEST_S)

    def start(self) -> None:
        """Start serving."""
        self._asking.start()
        self._http.start()

    def stop(self) -> None:
        """Stop serving."""
        self._asking.stop()
        self._http.stop()

    def _answer(self, target: str, _accept: str) -> Answer:
        path = urlsplit(target).path
        if path == "/":
            return HTTPStatus.OK, "text/html; charset=utf-8", self._page
        if path != "/status.json":
            return HTTPStatus.NOT_FOUND, TEXT, b"404 there is / and /status.json\n"
        anew = not self._watched()
        self._looked_at = time.monotonic()
        if anew:
            self._said = _Said()
            self._asking.wake()
        said = self._said
        if said.problem:
            return HTTPStatus.SERVICE_UNAVAILABLE, TEXT, said.problem.encode()
        asked = HTTPStatus.OK if said.document else HTTPStatus.ACCEPTED
        return asked, "application/json", said.document

    def _watched(self) -> bool:
        return time.monotonic() - self._looked_at < WATCHED_S

    def _look(self) -> float:
        if self._watched():
            try:
                self._said = _Said(self._ask())
            except LeaderSilentError as error:
                self._said = _Said(problem=str(error))
        return PAUSE_S


def _headers(page: str) -> dict[str, str]:
    """What a browser is told it may do with the page: run this script, ask this server, no more."""
    policy = {
        "default-src": "'none'",
        "script-src": _hashes("script", page),
        "style-src": _hashes("style", page),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{k} {v}" for k, v in policy.items()),
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _hashes(tag: str, page: str) -> str:
    """The inline elements of that name, as the policy names them."""
    texts: list[str] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in texts)
    return " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
