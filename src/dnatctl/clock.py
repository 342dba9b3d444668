"""Time, injected: everything that needs it takes a `Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the program gets its time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; for durations and deadlines."""
        ...

    def now(self) -> datetime:
        """The wall-clock time in UTC; only for what is shown or shared with other processes."""
        ...


class SystemClock:
    """The clocks of the machine."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)


class Deadline:
    """A time by which several things must be done, shared between them: `seconds` from now on."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(self._at - self._clock.monotonic(), 0.0)
