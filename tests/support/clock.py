"""Clocks that stand still until they are moved, and one that is wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class WrongClock:
    """The clock of a machine whose time of day is `ahead` of what it ought to be."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class FakeClock:
    """See `dnatctl.clock.Clock`. Nothing that waits in real time is woken up by `advance`."""

    def __init__(self, monotonic: float = 1000.0, now: datetime = EPOCH) -> None:
        self._monotonic = monotonic
        self._now = now

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)

    def set_back(self, seconds: float) -> None:
        """Correct the wall clock, as an administrator or NTP does."""
        self._now -= timedelta(seconds=seconds)


class ManualClock:
    """Moves only when told to; the wall clock is the machine's, which the SDK signs with."""

    def __init__(self) -> None:
        self._seconds = 1_000_000.0
        self.ahead = timedelta()

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
