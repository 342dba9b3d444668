"""Time, injected: everything that needs it takes a `Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol


class Clock(Protocol):
    """Where the program gets its time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; for durations and deadlines."""
        ...

    def now(self) -> datetime:
        """The wall-clock time in UTC; only for what is shown or shared with other processes."""
        ...


_RUNS_ON: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that goes on while the machine is suspended, where there is one: the Lease does so too,
and whoever slept longer than it lasts must not write when he wakes."""


class SystemClock:
    """The clocks of the machine."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.clock_gettime(_RUNS_ON)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)


APART = timedelta(seconds=30)
"""How far a machine's clock may be from the server's: further, it is wrong, or has just jumped."""

_DATED_EVERY_S = 1.0
"""Dates have whole seconds: to read them more often would tell nothing."""

_LAST_YEAR = 2999
"""After it a time is none that one could reckon with."""

_FRESH_S = 10.0
"""An answer that took longer may have been dated long before it came."""


class _Reading(NamedTuple):
    """What the server's clock said, at a monotonic time of ours."""

    time: datetime
    at: float

    def agrees(self, other: _Reading) -> bool:
        """Whether one clock can have said both."""
        passed = timedelta(seconds=other.at - self.at)
        return abs(other.time - self.time - passed) <= APART


class ClusterClock:
    """This machine's clock, put right where the server's clock, which dates what it stores, is
    another one: `dated` is told what every answer is dated.

    From one answer to the next the monotonic clock counts, so that a jump in between is no time
    that has passed. Until the first one the machine's clock is believed; after it another time is
    when two answers in a row say so.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._read: _Reading | None = None
        self._odd: _Reading | None = None
        """What the server said last, and had not said before: it may have been a proxy's word, or
        one of several servers."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._own.monotonic()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._own.now() + self.behind()

    def behind(self) -> timedelta:
        """By how much this machine's clock is behind the server's; 0 where they agree."""
        if (read := self._read) is None:
            return timedelta()
        theirs = read.time + timedelta(seconds=self._own.monotonic() - read.at)
        apart = theirs - self._own.now()
        return apart if abs(apart) > APART else timedelta()

    def dated(self, date: str, sent: float) -> None:
        """An answer to what was sent at that monotonic time has come, dated so (RFC 9110)."""
        now = self._own.monotonic()
        last = self._odd or self._read
        if now - sent > _FRESH_S or (last and now - last.at < _DATED_EVERY_S):
            return
        if (time := parse_http_date(date)) is None:
            return
        read = _Reading(time, now)
        known = [each for each in (self._read, self._odd) if each is not None]
        if not known or any(each.agrees(read) for each in known):
            self._read, self._odd = read, None
        else:
            self._odd = read

    def notes(self) -> list[str]:
        """A line for `/readyz?verbose` while the clocks are apart."""
        behind = self.behind()
        if not behind:
            return []
        how = "behind" if behind > timedelta() else "ahead of"
        seconds = f"{abs(behind).total_seconds():.0f} s"
        text = f"this machine's clock is {seconds} {how} the API server's, whose time is used"
        return [f"[!]clock: {text}: set the one that is wrong"]


def parse_http_date(text: str) -> datetime | None:
    """The time that a server dates its answer; None for what is none."""
    try:
        time = parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return time if time.year <= _LAST_YEAR else None


class Deadline:
    """A time by which several things must be done, shared between them: `seconds` from now on."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._at = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(self._at - self._clock.monotonic(), 0.0)
