"""One at a time thinks: what a thread of several that do the same holds while it does not wait.

Threads of Python share one interpreter. Of n that have something to compute each gets it for an
n-th of the time, and everybody else no more than that: a few busy workers keep the threads that
hear the cluster's news from it. Those that pass a baton on compete with the others as one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MOST_S = 0.1
"""Longest wait for a baton. It guards nothing: whoever forgets to put it down before a long wait
makes the others slower, and does not stop them."""


class Baton:
    """In one thread's hand at a time, except where that has kept it for longer than `most_s`."""

    def __init__(self, most_s: float = MOST_S) -> None:
        self._lock = threading.Lock()
        self._most_s = most_s
        self._holder = 0

    @contextmanager
    def in_hand(self) -> Iterator[bool]:
        """For this thread's next piece of work; says whether it has it. Others have it during what
        is within `put_down`."""
        token = _current.set(self)
        try:
            yield self._take()
        finally:
            self._give()
            _current.reset(token)

    @contextmanager
    def passed_on(self) -> Iterator[None]:
        """Let others have it meanwhile."""
        self._give()
        try:
            yield
        finally:
            self._take()

    def _take(self) -> bool:
        has = self._lock.acquire(timeout=self._most_s)
        if has:
            self._holder = threading.get_ident()
        return has

    def _give(self) -> None:
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()


_current: ContextVar[Baton | None] = ContextVar("baton", default=None)


@contextmanager
def put_down() -> Iterator[None]:
    """While this thread waits for others, such as for an answer. Nothing where it has no baton."""
    baton = _current.get()
    if baton is None:
        yield
        return
    with baton.passed_on():
        yield
