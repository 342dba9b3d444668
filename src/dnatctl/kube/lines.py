"""A streamed answer, read line by line."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Protocol, Self

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from dnatctl.kube.cancel import Canceller
from dnatctl.kube.errors import Failure, KubeError, shown
from dnatctl.transport import BROKEN, Exchange

_CHUNK = 1 << 16

LONGEST_LINE = 16 << 20
"""Bytes of a line, which holds one object; see `client.LARGEST_ANSWER`."""


class Readable(Protocol):
    """What the bytes come from."""

    def read1(self, amt: int, /) -> bytes:
        """What there is, so many bytes at most; none at the end."""
        ...


class LineStream:
    """The lines of a streamed answer, as they come; `close` works from any thread.

    `silence`: seconds without a whole line after which the connection counts as dead, which
    `on_silence` is told.
    """

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        cancel: Canceller,
        exchange: Exchange,
        silence: float,
        on_silence: Callable[[], None],
    ) -> None:
        self._response = response
        self._cancel = cancel
        self._exchange = exchange
        self._silence = silence
        self._on_silence = on_silence
        self._lock = threading.Lock()
        self._reading = False
        self._ended = False
        self._interrupted = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole, non-empty lines without their end; at most one iteration is possible.

        A last line without its end is dropped. Raises KubeError: UNKNOWN where the connection
        broke or no whole line came for longer than the read timeout, TOO_LARGE for a line longer
        than LONGEST_LINE (by a chunk, where its end has come), CANCELLED after `close`.
        """
        with self._lock:
            if self._ended:
                raise KubeError(Failure.CANCELLED, "the stream is closed")
            self._reading = True
        try:
            yield from self._lines()
            self._response.read1(_CHUNK)  # urllib3 sees the end, and keeps the connection
        except BROKEN as error:
            raise self._broken(error) from error
        finally:
            self._release()
        if self._stopped:
            raise KubeError(Failure.CANCELLED, "the stream was closed")

    def close(self) -> None:
        """End the stream now; a thread that waits in it wakes up."""
        with self._lock:
            if self._ended:
                return
            if self._reading:
                # The reading thread closes the response: doing it here would take the file
                # object away under its feet.
                self._interrupted = True
                self._cancel.interrupt()
                return
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _stopped(self) -> bool:
        return self._interrupted or self._cancel.cancelled

    def _lines(self) -> Iterator[bytes]:
        begun: list[bytes] = []
        length = 0
        for chunk in self._chunks():
            lines = chunk.split(b"\n")
            rest = lines.pop()
            if lines and begun:
                lines[0] = b"".join((*begun, lines[0]))
                begun, length = [], 0
            if rest:
                begun.append(rest)
                length += len(rest)
                if length > LONGEST_LINE:
                    raise KubeError(Failure.TOO_LARGE, f"a line of more than {LONGEST_LINE} bytes")
            yield from filter(None, lines)
            if any(lines):
                # Counted from whole lines on: bytes alone may drip in for ever.
                self._exchange.extend(self._silence)

    def _chunks(self) -> Iterator[bytes]:
        answer: Readable = self._response
        if self._response.chunked and "Content-Encoding" not in self._response.headers:
            # urllib3 makes its guards anew for each read, and copies what it need not decode: that
            # is as long again as the read takes. Its `read_chunked`, which does neither, holds
            # whole lines back until the end of their chunk has come, which proxies send late.
            answer = self._exchange.answer or answer
        return iter(partial(answer.read1, _CHUNK), b"")

    def _broken(self, error: Exception) -> KubeError:
        if self._stopped:
            return KubeError(Failure.CANCELLED, "the stream was closed")
        if isinstance(error, ReadTimeoutError | TimeoutError):
            self._on_silence()
            return KubeError(Failure.UNKNOWN, "the connection fell silent")
        return KubeError(Failure.UNKNOWN, f"the stream broke: {shown(str(error))}")

    def _release(self) -> None:
        with self._lock:
            self._ended = True
        self._cancel.detach()
        with contextlib.suppress(HTTPError, OSError):
            self._response.close()
        self._response.release_conn()
