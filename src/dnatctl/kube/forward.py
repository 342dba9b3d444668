"""One GET on a port of a pod, through the API server (a port-forward).

The official client can do this as well, with a thread that prints a traceback where the other side
closes first; one request needs no thread.
"""

from __future__ import annotations

import http.client
import io
import socket
from contextlib import closing
from typing import Any, cast
from urllib.parse import quote

from websocket import WebSocketException

from dnatctl.kube import paths
from dnatctl.kube.bearer import authorize
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.official import ApiClient, create_websocket

LARGEST_ANSWER = 64 << 20
"""Bytes: a port of a pool is a hundred of them, and a pool has tens of thousands."""

_DATA, _ERROR = 0, 1
"""Channels of the one port, the first byte of each message. The first message on each only names
the port (k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go)."""


def get(
    api: ApiClient, namespace: str, pod: str, port: int, path: str, *, timeout: float = 10.0
) -> bytes:
    """The body of the answer. Raises KubeError: NOT_FOUND where there is nothing at that path,
    UNREACHABLE where the pod cannot be reached, nobody answers on that port of it, or there is no
    credential.

    `timeout`: seconds for each wait.
    """
    target = paths.in_namespace("v1", namespace, "pods", pod, "portforward")
    url = f"{api.configuration.host.rstrip('/')}{target}?ports={port}"
    try:
        with closing(_open(api, url, timeout)) as tunnel:
            tunnel.send_binary(bytes([_DATA]) + _request(path))
            answer = _all_of(tunnel)
    except (OSError, WebSocketException, ValueError) as error:
        # The library adds the answer's headers and body to its text.
        raise _unreachable(pod, port, str(error).partition(" -+-+- ")[0]) from error
    try:
        response = http.client.HTTPResponse(cast("socket.socket", _Received(answer)))
        response.begin()
        return body_of(response, path)
    except http.client.HTTPException as error:
        raise _unreachable(pod, port, f"no HTTP: {error}") from error


def body_of(answer: http.client.HTTPResponse, path: str) -> bytes:
    """The body. Raises KubeError as `get`."""
    body = answer.read(LARGEST_ANSWER)
    if answer.status != http.client.OK:
        raise KubeError(Failure.NOT_FOUND, f"{path}: {answer.status} {answer.reason}")
    return body


def _open(api: ApiClient, url: str, timeout: float) -> Any:
    headers: dict[str, str] = {}
    authorize(api, headers, url, "GET")
    headers = {name.lower(): value for name, value in headers.items()}
    headers["sec-websocket-protocol"] = "v4.channel.k8s.io"
    tunnel = create_websocket(api.configuration, url.replace("http", "ws", 1), headers)
    tunnel.settimeout(timeout)
    return _AtOnce(tunnel)


class _AtOnce:
    """A websocket that is closed without waiting for the other side to agree."""

    def __init__(self, tunnel: Any) -> None:
        self._tunnel = tunnel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tunnel, name)

    def close(self) -> None:
        self._tunnel.shutdown()


def _request(path: str) -> bytes:
    return f"GET {quote(path)} HTTP/1.0\r\nAccept: application/json\r\n\r\n".encode()


def _all_of(tunnel: Any) -> bytes:
    """What comes until the other side closes. Raises ValueError with what it says is wrong."""
    received = {_DATA: bytearray(), _ERROR: bytearray()}
    while message := tunnel.recv():
        if not isinstance(message, bytes) or message[0] not in received:
            raise ValueError("an answer that is no port-forward's")
        received[message[0]] += message[1:]
        if len(received[_ERROR]) > 2:
            break
        if len(received[_DATA]) > LARGEST_ANSWER:
            raise ValueError("an answer that is too long")
    if trouble := received[_ERROR][2:]:
        raise ValueError(trouble.decode("utf-8", "replace"))
    return bytes(received[_DATA][2:])


class _Received:
    """Stands for a socket from which this was read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """See socket.socket."""
        return io.BytesIO(self._data)


def _unreachable(pod: str, port: int, why: str) -> KubeError:
    return KubeError(Failure.UNREACHABLE, f"port {port} of pod {pod}: {why}")
