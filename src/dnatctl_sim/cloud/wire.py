"""HTTP/1.1 as far as RPC clients use it: requests with a length, answers in one piece."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Literal

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 8 * 1024 * 1024


class BadRequestError(Exception):
    """Bytes that are not an HTTP request this server takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case; `reused`: not the first on its connection."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    reused: bool = False

    @property
    def parameters(self) -> str:
        """The encoded parameters, from the query and from a form, as the vendor's gateway reads."""
        if self.headers.get("content-type") != "application/x-www-form-urlencoded":
            return self.query
        return f"{self.query}&{self.body.decode()}"

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to use the connection again."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "application/json;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def render(self, *, keep_alive: bool, now: datetime) -> bytes:
        """Head and body as one piece: two would wait for each other's acknowledgement."""
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}",
            f"Date: {format_datetime(now, usegmt=True)}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Cut:
    """No answer: the connection ends, in order (`close`) or not (`reset`), or one begins that never
    ends (`drip`).
    """

    how: Literal["close", "reset", "drip"]


Answer = Reply | Cut
Life = Generator[float, None, Answer]
"""The life of a call: the seconds it wants to wait, one wait after another, then its answer."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


def take_request(buffer: bytearray, *, reused: bool) -> Request | None:
    """Remove one request from the front of `buffer`, or return None until it is all there.

    Raises BadRequestError.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > LARGEST_HEAD:
            raise BadRequestError("head too large")
        return None
    first, *rest = buffer[:end].decode("latin-1").split("\r\n")
    headers = dict(_header(line) for line in rest)
    length = _length(headers)
    if len(buffer) < end + 4 + length:
        return None
    method, path, query = _target(first)
    body = bytes(buffer[end + 4 : end + 4 + length])
    del buffer[: end + 4 + length]
    return Request(method, path, query, headers, body, reused)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise BadRequestError("malformed header")
    return name.lower(), value.strip()


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError("a body needs a Content-Length")
    text = headers.get("content-length", "0")
    if not text.isdecimal() or int(text) > LARGEST_BODY:
        raise BadRequestError("bad Content-Length")
    return int(text)


def _target(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1":
        raise BadRequestError("malformed request line")
    path, _, query = parts[1].partition("?")
    return parts[0], path, query
