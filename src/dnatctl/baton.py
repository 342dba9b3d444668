"""One at a time thinks: what a thread of several that do the same holds while it does not wait.

Threads of Python share one interpreter. Of n that have something to compute each gets it for an
n-th of the time, and everybody else no more than that: a few busy workers keep the threads that
hear the cluster's news from it. Those that pass a baton on compete with the others as one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

MOST_S = 0.1
"""Longest wait for a baton of who comes back to its work; who begins some waits ten times as long.
It guards nothing: whoever forgets to put it down before a long wait makes the others slower, and
does not stop them."""


class _InLine(NamedTuple):
    """Of a thread in line. `called`: a lock that is let go when its turn has come."""

    thread: int
    called: threading.Lock


class Baton:
    """In one thread's hand at a time, except where that has kept it for longer than `most_s`.

    Handed over in the order in which it was asked for; first to those that have begun something.
    """

    def __init__(self, most_s: float = MOST_S) -> None:
        self._guard = threading.Lock()
        self._most_s = most_s
        self._holder = 0
        """The identifier of the thread that has it."""
        self._back: deque[_InLine] = deque()
        self._new: deque[_InLine] = deque()

    @contextmanager
    def in_hand(self) -> Iterator[bool]:
        """For this thread's next piece of work; says whether it has it. Others have it during what
        is within `put_down`."""
        token = _current.set(self)
        try:
            yield self._take(self._new, 10 * self._most_s)
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
            self._take(self._back, self._most_s)

    def _take(self, line: deque[_InLine], most_s: float) -> bool:
        me = _InLine(threading.get_ident(), threading.Lock())
        with self._guard:
            if not self._holder:
                self._holder = me.thread
                return True
            me.called.acquire()
            line.append(me)
        if me.called.acquire(timeout=most_s):
            return True
        with self._guard:
            if self._holder == me.thread:
                return True  # called just now
            line.remove(me)
        return False

    def _give(self) -> None:
        with self._guard:
            if self._holder != threading.get_ident():
                return
            line = self._back or self._new
            following = line.popleft() if line else None
            self._holder = following.thread if following else 0
        if following:
            following.called.release()


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
