"""Damping: a name whose claim changes again and again waits between changes.

Each change may cost rows of a table and endpoints that rest; whoever edits an annotation in a loop
would have both without end. A person who corrects a mistake notices nothing of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from dnatctl.objects import Key
from dnatctl.plan.exposure import Problem
from dnatctl.plan.values import CHANGES_A_MINUTE, Allowance

MINUTE_S = 60.0


class Damper:
    """When names took new endpoints. Times are seconds on the monotonic clock."""

    def __init__(self, changes: int = CHANGES_A_MINUTE) -> None:
        self._changes = changes
        self._taken: OrderedDict[Key, deque[float]] = OrderedDict()
        """The last of each, the name whose last was longest ago first."""

    def took(self, key: Key, now: float) -> None:
        """The name took new endpoints."""
        self._taken.setdefault(key, deque(maxlen=self._changes)).append(now)
        self._taken.move_to_end(key)
        while now - next(iter(self._taken.values()))[-1] >= MINUTE_S:
            self._taken.popitem(last=False)

    def hold(self, key: Key, now: float) -> Allowance | None:
        """Why the name may take no more now; None if it may."""
        taken = self._taken.get(key)
        if taken is None or len(taken) < self._changes:
            return None
        wait = taken[0] + MINUTE_S - now
        if wait <= 0:
            return None
        text = f"the ports of this pod have changed {self._changes} times within a minute"
        problem = Problem("ChangesTooOften", f"{text}: it has to wait for new endpoints")
        return Allowance(0, problem, wait)
