"""A clock that moves when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds
        self._epoch = datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=self.seconds)

    def jump(self, seconds: float) -> None:
        """Set the time of day to another one, as an administrator or NTP does."""
        self._epoch += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
