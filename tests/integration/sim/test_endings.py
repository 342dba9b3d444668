"""Emulators that end close what they opened: the test that runs next is not to pay for it. Clients
that end in the middle are nothing to tell of: programs that serve an emulator show its log."""

from __future__ import annotations

import gc
import socket
import struct
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from dnatctl_sim.cloud import Cloud, CloudServer, Scenario
from dnatctl_sim.kube import KubeServer, Settings
from tests.support.stage import eventually


def cloud() -> CloudServer:
    return CloudServer(Cloud(Scenario()))


def kube() -> KubeServer:
    return KubeServer(settings=Settings(actors=False))


def address(server: CloudServer | KubeServer) -> tuple[str, int]:
    if isinstance(server, KubeServer):
        return server.host, server.port
    host, _, port = server.address.partition(":")
    return host, int(port)


@pytest.mark.parametrize("make", [cloud, kube])
def test_who_comes_at_the_last_moment_is_closed_as_well(
    make: Callable[[], CloudServer | KubeServer],
) -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            server = make()
            server.start()
            clients = [socket.create_connection(address(server)) for _ in range(20)]
            clients[0].sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            server.stop()
            for client in clients:
                client.close()
            del server
        gc.collect()
    assert [str(warning.message) for warning in told] == []


def pod(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "nginx"}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container]}}


PODS = "/api/v1/namespaces/default/pods"
JSON = "Content-Type: application/json\r\n"
CLOSED = b"\x88\x02\x03\xe8"
"""The frame that says that a websocket is closed, as it should be."""
WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
)


def hung_up(client: socket.socket, *, resets: bool) -> None:
    if resets:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (f"GET {PODS}", ""),
        (f"GET {PODS}?watch=1", ""),
        (f"GET {PODS}?watch=1&resourceVersion=1", ""),
        (f"POST {PODS}", f"{JSON}Content-Length: 100\r\n"),
        (f"GET {PODS}/one/portforward?ports=1", WEBSOCKET),
    ],
)
def test_a_client_that_goes_before_its_answer_is_nothing_to_tell_of(
    line: str, headers: str, *, resets: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with kube() as server:
        server.store.create("pods", pod("one"))
        server.pause()
        client = socket.create_connection(address(server))
        client.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        eventually(lambda: len(server.requests.all()) == 1)
        hung_up(client, resets=resets)
        server.resume()
        eventually(lambda: server.requests.all()[0].seconds > 0)
    assert caplog.text == ""


@pytest.mark.parametrize("resets", [True, False])
def test_nor_is_one_that_goes_from_a_watch(
    *, resets: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with kube() as server:
        client = socket.create_connection(address(server))
        client.sendall(f"GET {PODS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"200 OK" in client.recv(1 << 16)
        server.pause()
        server.store.create("pods", pod("one"))
        hung_up(client, resets=resets)
        server.resume()
        server.store.create("pods", pod("two"))
    assert caplog.text == ""


@pytest.mark.parametrize("resets", [True, False])
def test_a_port_forward_whose_pod_hangs_up_ends_and_is_nothing_to_tell_of(
    *, resets: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with kube() as server, socket.create_server(("127.0.0.1", 0)) as behind:
        server.store.create("pods", pod("one"))
        path = f"{PODS}/one/portforward?ports={behind.getsockname()[1]}"
        with socket.create_connection(address(server), timeout=60) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{WEBSOCKET}\r\n".encode())
            served, _ = behind.accept()
            hung_up(served, resets=resets)
            heard = b""
            while CLOSED not in heard:
                heard += client.recv(1 << 16) or pytest.fail("it ended without a word")
    gc.collect()
    assert caplog.text == ""
