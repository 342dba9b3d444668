"""Whose turn it is: who has had least of the workers' time.

Counting keys would not do. One tenant's keys may each keep a worker a hundred times as long as
another's, and whoever has several keys to each of the others' would wait for all of theirs. This is
start-time fair queueing (P. Goyal, H. Vin, H. Cheng, SIGCOMM 1996). Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

LEAST_S = 0.001
"""What each turn counts at least: while nobody knows how long it takes, turns are counted."""

MOST_S = 1.0
"""What each turn counts at most: where the API server is slow for a share, that is not all its own
doing, and others are kept free of it by `Slowness`."""

HEAD_START_S = 0.2
"""What one may have less than whoever had their turn last: time for all looks at one pod. One that
needs less than its part is never behind others, and who was away has saved up no more than this."""

FORGET_EVERY = 1000
"""Shares, after so many of which those that do not matter any more are forgotten."""


class Shares:
    """What each share has had of the workers' time, in seconds."""

    def __init__(self) -> None:
        self._had: dict[Hashable, float] = {}
        self._level = 0.0
        """The most that anybody had had when their turn came."""
        self._most = FORGET_EVERY

    def had(self, share: Hashable) -> float:
        """What the share counts as having had: the one with the least is next."""
        return max(self.had_itself(share), self._level - HEAD_START_S)

    def had_itself(self, share: Hashable) -> float:
        """What the share has had, as far as that is known still."""
        return self._had.get(share, 0.0)

    def taken(self, share: Hashable) -> None:
        """A key of the share is given to a worker."""
        had = self.had(share)
        self._level = max(self._level, had)
        self._had[share] = had + LEAST_S
        if len(self._had) > self._most:
            least = self._level - HEAD_START_S
            self._had = {share: had for share, had in self._had.items() if had > least}
            self._most = len(self._had) + FORGET_EVERY

    def even_out(self, waiting: Collection[Hashable]) -> None:
        """There are workers with nothing to do, so that what was had took nothing from anybody but
        those who wait all the same: all others are even. Whoever had the workers alone until now
        would else come after all who are new."""
        self._had = {share: self._had[share] for share in waiting if share in self._had}

    def worked(self, share: Hashable, seconds: float) -> None:
        """Work on a key of the share took so long."""
        more = min(seconds, MOST_S) - LEAST_S
        if more > 0:
            self._had[share] = self.had(share) + more
