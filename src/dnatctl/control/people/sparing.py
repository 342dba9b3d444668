"""How many pods of a namespace are told at once that something is wrong with them.

Ten thousand pods with one mistake are told of it one after the other: each costs the API server
two writes, and who has a pod that could be reached in the meantime waits for them. The first are
told at once, and what is good news always is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from dnatctl.objects import Key

AT_ONCE = 50
"""Pods of a namespace that has been quiet."""

A_SECOND = 20.0
"""Pods of a namespace in the long run."""

KEPT_S = 60.0
"""For how long the time of a pod that never came for it is kept, in seconds."""


class Sparing:
    """Each pod has a time of its own, so that it comes once for it.

    Thread-safe. Times are seconds on the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}
        """By when what was told is paid off, by namespace."""
        self._times: OrderedDict[Key, float] = OrderedDict()

    def wait(self, key: Key, now: float) -> float:
        """Seconds until the pod may be told; 0: now."""
        with self._lock:
            at = self._times.get(key)
            if at is None:
                self._forget(now)
                paid = max(self._free_at.get(key.namespace, now), now)
                self._free_at[key.namespace] = paid + 1 / A_SECOND
                at = self._times[key] = paid - (AT_ONCE - 1) / A_SECOND
            if at > now:
                return at - now
            del self._times[key]
            return 0.0

    def _forget(self, now: float) -> None:
        while self._times and next(iter(self._times.values())) < now - KEPT_S:
            self._times.popitem(last=False)
        if len(self._free_at) > len(self._times) + AT_ONCE:
            self._free_at = {name: at for name, at in self._free_at.items() if at > now}
