"""Which shares of the work take long, so that they never have all the workers.

Workers are for whoever has work, and a share alone may have all of them. But where the API server
is slow for some namespaces (a webhook of theirs), each of their keys keeps a worker for seconds:
several such namespaces would hold all of them for as long. Pure: times are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

SLOW_S = 1.0
"""Work on one key takes milliseconds; from here on it is the API server that takes long."""

BELIEVED_S = 60.0
"""For so long a share is taken to be as it was the last time."""


class Slowness:
    """Keeps one worker of several free of shares that are slow, as long as others are not."""

    def __init__(self, workers: float) -> None:
        self._most = max(workers - 1, 1)
        self._slow: dict[Hashable, float] = {}
        """By share: until when it is believed."""
        self._quick_until = float("-inf")

    def finished(self, share: Hashable, took: float, now: float) -> bool:
        """Work on a key of that share took so many seconds; whether it is slow no more."""
        if took >= SLOW_S:
            self._slow[share] = now + BELIEVED_S
            return False
        self._quick_until = now + BELIEVED_S
        return self._slow.pop(share, None) is not None

    def barred(self, in_work: Collection[tuple[Hashable, float]], now: float) -> set[Hashable]:
        """Shares of which no more keys are to be given out now.

        `in_work`: of each key that a worker has, the share, and since when.
        """
        self._slow = {share: until for share, until in self._slow.items() if until > now}
        slow = {*self._slow, *(share for share, since in in_work if now - since >= SLOW_S)}
        held = sum(share in slow for share, _ in in_work)
        return slow if held >= self._most and now < self._quick_until else set()
