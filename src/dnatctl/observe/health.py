"""/metrics, /healthz, /livez and /readyz over HTTP, with a path and a line for each check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from ssl import SSLContext
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from dnatctl.clock import Clock, SystemClock
from dnatctl.heartbeat import Heartbeats
from dnatctl.observe.http import TEXT, Answer, HttpServer, listen, parse_address

Check = Callable[[], str]
"""Answers what is wrong, for people; the empty string if all is well."""

JSON = "application/json"

SCRAPE_S = 1.0
"""How long an answer to a scrape is good for the next ones: making it takes the locks of others."""


class HealthServer:
    """Serves checks and, if given a registry, metrics, on one address.

    `address` is `host:port`, `[host]:port` or `:port`; `0` turns the server off. `notes` are lines
    shown by `?verbose` that do not decide anything. `pages` are JSON documents by name, each good
    for a second once made. `admit` and `tls` as for `HttpServer`. Raises
    ValueError for another kind of address,
    ListenError (an OSError) for one that cannot be listened on.
    """

    def __init__(
        self,
        address: str,
        checks: Mapping[str, Mapping[str, Check]],
        registry: CollectorRegistry | None = None,
        notes: Callable[[], list[str]] = list,
        *,
        pages: Mapping[str, Callable[[], bytes]] | None = None,
        hearts: Heartbeats | None = None,
        clock: Clock | None = None,
        admit: Callable[[str, str], HTTPStatus] | None = None,
        tls: Callable[[], SSLContext] | None = None,
    ) -> None:
        self._checks = checks
        self._registry = registry
        self._pages = pages or {}
        self._notes = notes
        self._clock = clock or SystemClock()
        self._made: dict[str, tuple[float, bytes]] = {}
        """The last answers, by content type or name of the page, and when they were made."""
        self._server: HttpServer | None = None
        self.port = 0
        """The port it listens on; 0 if it is turned off."""
        if (where := parse_address(address)) is not None:
            sock = listen(*where)
            self.port = int(sock.getsockname()[1])
            self._server = HttpServer(
                sock, self.answer, hearts or Heartbeats(self._clock), admit=admit, tls=tls
            )

    @property
    def dropped(self) -> int:
        """How many connections were closed before they were served."""
        return self._server.dropped if self._server else 0

    def start(self) -> None:
        """Start serving."""
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Stop serving, if it was begun, and close the socket."""
        if self._server is not None:
            self._server.stop()

    def answer(self, target: str, accept: str) -> Answer:
        """Status, content type and body for a request."""
        url = urlsplit(target)
        query = parse_qs(url.query, keep_blank_values=True)
        name, _, check = url.path.strip("/").partition("/")
        if name == "metrics" and self._registry is not None:
            return self._scrape(self._registry, accept)
        if name in self._pages and not check:
            return HTTPStatus.OK, JSON, self._made_lately(name, self._pages[name])
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

    def _scrape(self, registry: CollectorRegistry, accept: str) -> Answer:
        """All metrics, as they were a moment ago if somebody has just asked for them."""
        encode, kind = choose_encoder(accept)
        return HTTPStatus.OK, kind, self._made_lately(kind, lambda: encode(registry))

    def _made_lately(self, name: str, make: Callable[[], bytes]) -> bytes:
        """An answer of a moment ago, else a new one."""
        now = self._clock.monotonic()
        fresh = {k: made for k, made in self._made.items() if now - made[0] < SCRAPE_S}
        if name not in fresh:
            fresh[name] = (now, make())
        self._made = fresh
        return fresh[name][1]

    def _report(self, checks: Mapping[str, Check], *, verbose: bool, name: str) -> Answer:
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
