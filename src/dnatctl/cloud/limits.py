"""Keeping to rate limits that nobody states: learned from refusals, one limit for each API.

The vendor counts calls per account, region and API in fixed windows of 60 s and refuses the rest
of a window once it is used up; the account is shared with consoles and other programs
(https://help.aliyun.com/en/openapi/throttling-and-quota-management). So a refusal tells how many
calls of that window were ours: that is our share until the next refusal says otherwise.

Some limits are stated by the second, and counted over the last one. What tells them apart is how
soon calls pass again: a second later there, at the end of the window here. Until that is known
calls are spread evenly, which both allow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from dnatctl.backoff import doubled
from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud.api import Stopped
from dnatctl.cloud.operation import Operation
from dnatctl.heartbeat import CALL_S, renew

WINDOW: Final = 60.0
"""Seconds over which the vendor counts."""

USUAL_RATE: Final = 300 / WINDOW
"""Calls a second that most of the vendor's APIs allow; assumed until a window has been seen whole
(https://help.aliyun.com/zh/vpc/developer-reference/api-vpc-2016-04-28-quota)."""

HEADROOM: Final = 0.95
"""How much of the share is used: the rest absorbs jitter."""

LOWEST_RATE: Final = 0.2
"""Calls a second below which a share is not believed: somebody else used the window up."""

BURST: Final = 1.0
"""Seconds' worth of calls that may go out at once after a pause."""

SECOND: Final = 1.0
"""Length of the other window that limits are stated for."""

SECOND_HEADROOM: Final = 0.97
"""How much of such a limit is used: one too many costs the time of a call, no more."""

LEAST_BACK_OFF: Final = 0.25
"""Shortest pause after a refusal, until it is known over which time calls are counted."""

SOON: Final = 2.5
"""Calls that pass again within so many seconds of a refusal were hardly refused by a window of a
minute: one in so many ends just then."""

IN_LINE_S: Final = 5.0
"""How often one who waits in line is heard of."""

_BACK_OFF_S: Final = (1.0, 16.0)
_NO_LIMIT: Final = 1000.0
_NEVER: Final = float("inf")


class AdaptiveLimit:
    """The pace of calls to one API. Pure: time is passed in, in seconds of a monotonic clock.

    It starts without a limit, or at `ceiling` calls a second. A refusal sets the pace to the
    share seen and stops the calls until one attempt, after 1, 2, 4, 8, then every 16 s or when
    the server says, gets through; the first one as soon as a limit by the second would allow.
    Every minute without a refusal raises the pace, in doubling steps, so that a raised quota or a
    departed competitor is noticed.
    """

    def __init__(self, ceiling: float | None = None) -> None:
        self._ceiling = ceiling
        self.rate = ceiling
        """Calls a second at present, None for no limit."""
        self._next_at = 0.0
        self._strikes = 0
        self._blocked_until = 0.0
        self._window_at: float | None = None
        self._raise_at = _NEVER
        self._step = 0.0
        self._accepted: deque[list[float]] = deque()
        self._lately: deque[float] = deque()
        self._peak = 0
        self._refused_at = 0.0
        self._bursts = True
        self.by_the_second = False
        """Whether calls are counted over a second, as far as is known."""

    def reserve(self, now: float) -> float:
        """0: call now, counted. Otherwise seconds to wait before asking again."""
        if now < self._blocked_until:
            return self._blocked_until - now
        self._raise(now)
        if self.rate is None:
            return 0.0
        # While it is not known whether calls pass again, they go one at a time.
        burst = BURST if self._bursts and not self._strikes else 0.0
        interval = 1.0 if self._strikes else 1 / self.rate
        wait = self._next_at - max(burst - interval, 0.0) - now
        if wait > 0:
            return wait
        self._next_at = max(self._next_at, now) + interval
        return 0.0

    def on_success(self, now: float) -> None:
        """A call was let through (whatever else was wrong with it)."""
        self._count(now)
        # One sent before the refusal says nothing about the time after it.
        if self._strikes and now >= self._blocked_until:
            self._recovered(now)
            self._strikes = 0
            self._window_at = now
            self._raise_at = now + WINDOW

    def on_throttled(self, now: float, retry_after: float | None = None) -> None:
        """A call was refused for its rate; `retry_after`: the server's hint in seconds."""
        if now < self._blocked_until:
            return
        back_off = doubled(_BACK_OFF_S, self._strikes)
        if not self._strikes:
            self._settle(now)
            self._refused_at = now
            back_off = min(self._until_room(now), back_off)
        # A hint that proved wrong is not trusted again before the next success.
        if retry_after is not None:
            back_off = max(retry_after, back_off / 2 if self._strikes else 0.0)
        self._strikes += 1
        self._blocked_until = now + back_off
        self._next_at = 0.0

    def _until_room(self, now: float) -> float:
        """Seconds until a limit by the second, if it is one, would let a call pass again."""
        if self.by_the_second and self.rate is not None:
            return 1 / self.rate
        oldest = next((at for at in self._lately if now - at <= SECOND), now)
        return max(oldest + SECOND - now, LEAST_BACK_OFF)

    def _recovered(self, now: float) -> None:
        """Calls pass again: how soon tells over which time they are counted."""
        soon = now - self._refused_at <= SOON
        self.by_the_second, self._bursts = soon, not soon
        if self.by_the_second and self.rate is not None:
            self.rate = max(self.rate, self._peak * SECOND_HEADROOM)
            self._next_at = min(self._next_at, now + 1 / self.rate)

    def _settle(self, now: float) -> None:
        """Take the share that this refusal reveals as the new pace."""
        self._bursts = False
        self._peak = sum(now - at <= SECOND for at in self._lately)
        lately, long = self._peak / SECOND * SECOND_HEADROOM, self._share(now) * HEADROOM
        share = max(lately if self.by_the_second else long, LOWEST_RATE)
        if self.rate is not None:
            # A window that somebody else used up looks like a tiny share: halve at most.
            share = max(share, self.rate / 2)
        self.rate = share if self._ceiling is None else min(share, self._ceiling)
        self._step = max(0.01 * self.rate, 0.02)
        self._raise_at = _NEVER

    def _share(self, now: float) -> float:
        """Calls a second let through in the vendor's present window."""
        if self._window_at is None:
            # Where the window began is not known, and others may have used it before us.
            return max(self._count_since(now - WINDOW) / WINDOW, USUAL_RATE)
        began = now - (now - self._window_at) % WINDOW
        return self._count_since(began) / WINDOW

    def _raise(self, now: float) -> None:
        top = _NO_LIMIT if self._ceiling is None else self._ceiling
        while self.rate is not None and self._raise_at <= now:
            self.rate += self._step
            self._step *= 2
            self._raise_at += WINDOW
            if self.rate >= top:
                self.rate, self._raise_at = self._ceiling, _NEVER

    def _count(self, now: float) -> None:
        """Remember a call, by the second, for one window."""
        self._lately.append(now)
        while self._lately[0] < now - SECOND:
            self._lately.popleft()
        second = float(int(now))
        if self._accepted and self._accepted[-1][0] == second:
            self._accepted[-1][1] += 1
        else:
            self._accepted.append([second, 1])
            while self._accepted[0][0] < now - WINDOW - 1:
                self._accepted.popleft()

    def _count_since(self, began: float) -> float:
        return sum(calls for second, calls in self._accepted if second > began - 1)


class Limits:
    """One `AdaptiveLimit` for each API, shared by all threads.

    Those who wait for the same API wait in line: only the first of them watches the clock.
    `wait(seconds)` pauses its caller and returns True if the program stops meanwhile, as
    `threading.Event.wait` does. `ceilings`: calls a second, from configuration.
    """

    def __init__(
        self,
        ceilings: Mapping[Operation, float] | None = None,
        wait: Callable[[float], bool] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._wait = wait or threading.Event().wait
        ceilings = ceilings or {}
        self._lanes = {op: _Lane(AdaptiveLimit(ceilings.get(op))) for op in Operation}

    def take(self, operation: Operation) -> None:
        """Wait for the turn to call `operation`. Raises Stopped if the program stops first, or has
        stopped before: a reading of many pages, say, goes no further then."""
        lane = self._lanes[operation]
        renew(IN_LINE_S, f"waits in line for {operation}")
        while not lane.line.acquire(timeout=IN_LINE_S):
            renew(IN_LINE_S, f"waits in line for {operation}")
        try:
            self._pause(0.0)
            while (pause := lane.reserve(self._clock.monotonic())) > 0:
                renew(pause, f"keeps to the rate limit of {operation}")
                self._pause(pause)
        finally:
            lane.line.release()
        renew(CALL_S, operation)

    def _pause(self, seconds: float) -> None:
        if self._wait(seconds):
            raise Stopped

    def passed(self, operation: Operation) -> None:
        """The call was let through by the rate limit."""
        lane = self._lanes[operation]
        with lane.lock:
            lane.limit.on_success(self._clock.monotonic())

    def throttled(self, operation: Operation, retry_after: float | None) -> None:
        """The call was refused for its rate."""
        lane = self._lanes[operation]
        with lane.lock:
            lane.limit.on_throttled(self._clock.monotonic(), retry_after)

    def rates(self) -> dict[Operation, float | None]:
        """The present pace of every API in calls a second, None where there is no limit."""
        return {operation: lane.limit.rate for operation, lane in self._lanes.items()}


class _Lane:
    """A limit with the lock that guards it and the line of those who wait for it."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.line = threading.Lock()

    def reserve(self, now: float) -> float:
        with self.lock:
            return self.limit.reserve(now)
