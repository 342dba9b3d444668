"""The server for probes, scrapers and the page, over real sockets."""

from __future__ import annotations

import logging
import socket

import pytest

from dnatctl.heartbeat import Heartbeats
from dnatctl.observe.http import TEXT, HttpServer, listen

LONG = b"x" * (32 << 20)
"""More than the buffers between two sockets hold."""


def test_a_long_answer_arrives_whole_and_nothing_goes_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sock = listen("127.0.0.1", 0)
    server = HttpServer(sock, lambda _target, _accept: (200, TEXT, LONG), Heartbeats())
    server.start()
    with caplog.at_level(logging.ERROR):
        with socket.create_connection(sock.getsockname(), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            received = bytearray()
            while part := client.recv(1 << 20):
                received += part
        server.stop()

    assert received.endswith(b"\r\n\r\n" + LONG)
    assert caplog.records == []
    assert server.dropped == 0
