"""The wire to an API server: requests, errors and streams of lines; no models.

Configuration, authentication, TLS and proxies are those of the official client; requests go
straight to its urllib3 pool. Its typed models cost 8 to 50 times the CPU, and one object that
they refuse fails a whole list; its watch has no timeout and no back-off.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
import urllib3
import yaml
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.util import parse_url

from dnatctl import __version__
from dnatctl.baton import put_down
from dnatctl.clock import Clock, ClusterClock, SystemClock
from dnatctl.heartbeat import renew
from dnatctl.kube import paths
from dnatctl.kube.bearer import authorize
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.errors import Failure, KubeConfigError, KubeError, error_from_answer, shown
from dnatctl.kube.lines import LineStream
from dnatctl.kube.official import ApiClient, Configuration, config
from dnatctl.transport import Exchange, Hosts, TooLargeError, read

OnRequest = Callable[[str, str, str, float], None]
"""Told of every request: HTTP method, resource (`pods`, `poddnats/status`), code, seconds.

The code is the HTTP status, or `<error>` where no answer came. It runs on the requesting thread.
A stream counts as done when its headers have come.
"""

Query = Mapping[str, str | int]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

CONNECT_TIMEOUT = 3.0
"""Seconds for TCP and TLS each; a control plane is near."""

USUAL_S = 10.0
"""Seconds that all of a request may take where nothing else is said."""

LARGEST_ANSWER = 16 << 20
"""Bytes of an answer about one object: etcd takes 1.5 MiB by default, and JSON is longer."""

LARGEST_PAGE = 64 << 20
"""Bytes of a page of a list that a command asks for once; of what is listed again and again see
`Informer`."""

_OVERHEAD = 1 << 20
"""Bytes that an answer may have besides its body: headers, lengths of chunks."""


class KubeClient:
    """Requests to one API server. Thread-safe.

    `host` is the server's URL, for logs and metrics; `clock` follows the server's. For `may_write`
    see `fenced`.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        observer: OnRequest | None = None,
        clock: Clock | None = None,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        self.api = api
        """The official client, for what needs more than requests."""
        self._pools = Hosts(api.rest_client.pool_manager)
        self._observer = observer
        own = clock or SystemClock()
        self.clock = own if isinstance(own, ClusterClock) else ClusterClock(own)
        self._may_write = may_write
        url = parse_url(api.configuration.host.rstrip("/"))
        # A kubeconfig may have a password there.
        self.host: str = url._replace(auth=None, query=None, fragment=None).url
        self._origin = url._replace(path=None, query=None, fragment=None).url
        self._prefix = url.path or ""
        """Several clusters may be served behind one host."""

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None,
        pool_size: int,
        *,
        context: str | None = None,
        observer: OnRequest | None = None,
        clock: Clock | None = None,
    ) -> KubeClient:
        """Read where and how to connect; no request is made yet.

        With `kubeconfig` or `context`, that; without, the service account of the pod this runs in,
        and outside of pods the files named by KUBECONFIG or ~/.kube/config. `pool_size` is the
        number of connections kept: one for each worker and each watch. Raises KubeConfigError.
        """
        settings, where = _load(kubeconfig, context)
        _check(settings.host, where)
        settings.connection_pool_maxsize = pool_size
        settings.keep_alive = True
        return cls(ApiClient(configuration=settings), observer=observer, clock=clock)

    def fenced(self, may_write: Callable[[], bool]) -> KubeClient:
        """The same client, with the same connections, that asks right before it sends a write.

        Where the answer is no, nothing is sent and the write raises KubeError (UNREACHABLE). Reads
        are not asked about.
        """
        return KubeClient(self.api, observer=self._observer, clock=self.clock, may_write=may_write)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = USUAL_S,
        most: int = LARGEST_ANSWER,
        cancel: Canceller | None = None,
    ) -> bytes:
        """Carry out one request and return the whole body of its answer.

        `path` is one that `paths` builds. `body` is sent as it is if it is bytes, else as JSON.
        `timeout` is how long all of it may take, in seconds; `most` how many bytes the answer may
        have. Nothing is repeated here. Raises KubeError.
        """
        call = _Call(
            method, path, query, body, content_type, accept, timeout, most, cancel or Canceller()
        )
        renew(timeout, f"{method} {resource_of(path)}")
        with put_down():
            try:
                _, _, content = self._send(call)
            finally:
                call.cancel.detach()
        return content

    def stream(
        self,
        path: str,
        *,
        query: Query | None = None,
        accept: str = JSON,
        read_timeout: float = 120.0,
        cancel: Canceller | None = None,
    ) -> LineStream:
        """Start a GET whose answer is read line by line (a watch). Raises KubeError.

        `read_timeout`: seconds without a whole line after which the connection counts as dead.
        """
        call = _Call(
            "GET", path, query, None, JSON, accept, read_timeout, None, cancel or Canceller()
        )
        response, exchange, _ = self._send(call)
        return LineStream(response, call.cancel, exchange, read_timeout, self.close)

    def close(self) -> None:
        """Close the idle connections. The client stays usable."""
        self._pools.clear()

    def _send(self, call: _Call) -> tuple[urllib3.BaseHTTPResponse, Exchange, bytes]:
        if not paths.is_plain(call.path):
            raise KubeError(Failure.INVALID, f"not a path of this program: {call.path[:80]!r}")
        started = self.clock.monotonic()
        code = "<error>"
        try:
            headers = self._headers(call)
            exchange = self._exchange(call)
            with exchange.active():
                response = self._pools.urlopen(
                    call.method,
                    self._origin,
                    f"{self._prefix}{_target(call)}",
                    body=_encode(call.body),
                    headers=headers,
                    timeout=urllib3.Timeout(
                        connect=min(CONNECT_TIMEOUT, call.timeout), read=call.timeout
                    ),
                    retries=False,
                    preload_content=False,
                )
            code = str(response.status)
            self.clock.dated(response.headers.get("Date", ""), started)
            return response, exchange, _content(response, exchange, call.most)
        except HTTPError as error:
            raise _no_answer(error, call) from error
        finally:
            if self._observer is not None:
                seconds = self.clock.monotonic() - started
                self._observer(call.method, resource_of(call.path), code, seconds)

    def _exchange(self, call: _Call) -> Exchange:
        return Exchange(
            call.timeout,
            None if call.most is None else call.most + _OVERHEAD,
            on_socket=call.cancel.attach,
            leave=None if call.method == "GET" else self._ask_leave,
        )

    def _ask_leave(self) -> None:
        if self._may_write is not None and not self._may_write():
            raise KubeError(Failure.UNREACHABLE, "another replica may be writing: nothing was sent")

    def _headers(self, call: _Call) -> dict[str, str]:
        headers = {"Accept": call.accept, "User-Agent": f"dnatctl/{__version__}"}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        authorize(self.api, headers, call.path, call.method)
        return headers


