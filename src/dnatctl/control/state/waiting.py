"""Who waits for endpoints, and whose turn it is: namespaces in turn, within one the longest first.

Not everybody is woken when something is freed: as many as it may be enough for, and the next one as
soon as one of those was served. Who is not called does not overtake those who wait. But who is
called may ask for more than there is, and who is behind for less: as long as somebody in line has
found room himself, each that was called in vain is followed by the next one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from dnatctl.clock import Clock
from dnatctl.objects import Key
from dnatctl.pool import Pool
from dnatctl.pool.values import any_of

CALLED_AT_ONCE = 16
"""Of those who wait, so many try when something is freed; one more for each that is served."""

ON_IN_A_PULSE = 100
"""So many are called on after others were called in vain, from one pulse to the next: a look that
finds nothing takes about a millisecond, and the other pods are to have most of the time."""


class Turns:
    """Lines of names, one for each namespace. A name is in line, called, or neither."""

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Key, None]] = {}
        """By namespace. Kept while any waits."""
        self._turns: OrderedDict[str, None] = OrderedDict()
        """The namespaces: the one whose last turn was longest ago, or that got something longest
        ago, is first."""
        self._doubts: OrderedDict[str, None] = OrderedDict()
        """The same for calls of one: most are in vain, and to take the turn with them would keep a
        namespace from being first when there is something to be had, time after time."""
        self._called: set[Key] = set()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def join(self, key: Key) -> None:
        """The name waits. One that was called did not get what it waited for: it is last now."""
        if key.namespace not in self._lines:
            self._lines[key.namespace] = OrderedDict()
            for order in (self._turns, self._doubts):
                order[key.namespace] = None
                order.move_to_end(key.namespace, last=False)
        self._called.discard(key)
        self._lines[key.namespace].setdefault(key)

    def leave(self, key: Key) -> None:
        """The name waits no more. One that was called got what it waited for."""
        served = key in self._called
        self._called.discard(key)
        if key.namespace in self._lines:
            if served:
                self._turns.move_to_end(key.namespace)
            self._lines[key.namespace].pop(key, None)
            if not (self._called or any(self._lines.values())):
                for kept in (self._lines, self._turns, self._doubts):
                    kept.clear()

    def must_wait(self, key: Key, rivals: Callable[[str], bool] = lambda _: True) -> bool:
        """Whether others have waited for longer, and the name was not called.

        `rivals`: which namespaces want the same.
        """
        return key not in self._called and any(
            rivals(namespace) and any(other != key for other in line)
            for namespace, line in self._lines.items()
        )

    def call(self, most: int, may: Callable[[str], bool] = lambda _: True) -> list[Key]:
        """The next ones of namespaces that `may`, `most` of them; they are in line no more."""
        called: list[Key] = []
        order = self._turns if most > 1 else self._doubts
        while len(called) < most:
            namespace = next((n for n in order if self._lines[n] and may(n)), None)
            if namespace is None:
                break
            key, _ = self._lines[namespace].popitem(last=False)
            order.move_to_end(namespace)
            called.append(key)
        self._called.update(called)
        return called


class Waiting:
    """Who waits for an endpoint: for the pool to have one, or for something else to change, such as
    what is used of the quota of its namespace."""

    def __init__(self, pool: Pool, lock: threading.RLock, clock: Clock) -> None:
        self._pool = pool
        self._lock = lock
        self._clock = clock
        self._for_room = Turns()
        self._for_else = Turns()
        self._rested_at = float("-inf")
        """When the next endpoint has rested."""
        self._early: dict[Key, float] = {}
        """Who found room when others had waited for longer, and since when (monotonic)."""
        self._calls_on = ON_IN_A_PULSE

    def begin(self, key: Key, *, for_pool: bool, early: bool = False) -> None:
        """The key got no endpoint; it is called when it may get one.

        `for_pool`: the pool has none for it, or has one, but it came too `early`.
        """
        with self._lock:
            if early:
                self._early.setdefault(key, self._clock.monotonic())
            else:
                self._early.pop(key, None)
            (self._for_else if for_pool else self._for_room).leave(key)
            (self._for_room if for_pool else self._for_else).join(key)

    def end(self, key: Key) -> None:
        """The key got what it wanted, or wants nothing."""
        with self._lock:
            self._early.pop(key, None)
            self._for_room.leave(key)
            self._for_else.leave(key)

    def comes_later(self, key: Key, gateway_id: str) -> bool:
        """Whether others have waited for longer for the pool, and it is not the key's turn to get
        something of that gateway."""
        with self._lock:
            offer = self._pool.offer(gateway_id)
            return offer is not None and self._for_room.must_wait(key, offer.serves)

    def early_s(self, key: Key) -> float:
        """For how many seconds there has been room for the key, and others before it."""
        with self._lock:
            now = self._clock.monotonic()
            return now - self._early.get(key, now)

    def call_on(self) -> list[Key]:
        """One was called in vain: who is next, as long as somebody who waits has found room."""
        with self._lock:
            if not self._early or self._calls_on <= 0:
                return []
            self._calls_on -= 1
            return self._for_room.call(1)

    def call(self, most: int = CALLED_AT_ONCE) -> list[Key]:
        """Something was freed: whose turn it is to try."""
        now = self._clock.monotonic()

        def has_room(namespace: str) -> bool:
            left = self._pool.quotas.left(namespace, now)
            return left is None or left > 0

        reserved = tuple(name for offer in self._pool.offers() for name in offer.namespaces)
        own_names = any_of(reserved)

        def has_own(namespace: str) -> bool:
            return own_names.match(namespace) is not None

        with self._lock:
            # Those for whom gateways are reserved may get what nobody else can, so that a call of
            # all may be in vain for each of them.
            own = self._for_room.call(most, has_own) if reserved else []
            return [*own, *self._for_room.call(most), *self._for_else.call(most, has_room)]

    def pulse(self) -> list[Key]:
        """Whose turn it is as time goes by: endpoints have rested, or somebody has found room; or
        one, in case of doubt."""
        now = self._clock.monotonic()
        with self._lock:
            self._calls_on = ON_IN_A_PULSE
            rested = now >= self._rested_at
            rest = self._pool.next_rested(now)
            self._rested_at = float("inf") if rest is None else now + rest
            return self.call(CALLED_AT_ONCE if rested or self._early else 1)
