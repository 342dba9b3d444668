"""How many pods of a namespace are told at once that something is wrong with them.

Ten thousand pods with one mistake are told of it one after the other: each costs the API server
two writes, and who has a pod that could be reached in the meantime waits for them. The first are
told at once, and what is good news always is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from dnatctl.budget import UNUSED, Budget
from dnatctl.objects import Key

BUDGET = Budget(at_once=50, a_second=20.0)
"""Pods of a namespace."""

KEPT_S = 60.0
"""For how long the time of a pod that never came for it is kept, in seconds."""


class Sparing:
    """Each pod has a time of its own, so that it comes once for it.

    Thread-safe. Times are seconds on the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paid_off: dict[str, float] = {}
        """By when what was told is paid off, by namespace."""
        self._times: OrderedDict[Key, float] = OrderedDict()

    def wait(self, key: Key, now: float) -> float:
        """Seconds until the pod may be told; 0: now."""
        with self._lock:
            at = self._times.get(key)
            if at is None:
                self._forget(now)
                paid_off = self._paid_off.get(key.namespace, UNUSED)
                self._paid_off[key.namespace] = BUDGET.used(paid_off, now)
                at = self._times[key] = BUDGET.due(paid_off, now)
            if at > now:
                return at - now
            del self._times[key]
            return 0.0

    def _forget(self, now: float) -> None:
        while self._times and next(iter(self._times.values())) < now - KEPT_S:
            self._times.popitem(last=False)
        if len(self._paid_off) > len(self._times) + BUDGET.at_once:
            self._paid_off = {name: at for name, at in self._paid_off.items() if at > now}
