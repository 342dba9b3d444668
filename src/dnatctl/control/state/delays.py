"""The keys of a work queue that wait, for a time or for the end of their back-off."""

from __future__ import annotations

import heapq
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K")


class Priority(IntEnum):
    """What is taken first."""

    HIGH = 0
    """Something changed just now."""
    LOW = 1
    """The first list, and resync: nobody waits for it in particular."""


class Delays(Generic[K]):
    """Keys that wait: each at most once for a time, and at most once for its back-off.

    Times are seconds on a monotonic clock. Not thread-safe.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[K, bool], tuple[float, int, Priority]] = {}
        self._heap: list[tuple[float, int, K, bool]] = []
        """Also holds what was cancelled or replaced: its number is not that in `_waiting`."""
        self._numbers = count()

    def add(self, key: K, when: float, priority: Priority, *, backoff: bool) -> bool:
        """Have it wait until then at most; whether that is now the first time of all."""
        held = self._waiting.get((key, backoff))
        if held is not None:
            priority = min(priority, held[2])
            if held[0] <= when:
                self._waiting[key, backoff] = (held[0], held[1], priority)
                return False
        first = self.next()
        number = next(self._numbers)
        self._waiting[key, backoff] = (when, number, priority)
        heapq.heappush(self._heap, (when, number, key, backoff))
        return first is None or when < first

    def cancel(self, key: K, *, backoff: bool) -> None:
        """It waits no longer, whether or not it did."""
        self._waiting.pop((key, backoff), None)

    def next(self) -> float | None:
        """The first time of all."""
        while self._heap:
            when, number, key, backoff = self._heap[0]
            held = self._waiting.get((key, backoff))
            if held is not None and held[1] == number:
                return when
            heapq.heappop(self._heap)
        return None

    def over(self, now: float) -> list[tuple[K, Priority]]:
        """Take out those whose time has come."""
        keys: list[tuple[K, Priority]] = []
        while (first := self.next()) is not None and first <= now:
            _, _, key, backoff = heapq.heappop(self._heap)
            keys.append((key, self._waiting.pop((key, backoff))[2]))
        return keys
