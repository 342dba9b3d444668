"""A cloud that does not answer: how long it is left alone.

Where the cloud is away, each write learns so by itself, and all try again, each in its own time.
So after a few calls in a row without an answer one write is tried now and then, for all; any answer
ends that. Pure: times are handed in (monotonic clock, seconds).
"""

from __future__ import annotations

from dnatctl.backoff import doubled

UNANSWERED = 3
"""So many calls in a row without an answer are no accident of one write."""

AWAY_PAUSE_S = (1.0, 5.0)
"""First and longest pause of a table's writes while the cloud does not answer. Short, as it may be
that just these few writes get no answer, and others wait behind them."""


class Silence:
    """Counts the writes to one table that were not answered."""

    def __init__(self) -> None:
        self._calls = 0
        self.until = float("-inf")
        """Not before is anything to be sent."""

    @property
    def lasts(self) -> bool:
        """Whether the cloud is taken to be away."""
        return self._calls >= UNANSWERED

    def unanswered(self, now: float) -> None:
        """A write got no answer, as is known at `now`."""
        self._calls += 1
        if self.lasts:
            self.until = now + doubled(AWAY_PAUSE_S, self._calls - UNANSWERED)

    def heard(self) -> None:
        """The cloud has answered."""
        self._calls = 0
        self.until = float("-inf")