def _target(call: _Call) -> str:
    return f"{call.path}?{urlencode(call.query)}" if call.query else call.path


class _Call(NamedTuple):
    """One request; `most` is None for a stream."""

    method: str
    path: str
    query: Query | None
    body: object
    content_type: str
    accept: str
    timeout: float
    most: int | None
    cancel: Canceller


def _content(response: urllib3.BaseHTTPResponse, exchange: Exchange, most: int | None) -> bytes:
    """The body, "" of a stream that has begun. Raises KubeError for a refusal, and HTTPError."""
    if response.status >= 300:
        exchange.bound(LARGEST_ANSWER)  # also where a stream was asked for
        explanation = read(response, LARGEST_ANSWER)
        raise error_from_answer(response.status, explanation, response.headers.get("Retry-After"))
    return b"" if most is None else read(response, most)


def resource_of(path: str) -> str:
    """The resource a path is about: `pods`, `poddnats/status`; `discovery` where it is about none.

    Used as a label: it contains no name of any object.
    """
    parts = path.strip("/").split("/")
    parts = parts[3 if parts[0] == "apis" else 2 :]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    if not parts:
        return "discovery"
    return f"{parts[0]}/{parts[2]}" if len(parts) > 2 else parts[0]


def _encode(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    try:
        return orjson.dumps(body)
    except TypeError as error:
        # What was read is sent back, and more can be read than written: nesting, long numbers.
        raise KubeError(Failure.INVALID, f"nothing that can be sent: {error}") from error


def _no_answer(error: HTTPError, call: _Call) -> KubeError:
    return KubeError(
        Failure.CANCELLED if call.cancel.cancelled else _failure(error),
        f"{call.method} {call.path}: {shown(str(error))}",
    )


def _failure(error: HTTPError) -> Failure:
    if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
        return Failure.UNREACHABLE
    if isinstance(error, TooLargeError):
        return Failure.TOO_LARGE
    cause = error.args[0] if isinstance(error, SSLError) and error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Failure.UNREACHABLE
    return Failure.UNKNOWN


def usual_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """The namespace of the kubeconfig's context, as kubectl has it; `default` if it names none."""
    try:
        contexts, active = config.list_kube_config_contexts(_file(kubeconfig))
    except (config.ConfigException, OSError, yaml.YAMLError, ValueError, TypeError):
        return "default"
    chosen = next((each for each in contexts if each["name"] == context), active)
    return str((chosen.get("context") or {}).get("namespace") or "default")


def _file(kubeconfig: Path | None) -> str:
    return str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or "~/.kube/config"


def _check(host: str, where: str) -> None:
    """Raises KubeConfigError where that is no address of an API server."""
    try:
        url = parse_url(host)
    except LocationParseError:
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host:
        # Not the whole of it, which may have a password.
        shown_host = repr(host.rpartition("@")[2])
        raise KubeConfigError(
            f"no way to reach a cluster; tried {where}: its server {shown_host} is no URL such as"
            " https://10.0.0.1:6443"
        )


def _load(kubeconfig: Path | None, context: str | None) -> tuple[Any, str]:
    """The settings, and where they are from."""
    settings = Configuration()
    tried = ""
    if kubeconfig is None and context is None:
        try:
            config.load_incluster_config(client_configuration=settings)
        except (config.ConfigException, OSError, ValueError) as error:
            tried = f"the service account of this pod ({error}), "
        else:
            return settings, "the service account of this pod"
    name = _file(kubeconfig)
    try:
        config.load_kube_config(name, context=context, client_configuration=settings)
    except (
        config.ConfigException,
        OSError,
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    ) as error:
        why = _why_not(name, error)
        raise KubeConfigError(f"no way to reach a cluster; tried {tried}{name}: {why}") from error
    return settings, name


def _why_not(name: str, error: Exception) -> str:
    if not _exists(name):
        return "there is no such file"
    # What the official client makes of a file that has something else where maps and lists belong.
    odd = isinstance(error, TypeError | AttributeError | LookupError)
    return "it is no kubeconfig" if odd else str(error)


def _exists(name: str) -> bool:
    """Whether any of the files is there: KUBECONFIG may name several."""
    return any(Path(each).expanduser().exists() for each in name.split(os.pathsep) if each)
