"""What is left behind, as those tell who notice it; the sweeper sees to it in its own time."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dnatctl.clock import Clock
from dnatctl.objects import Key

REMEMBERED_S = 600.0
"""How long a PodDNAT that vanished without rows is remembered: a create may be under way for it, or
its table be read only then."""
MOST_UNREAD = 10_000
"""PodDNATs remembered that vanished while their tables were unread, the latest of them. Whoever
stands by sees every PodDNAT go, for weeks."""


class Vanished(NamedTuple):
    """A PodDNAT that was seen to go: its name, when (monotonic), and its creationTimestamp."""

    key: Key
    at: float
    created: str = ""


class Told(NamedTuple):
    """What was told since it was last asked for.

    `in_the_way`: UIDs of PodDNATs whose rows stand in a living pod's way. `vanished`: PodDNATs that
    are gone and had rows, were to get some, or may have had some, by UID. `unlisted`: adopted rows
    that are gone, by gateway: they are to leave the ledger.
    """

    in_the_way: frozenset[str]
    vanished: Mapping[str, Vanished]
    unlisted: Mapping[str, set[str]]


class Remains:
    """Every method is quick and may be called from any thread. `soon` is set where the sweeper
    should look at once.
    """

    def __init__(self, clock: Clock) -> None:
        self.soon = threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._unread: dict[str, Vanished] = {}
        """Those of tables that nobody has read yet, oldest first."""
        self._reset()

    def in_the_way(self, uid: str) -> None:
        """Rows of that PodDNAT, if orphaned, stand in a living pod's way."""
        with self._lock:
            self._in_the_way.add(uid)

    def vanished(self, uid: str, key: Key, created: str = "") -> None:
        """A PodDNAT is gone that had rows, or was to get some."""
        with self._lock:
            self._vanished[uid] = Vanished(key, self._clock.monotonic(), created)
        self.soon.set()

    def vanished_unread(self, uid: str, key: Key, created: str = "") -> None:
        """A PodDNAT is gone whose table nobody has read yet, so that there is no saying whether it
        had rows; or it was lost with them. Kept for REMEMBERED_S, as there may be no sweeper for
        weeks."""
        now = self._clock.monotonic()
        with self._lock:
            self._unread.pop(uid, None)
            self._unread[uid] = Vanished(key, now, created)
            self._forget_unread(now)

    def unlisted(self, gateway_id: str, entry_ids: Iterable[str]) -> None:
        """These adopted rows of that gateway are gone."""
        if gone := set(entry_ids):
            with self._lock:
                self._unlisted[gateway_id] |= gone
            self.soon.set()

    def unstruck(self) -> bool:
        """Whether rows are to leave the ledger."""
        with self._lock:
            return bool(self._unlisted)

    def take(self) -> Told:
        """All that was told since the last time."""
        with self._lock:
            self._forget_unread(self._clock.monotonic())
            vanished = {**self._unread, **self._vanished}
            told = Told(frozenset(self._in_the_way), vanished, self._unlisted)
            self._unread = {}
            self._reset()
            return told

    def _forget_unread(self, now: float) -> None:
        while self._unread:
            uid, oldest = next(iter(self._unread.items()))
            if now - oldest.at <= REMEMBERED_S and len(self._unread) <= MOST_UNREAD:
                return
            del self._unread[uid]

    def _reset(self) -> None:
        self._in_the_way: set[str] = set()
        self._vanished: dict[str, Vanished] = {}
        self._unlisted: defaultdict[str, set[str]] = defaultdict(set)
