"""Answers that are meant to harm who reads them, for a `ScriptedServer`."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable

from tests.support.scripted import Exchange

LARGE = 20 << 20

Script = Callable[[Exchange], None]

DRIP = 0.02
"""Seconds between two pieces: no reader that only minds silence ever gives up."""


def drip(exchange: Exchange, piece: bytes, every: float = DRIP) -> None:
    """Send it over and over, so that the connection is never silent for long."""
    exchange.close_connection = True
    with contextlib.suppress(OSError):
        while not exchange.server.stopping.wait(every):
            exchange.wfile.write(piece)


def status_line(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 O")
    drip(exchange, b"K")


def headers(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(exchange, b"x")


def continues(exchange: Exchange) -> None:
    drip(exchange, b"HTTP/1.1 100 Continue\r\n\r\n")


def continues_at_once(exchange: Exchange) -> None:
    drip(exchange, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.0)


def body(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    drip(exchange, b" ")


def body_without_length(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(exchange, b" ")


def chunks(exchange: Exchange) -> None:
    exchange.begin()
    drip(exchange, b"1\r\n \r\n")


def refusal(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 409 Conflict\r\nContent-Length: 1000000\r\n\r\n")
    drip(exchange, b" ")


ENDLESS: list[Script] = [
    status_line,
    headers,
    continues,
    continues_at_once,
    body,
    body_without_length,
    chunks,
    refusal,
]
"""Answers that go on for ever."""


def large(exchange: Exchange) -> None:
    exchange.answer(200, b"x" * LARGE)


def gzipped(exchange: Exchange) -> None:
    exchange.answer(200, gzip.compress(b"x" * LARGE), Content_Encoding="gzip")


def chunked(exchange: Exchange) -> None:
    exchange.stream(*[b"x" * (LARGE // 6)] * 6)


def refused(exchange: Exchange) -> None:
    exchange.answer(409, b"x" * LARGE)


def negative(exchange: Exchange) -> None:
    exchange.begin()
    exchange.wfile.write(b"-1\r\n")
    drip(exchange, b"x" * 100_000, 0.0)


ENORMOUS: list[Script] = [large, gzipped, chunked, refused, negative]
"""Answers of `LARGE` bytes or more."""
