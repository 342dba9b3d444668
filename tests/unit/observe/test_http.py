"""The server for probes, scrapers and the page, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnatctl.heartbeat import Heartbeats
from dnatctl.observe import http
from dnatctl.observe.http import TEXT, HttpServer, listen
from tests.support.stage import eventually

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


def test_a_server_that_nobody_asks_sleeps_and_ends_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LOOK_S", 3600.0)
    sock = listen("127.0.0.1", 0)
    name = f"dnatctl-http-{sock.getsockname()[1]}"
    server = HttpServer(sock, lambda _target, _accept: (200, TEXT, b""), Heartbeats())
    server.start()
    with socket.create_connection(sock.getsockname(), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1 << 10)
    server.stop()
    eventually(lambda: name not in {thread.name for thread in threading.enumerate()})


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Ends the pause before each answer but the first, that nothing else ends."""
    told = threading.Event()

    async def sleep(seconds: float) -> None:
        if seconds > 0:
            await asyncio.to_thread(told.wait)

    monkeypatch.setattr(http, "PACE_S", 3600.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    yield told
    told.set()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["hold", "ask"])
def test_who_has_asked_is_answered_whoever_comes_after(
    sent: bytes, monkeypatch: pytest.MonkeyPatch, go_on: threading.Event
) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 60.0)
    monkeypatch.setattr(http, "CONNECTIONS", 4)
    sock = listen("127.0.0.1", 0)
    server = HttpServer(sock, lambda _target, _accept: (200, TEXT, b"well"), Heartbeats())
    server.start()

    def connect(stack: ExitStack, request: bytes) -> socket.socket:
        client = stack.enter_context(socket.create_connection(sock.getsockname(), timeout=60))
        client.sendall(request)
        return client

    with ExitStack() as stack:
        first = connect(stack, b"GET / HTTP/1.1\r\n\r\n")
        assert first.recv(1 << 10), "at once: the pause is before the next answer"
        asked = [connect(stack, b"GET / HTTP/1.1\r\n\r\n") for _ in range(3)]
        eventually(lambda: len(server._in_line) == 3)
        for _ in range(12):
            connect(stack, sent)
        eventually(lambda: server.dropped > 0)
        go_on.set()
        for client in asked:
            with client.makefile("rb") as answer:
                assert answer.read().endswith(b"\r\n\r\nwell")
    server.stop()


def test_who_has_hung_up_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch, go_on: threading.Event
) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 60.0)
    monkeypatch.setattr(http, "CONNECTIONS", 4)
    asked: list[str] = []

    def answer(target: str, _accept: str) -> http.Answer:
        asked.append(target)
        return 200, TEXT, b"well"

    sock = listen("127.0.0.1", 0)
    server = HttpServer(sock, answer, Heartbeats())
    server.start()

    def waiting() -> int:
        return sum(not transport.is_closing() for transport in list(server._in_line.values()))

    with socket.create_connection(sock.getsockname(), timeout=60) as first:
        first.sendall(b"GET /first HTTP/1.1\r\n\r\n")
        assert first.recv(1 << 10)
    with ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(socket.create_connection(sock.getsockname(), timeout=60))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /gone HTTP/1.1\r\n\r\n")
        eventually(lambda: waiting() == 4)
    eventually(lambda: waiting() == 0)
    with socket.create_connection(sock.getsockname(), timeout=60) as last:
        last.sendall(b"GET /last HTTP/1.1\r\n\r\n")
        eventually(lambda: waiting() == 1)
        go_on.set()
        assert last.recv(1 << 10)
    server.stop()
    assert asked == ["/first", "/last"]
