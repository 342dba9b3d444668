"""A table that takes no write: since when, and what it answers.

Every table is busy at times, which is nothing to tell. One that refuses all writes as busy for long
is held up: by a row that does not settle, or by a change of its gateway. Whatever is accepted ends
that. Pure: times are handed in (monotonic clock, seconds).
"""

from __future__ import annotations

LASTS_S = 30.0
"""So long no table is busy with a write as a rule: people are told."""

IDLE_S = 30.0
"""After so long without a refusal nothing was asked: what comes then is counted anew. Tries of a
busy table are a few seconds apart."""


class Standstill:
    """Follows the writes that one table refuses as busy, or others that come to nothing. `idle_s`:
    see IDLE_S."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self.since = self._last = float("-inf")
        """`since`: when the first of these refusals came."""
        self.why = ""
        """What the table answers, once that is worth a word: the same at each try."""

    @property
    def lasted(self) -> float:
        """Seconds from the first of these refusals to the last one."""
        return self._last - self.since

    def refused(self, now: float) -> bool:
        """A write was refused as the table is busy; returns whether it has stood still for long."""
        if now - self._last > self._idle_s:
            self.over()
            self.since = now
        self._last = now
        return self.lasted >= LASTS_S

    def over(self) -> bool:
        """A write was accepted, or none is wanted; returns whether the standstill was told."""
        told, self.why = bool(self.why), ""
        self.since = self._last = float("-inf")
        return told
