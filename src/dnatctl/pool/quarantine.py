"""Quarantine: endpoints that rest after use, so that nobody gets traffic meant for another pod.

A claim to an endpoint that rests is let go of only once the next leader would know of it: that is
noted in the Lease (`handover`), and whoever waits for it is told.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import Key

NONE: Mapping[int, float] = {}


class Quarantine:
    """Endpoints that are not to be handed out yet. Times are seconds on the monotonic clock.

    Each counts for the namespace that caused it to rest, where that is known.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[Endpoint, float] = {}
        self._ports: defaultdict[tuple[str, Protocol], dict[int, float]] = defaultdict(dict)
        """The same by external IP and protocol: a pick goes past thousands of ports that rest."""
        self._all_until = float("-inf")
        self._ends: list[tuple[float, Endpoint]] = []
        """A heap; what was begun anew since is in it with its old time as well."""
        self._counted_for: dict[Endpoint, str] = {}
        self._counts: Counter[str] = Counter()
        self._retired: set[Endpoint] = set()
        """Claimed ones whose rows are gone: their claims are to go, or to be changed."""
        self._noted: set[Endpoint] = set()
        self._waiting: set[Key] = set()

    def retime(self, seconds: float) -> None:
        """So long rests what begins to from now on."""
        self._seconds = seconds

    def begin(self, endpoint: Endpoint, now: float, namespace: str | None = None) -> None:
        """The endpoint rests for the full time from now on."""
        self._forget(now)  # nobody may ask for months
        self._set(endpoint, now + self._seconds)
        self._count(endpoint, namespace)

    def retire(
        self, endpoints: Iterable[Endpoint], may_rest: Callable[[Endpoint], bool], now: float
    ) -> bool:
        """The rows of these claimed endpoints are gone, so they rest, if they may, from now on.

        Only the first time; returns whether that is so of any.
        """
        new = [endpoint for endpoint in endpoints if endpoint not in self._retired]
        self._retired.update(new)
        for endpoint in filter(may_rest, new):
            self._noted.discard(endpoint)
            self.begin(endpoint, now)
        return bool(new)

    def let_go(self, endpoints: Iterable[Endpoint]) -> None:
        """Nobody claims these as before: whoever does next retires them anew."""
        self._retired.difference_update(endpoints)

    def wait_for_note(self, key: Key) -> None:
        """Who has retired endpoints, and goes on when that is noted."""
        self._waiting.add(key)

    def noted(self, is_noted: Callable[[Endpoint], bool]) -> set[Key]:
        """The next leader would let those rest; returns who waited for that."""
        self._noted = set(filter(is_noted, self._retired))
        waiting, self._waiting = self._waiting, set()
        return waiting

    def awaits_note(self) -> bool:
        """Whether anybody waits for that."""
        return bool(self._waiting)

    def is_durable(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint is retired, and its rest is noted, or over already."""
        over = self._until.get(endpoint, now) <= now
        return endpoint in self._retired and (endpoint in self._noted or over)

    def resume(self, remaining: Mapping[Endpoint, float], now: float) -> None:
        """Take over what an earlier run began: seconds that remain for each endpoint."""
        for endpoint, seconds in remaining.items():
            until = now + min(seconds, self._seconds)
            self._set(endpoint, max(until, self._until.get(endpoint, until)))

    def resume_all(self, seconds: float, now: float) -> None:
        """An earlier run knows only that endpoints rest, not which: so all do."""
        self._all_until = now + min(seconds, self._seconds)

    def all_left(self, now: float) -> float:
        """Seconds for which all endpoints rest."""
        return max(self._all_until - now, 0.0)

    def holds(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint still rests."""
        return max(self._until.get(endpoint, now), self._all_until) > now

    def ports(self, ip: str, protocol: Protocol) -> Mapping[int, float]:
        """Until when each port of that IP rests by itself; the time of some may be over."""
        return self._ports.get((ip, protocol), NONE)

    def remaining(self, now: float) -> dict[Endpoint, float]:
        """Seconds that remain for each endpoint; those whose time is over are forgotten."""
        self._forget(now)
        return {endpoint: until - now for endpoint, until in self._until.items()}

    def count(self, namespace: str, now: float) -> int:
        """How many endpoints rest because of that namespace."""
        self._forget(now)
        return self._counts[namespace]

    def total(self, now: float) -> int:
        """How many endpoints rest."""
        self._forget(now)
        return len(self._until)

    def next_end(self, now: float) -> float | None:
        """Seconds until the first of those that rest does no more; None if none rests."""
        self._forget(now)
        return self._ends[0][0] - now if self._ends else None

    def _set(self, endpoint: Endpoint, until: float) -> None:
        self._until[endpoint] = until
        self._ports[endpoint.ip, endpoint.protocol][endpoint.port] = until
        heapq.heappush(self._ends, (until, endpoint))

    def _forget(self, now: float) -> None:
        while self._ends:
            until, endpoint = self._ends[0]
            if self._until.get(endpoint) == until:
                if until > now:
                    return
                self._drop(endpoint)
            heapq.heappop(self._ends)

    def _drop(self, endpoint: Endpoint) -> None:
        del self._until[endpoint]
        place = endpoint.ip, endpoint.protocol
        del self._ports[place][endpoint.port]
        if not self._ports[place]:
            del self._ports[place]
        self._count(endpoint)

    def _count(self, endpoint: Endpoint, namespace: str | None = None) -> None:
        """From now on the endpoint counts for that namespace, or for none."""
        before = self._counted_for.pop(endpoint, None)
        if before:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if namespace:
            self._counted_for[endpoint] = namespace
            self._counts[namespace] += 1
