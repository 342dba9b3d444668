"""The way to the cloud, for calls and for credentials: proxies, TLS, and bounds on every answer.

Redirects are never followed: the vendor sends none, and what is signed, or lends credentials, is
for one host alone.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import getproxies

import certifi
import urllib3
from urllib3.exceptions import LocationValueError

from dnatctl.transport import Exchange, Hosts, read

LARGEST_ANSWER: Final = 4 << 20
"""Bytes of an answer. The largest asked for, the interfaces of 100 addresses, has about 1 MiB."""

_OVERHEAD: Final = 1 << 18
"""Bytes that an answer may have besides its body: headers, lengths of chunks."""

_KEPT: Final = 40
"""Connections kept to one host: about one for each thread that calls."""


class Answer(NamedTuple):
    """What a server said; header names are as `HTTPHeaderDict` has them, whatever their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """Sends requests, from any thread; keeps connections. A context manager.

    `connect`: seconds for a TCP or TLS connection; `silence`: for a wait in between; both together
    are what the whole of one request may take. `direct`: never through a proxy.
    """

    def __init__(self, connect: float, silence: float, *, direct: bool = False) -> None:
        self._timeout = urllib3.Timeout(connect=connect, read=silence)
        self._seconds = connect + silence
        self._proxies = {} if direct else getproxies()
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, bool], Hosts] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        leave: Callable[[], None] | None = None,
    ) -> Answer:
        """One request, and the whole of its answer, whatever its status.

        `leave` is called right before it is sent; what it raises is raised here, and nothing is
        sent then. Raises urllib3's HTTPError.
        """
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc}"
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        # Not in the exchange's time: what is trusted takes long to load on a busy machine.
        hosts = self._hosts(parts)
        exchange = Exchange(self._seconds, LARGEST_ANSWER + _OVERHEAD, leave=leave)
        with exchange.active():
            response = hosts.urlopen(
                method,
                host,
                target,
                body=body,
                # urllib3 adds those of this case that are not there, on the way to a proxy.
                headers={name.title(): value for name, value in headers.items()},
                timeout=self._timeout,
                retries=False,
                preload_content=False,
            )
            return Answer(response.status, response.headers, read(response, LARGEST_ANSWER))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hosts in self._pools.values():
            hosts.clear()

    def _hosts(self, url: SplitResult) -> Hosts:
        proxy = proxy_for(url, self._proxies)
        tls = url.scheme == "https" or proxy.lower().startswith("https:")
        with self._lock:
            if (proxy, tls) not in self._pools:
                self._pools[proxy, tls] = Hosts(_pools(proxy, _trusting() if tls else None))
            return self._pools[proxy, tls]


def proxy_for(url: SplitResult, proxies: Mapping[str, str]) -> str:
    """The proxy for a URL, "" for none. `proxies` is what `urllib.request.getproxies` returns."""
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    if not proxy or _bypassed(url, proxies.get("no", "")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _bypassed(url: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host.

    As curl, Go and requests read it: `*`; a domain, for itself and all below it, whether or not it
    begins with a dot or `*.`; an address or a network; each with a port or without.
    """
    host = (url.hostname or "").rstrip(".")
    port = url.port or (443 if url.scheme == "https" else 80)
    return any(_names(entry, host, port) for entry in re.split(r"[\s,]+", no_proxy.lower()))


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal() and (":" not in name or name.endswith("]")):
        if int(digits[:6]) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _pools(proxy: str, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(maxsize=_KEPT, ssl_context=context)
    try:
        return urllib3.ProxyManager(
            proxy,
            proxy_headers=_proxy_login(proxy),
            proxy_ssl_context=context,
            maxsize=_KEPT,
            ssl_context=context,
        )
    except ValueError:
        # Nothing of the URL is shown: it may hold a password.
        raise LocationValueError("the proxy in the environment is no http(s) URL") from None


def _proxy_login(proxy: str) -> Mapping[str, str] | None:
    parts = urlsplit(proxy)
    if not parts.username:
        return None
    user, password = unquote(parts.username), unquote(parts.password or "")
    return urllib3.make_headers(proxy_basic_auth=f"{user}:{password}")


def _trusting() -> ssl.SSLContext:
    """What the vendor's SDK trusts: the machine's authorities, and those that certifi lists."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
