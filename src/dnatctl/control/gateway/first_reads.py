"""Turns for the first readings of tables: a gateway serves as soon as its own table is read.

Where calls are limited, twenty tables that are read at once are all read late. So the first one has
the limit for itself, and after that a few share it. Times are those of the monotonic clock.
"""

from __future__ import annotations

import threading

AT_ONCE = 2
"""Tables that are read for the first time at once, once one has been read."""

LONGEST_S = 4.0
"""A reading that takes longer holds up no other: its gateway may not answer."""

GOLDEN = (5**0.5 - 1) / 2
"""However many multiples of it are taken, their fractions lie as far apart as so many can."""


class FirstReads:
    """Who reads a table for the first time. Any thread may call it."""

    def __init__(self) -> None:
        self._ended = float("-inf")
        self._lock = threading.Lock()
        self._begun: dict[object, float] = {}
        self._numbers: dict[str, int] = {}
        self._most = 1

    def turn(self, gateway_id: str) -> float:
        """When to read the table again, at leisure: a part of the time in which all are, 0 to 1."""
        with self._lock:
            number = self._numbers.setdefault(gateway_id, len(self._numbers))
        return number * GOLDEN % 1.0

    def settled(self, now: float) -> float:
        """When the last table was read for the first time: now, while one is being read."""
        with self._lock:
            return now if self._begun else self._ended

    def begin(self, reader: object, now: float) -> bool:
        """Whether it is that reader's turn; it says so when it is over. A gateway that left and
        came back may have two for a while."""
        with self._lock:
            if sum(now - at < LONGEST_S for at in self._begun.values()) >= self._most:
                return False
            self._begun[reader] = now
            return True

    def end(self, reader: object, now: float, *, read: bool) -> None:
        """The turn is over; `read`: the table has been read."""
        with self._lock:
            del self._begun[reader]
            if read:
                self._most = AT_ONCE
                self._ended = now
