"""A lock that tells whether it is held."""

from __future__ import annotations

import threading


class WatchedLock:
    """As `threading.RLock`, in a `with` statement."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    @property
    def held(self) -> bool:
        """Whether a thread has it."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1
        self._lock.release()
