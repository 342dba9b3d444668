"""A thin client of the Kubernetes API for tests: plain JSON in and out, nothing of dnatctl's own.

Tests look at the cluster through it, and the fake kubelet works with it, so that a defect of the
controller's client cannot hide itself.
"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import orjson
import urllib3

Object = dict[str, Any]

_WATCH_SECONDS = 60
_STREAM_TIMEOUT = urllib3.Timeout(connect=30, read=_WATCH_SECONDS + 30)
_PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}

Unreachable = urllib3.exceptions.HTTPError
"""What every call raises when no answer came."""


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        """HTTP status, or the `code` of an ERROR event."""
        self.reason = reason
        """Machine-readable reason, as `Conflict`, `Expired`, `Forbidden`."""


class KubeApi:
    """Requests with one identity's token. Safe to share between threads.

    Every method raises `ApiError` for an error answer and `Unreachable` for none.
    Paths are absolute (`/api/v1/namespaces/default/pods/a`); keywords are query parameters.
    """

    def __init__(self, url: str, authority: Path, token: str, *, patience: float = 30) -> None:
        """Wait `patience` seconds for an answer.

        A server that is not ready for a resource yet answers 429 and when to come back: that is
        heeded for as long.
        """
        self._url = url
        self._patience = patience
        self._timeout = urllib3.Timeout(connect=patience, read=patience)
        self._pool = urllib3.PoolManager(
            ca_certs=str(authority),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            retries=False,
            maxsize=8,
        )

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def get(self, path: str, **query: object) -> Any:
        """Read one object, or a list as the API answers it."""
        return self._send("GET", path, query)

    def items(self, path: str, **query: object) -> list[Object]:
        """The objects of a list."""
        listed: list[Object] = self.get(path, **query)["items"]
        return listed

    def find(self, path: str) -> Object | None:
        """Read one object, None where it does not exist."""
        try:
            found: Object = self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def create(self, path: str, body: Object, **query: object) -> Any:
        """POST an object to its collection, or to a subresource such as `…/binding`."""
        return self._send("POST", path, query, body)

    def replace(self, path: str, body: Object, **query: object) -> Any:
        """PUT an object; its resourceVersion guards against lost updates."""
        return self._send("PUT", path, query, body)

    def patch(self, path: str, body: Any, *, kind: str = "merge", **query: object) -> Any:
        """PATCH an object; `kind` is `merge`, `strategic` or `json`."""
        return self._send("PATCH", path, query, body, _PATCHES[kind])

    def delete(self, path: str, *, uid: str | None = None, **options: object) -> Any:
        """DELETE an object or a collection.

        `options` are those of DeleteOptions (`gracePeriodSeconds`, `propagationPolicy`); with
        `uid`, only the object that has it.
        """
        preconditions = {"preconditions": {"uid": uid}} if uid else {}
        return self._send("DELETE", path, {}, options | preconditions)

    def watch(self, path: str, resource_version: str, **query: object) -> "Watch":
        """Watch a collection for a minute; history that is gone is 410, now or in the stream."""
        query = {"timeoutSeconds": _WATCH_SECONDS} | query
        query |= {"watch": "true", "resourceVersion": resource_version}
        return Watch(self._request("GET", path, query, stream=True))

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        response = self._request(method, path, query, body, content_type)
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return orjson.loads(response.data)
        return response.data.decode()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any = None,
        content_type: str = "application/json",
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        deadline = time.monotonic() + self._patience
        while True:
            response = self._once(method, path, query, body, content_type, stream=stream)
            pause = float(response.headers.get("Retry-After", 1))
            if response.status != 429 or time.monotonic() + pause > deadline:
                break
            response.drain_conn()
            time.sleep(pause)  # asked for by the server: its storage is initializing, or it is busy
        if response.status >= 400:
            raise _error(response.status, response.data)
        return response

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any,
        content_type: str,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            self._url + path + (f"?{urlencode(query)}" if query else ""),
            body=None if body is None else orjson.dumps(body),
            headers=dict(self._pool.headers) | {"Content-Type": content_type},
            preload_content=not stream,
            timeout=_STREAM_TIMEOUT if stream else self._timeout,
        )


class Watch:
    """The events of a watch in progress. Leave by `close`, from any thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._socket: socket.socket = response.connection.sock  # type: ignore[union-attr]
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """Yield type and object of each event until the server or `close` ends the stream.

        Raises:
            ApiError: the server sent an ERROR event, such as 410 `Expired`.
            Unreachable: the connection broke.
        """
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 500), orjson.dumps(event["object"]))
                yield event["type"], event["object"]

    def close(self) -> None:
        """End the stream; an iteration in another thread ends too."""
        self._is_closed = True
        if self._response.connection is None:  # it has ended, and another request may use that
            return
        # Not SSLSocket.shutdown, nor that of the response: it takes the TLS state away under the
        # reading thread, which would take ciphertext for text.
        with suppress(OSError):  # it ends by itself just now
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream()
        except Unreachable:
            if not self._is_closed:
                raise


def _error(status: int, body: bytes) -> ApiError:
    try:
        answer = orjson.loads(body)
    except json.JSONDecodeError:
        answer = {"message": body.decode(errors="replace")}
    return ApiError(status, answer.get("reason", ""), answer.get("message", ""))
