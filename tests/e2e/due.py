"""A queue whose keys become due at a time, each held once."""

import threading
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")


class DueQueue(Generic[K]):
    """Keys by the monotonic time at which they are due; the earliest one counts."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._times: dict[K, float] = {}
        self._closed = False

    def put(self, key: K, at: float = 0.0) -> None:
        """Make a key due at `time.monotonic() == at`, at once by default."""
        with self._changed:
            self._times[key] = min(at, self._times.get(key, at))
            self._changed.notify()

    def close(self) -> None:
        """End the iteration, whatever is left."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def __iter__(self) -> Iterator[K]:
        """Yield keys as they become due, until `close`."""
        while (key := self._next()) is not None:
            yield key

    def _next(self) -> K | None:
        with self._changed:
            while not self._closed:
                key = min(self._times, key=self._times.__getitem__, default=None)
                wait = None if key is None else self._times[key] - time.monotonic()
                if key is not None and wait is not None and wait <= 0:
                    del self._times[key]
                    return key
                self._changed.wait(wait)
        return None
