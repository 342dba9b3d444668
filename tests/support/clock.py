"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


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
