"""The wire to an API server: requests, errors and streams of lines; no models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from dnatctl.clock import Clock, SystemClock
from dnatctl.kube.cancel import Canceller

Observer = Callable[[str, str, str, float], None]
"""Told of every request: HTTP method, resource (`pods`, `poddnats/status`), code, seconds.

The code is the HTTP status, or `<error>` where no answer came. It runs on the requesting thread.
"""

Query = Mapping[str, str | int]

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON = "application/json"


class LineStream:
    """The lines of a streamed answer, as they come; `close` works from any thread."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole lines without their end.

        A last line without its end is dropped. Raises KubeError (UNKNOWN) where the connection
        broke or stayed silent for longer than the read timeout, CANCELLED after `close`.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the stream now; a thread that waits in it wakes up."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class KubeClient:
    """Requests to one API server. Thread-safe."""

    host: str
    """The server's URL, for logs and metrics."""

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

        With `kubeconfig`, that file; without, the service account of the pod this runs in, and
        outside of pods the files named by KUBECONFIG or ~/.kube/config. `pool_size` is the number
        of connections kept: one for each worker and each watch. Raises KubeConfigError.
        """
        raise NotImplementedError(kubeconfig, pool_size, context, observer, clock or SystemClock())

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
        waited through, in seconds (connecting: 3 at most). Nothing is repeated here. Raises
        KubeError.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def close(self) -> None:
        """Close the idle connections. The client stays usable."""
        raise NotImplementedError
