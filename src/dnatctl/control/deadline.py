"""A time by which several things must be done, shared between them."""

from __future__ import annotations

from dnatctl.clock import Clock


class Deadline:
    """`seconds` from now on, on the monotonic clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(self._at - self._clock.monotonic(), 0.0)
