"""The keys of a work queue that are due, each share's in a line of its own."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from itertools import count
from typing import Generic, TypeVar

from dnatctl.control.state.shares import Shares

K = TypeVar("K")


class Due(Generic[K]):
    """Keys, and since when they are due: of the share that has had least, the oldest first.

    `share` tells whose a key is, `shares` what each has had. Not thread-safe.
    """

    def __init__(self, share: Callable[[K], Hashable], shares: Shares) -> None:
        self._share = share
        self._shares = shares
        self._lines: dict[Hashable, OrderedDict[K, float]] = {}
        """By share. None is empty."""
        self._order: list[tuple[float, int, Hashable]] = []
        """A heap of shares by what they had had when they were put there: it may be more by now,
        and nothing be left of a line."""
        self._ordered: set[Hashable] = set()
        """Those in the heap, each once."""
        self._numbers = count()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __contains__(self, key: K) -> bool:
        return key in self._lines.get(self._share(key), ())

    def add(self, key: K, since: float) -> None:
        """The key is due since then (seconds, monotonic clock)."""
        share = self._share(key)
        self._lines.setdefault(share, OrderedDict())[key] = since
        if share not in self._ordered:
            self._put(share)

    def pop(self, key: K) -> float | None:
        """Take that key out; since when it has been due, None if it is not."""
        share = self._share(key)
        line = self._lines.get(share, OrderedDict())
        since = line.pop(key, None)
        if since is not None and not line:
            del self._lines[share]
        return since

    def next(self, barred: Collection[Hashable]) -> tuple[K, float] | None:
        """Take out the key whose turn it is, of shares that are not barred."""
        aside: list[Hashable] = []
        found = None
        while self._order and found is None:
            had, _, share = heapq.heappop(self._order)
            self._ordered.discard(share)
            if share in barred:
                aside.append(share)
            elif had < self._shares.had_itself(share):
                self._put(share)
            elif share in self._lines:
                found = self._first_of(share)
        for share in aside:
            self._put(share)
        return found

    def _first_of(self, share: Hashable) -> tuple[K, float]:
        line = self._lines[share]
        taken = line.popitem(last=False)
        self._shares.taken(share)
        if line:
            self._put(share)
        else:
            del self._lines[share]
        return taken

    def _put(self, share: Hashable) -> None:
        self._ordered.add(share)
        heapq.heappush(self._order, (self._shares.had(share), next(self._numbers), share))

    @property
    def waiting(self) -> Collection[Hashable]:
        """The shares that have keys."""
        return self._lines.keys()

    def reorder(self) -> None:
        """Whose turn is next is found anew: some count as having had less than before."""
        self._order.clear()
        self._ordered.clear()
        for share in self._lines:
            self._put(share)

    def clear(self) -> None:
        """Forget all keys."""
        self._lines.clear()
