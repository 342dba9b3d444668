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
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from dnatctl import __version__
from dnatctl.clock import Clock, SystemClock
from dnatctl.kube.cancel import Canceller, make_cancellable
from dnatctl.kube.errors import Failure, KubeConfigError, KubeError, error_from_answer
from dnatctl.kube.lines import LineStream

Observer = Callable[[str, str, str, float], None]
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


class KubeClient:
    """Requests to one API server. Thread-safe.

    `host` is the server's URL, for logs and metrics. For `may_write` see `fenced`.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        observer: Observer | None = None,
        clock: Clock | None = None,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        self._api = api
        self._pools: urllib3.PoolManager = api.rest_client.pool_manager
        make_cancellable(self._pools)
        self._observer = observer
        self._clock = clock or SystemClock()
        self._may_write = may_write
        self.host: str = api.configuration.host.rstrip("/")

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None,
        pool_size: int,
        *,
        context: str | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> KubeClient:
        """Read where and how to connect; no request is made yet.

        With `kubeconfig` or `context`, that; without, the service account of the pod this runs in,
        and outside of pods the files named by KUBECONFIG or ~/.kube/config. `pool_size` is the
        number of connections kept: one for each worker and each watch. Raises KubeConfigError.
        """
        settings = _load(kubeconfig, context)
        settings.connection_pool_maxsize = pool_size
        settings.keep_alive = True
        return cls(ApiClient(configuration=settings), observer=observer, clock=clock)

    def fenced(self, may_write: Callable[[], bool]) -> KubeClient:
        """The same client, with the same connections, that asks right before it sends a write.

        Where the answer is no, nothing is sent and the write raises KubeError (UNREACHABLE). Reads
        are not asked about.
        """
        return KubeClient(
            self._api, observer=self._observer, clock=self._clock, may_write=may_write
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 10.0,
        cancel: Canceller | None = None,
    ) -> bytes:
        """Carry out one request and return the whole body of its answer.

        `body` is sent as it is if it is bytes, else as JSON. `timeout` is the longest silence
        waited through, in seconds. Nothing is repeated here. Raises KubeError.
        """
        cancel = cancel or Canceller()
        try:
            response = self._send(
                method, path, query, body, content_type, accept, timeout, cancel, whole=True
            )
        finally:
            cancel.detach()
        return response.data

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

        `read_timeout`: seconds of silence after which the connection counts as dead.
        """
        cancel = cancel or Canceller()
        response = self._send(
            "GET", path, query, None, JSON, accept, read_timeout, cancel, whole=False
        )
        return LineStream(response, cancel)

    def close(self) -> None:
        """Close the idle connections. The client stays usable."""
        self._pools.clear()

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: object,
        content_type: str,
        accept: str,
        timeout: float,
        cancel: Canceller,
        *,
        whole: bool,
    ) -> urllib3.BaseHTTPResponse:
        started = self._clock.monotonic()
        code = "<error>"
        try:
            headers = self._headers(method, path, accept)
            if body is not None:
                headers["Content-Type"] = content_type
            content = _encode(body)
            with cancel.watching(None if method == "GET" else self._ask_leave):
                response = self._pools.request(
                    method,
                    self._url(path, query),
                    body=content,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout),
                    retries=False,
                    preload_content=whole,
                )
            code = str(response.status)
            if response.status >= 300:
                raise error_from_answer(
                    response.status, response.data, response.headers.get("Retry-After")
                )
        except HTTPError as error:
            raise _no_answer(error, method, path, cancel) from error
        finally:
            if self._observer is not None:
                seconds = self._clock.monotonic() - started
                self._observer(method, resource_of(path), code, seconds)
        return response

    def _ask_leave(self) -> None:
        if self._may_write is not None and not self._may_write():
            raise KubeError(Failure.UNREACHABLE, "another replica may be writing: nothing was sent")

    def _url(self, path: str, query: Query | None) -> str:
        return f"{self.host}{path}?{urlencode(query)}" if query else self.host + path

    def _headers(self, method: str, path: str, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": f"dnatctl/{__version__}"}
        try:
            # Asks for the token anew each time: it is rotated about hourly.
            self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        except (config.ConfigException, OSError) as error:
            raise KubeError(Failure.UNREACHABLE, f"no credential: {error}") from error
        return headers


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
    return orjson.dumps(body)


def _no_answer(error: HTTPError, method: str, path: str, cancel: Canceller) -> KubeError:
    return KubeError(
        Failure.CANCELLED if cancel.cancelled else _failure(error), f"{method} {path}: {error}"
    )


def _failure(error: HTTPError) -> Failure:
    if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
        return Failure.UNREACHABLE
    cause = error.args[0] if isinstance(error, SSLError) and error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Failure.UNREACHABLE
    return Failure.UNKNOWN


def _load(kubeconfig: Path | None, context: str | None) -> Any:
    settings = Configuration()
    tried = "the service account of this pod"
    if kubeconfig is None and context is None:
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            pass
        else:
            return settings
    else:
        tried = ""
    name = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        config.load_kube_config(name, context=context, client_configuration=settings)
    except (
        config.ConfigException,
        OSError,
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        tried = f"{tried}, {name}" if tried else name
        raise KubeConfigError(f"no way to reach a cluster; tried {tried}: {error}") from error
    return settings
