"""Emulators that end close what they opened: the test that runs next is not to pay for it."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Callable

import pytest

from dnatctl_sim.cloud import Cloud, CloudServer, Scenario
from dnatctl_sim.kube import KubeServer, Settings


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
