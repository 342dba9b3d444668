"""When to describe which gateway: all of them at leisure, one that is in trouble by itself.

A description costs calls for each gateway, so one in trouble must not cost those of twenty. It is
looked at again soon, then ever less often until it is well. Gateways that nothing but PodDNATs
names (strangers: anybody may invent some) never cause a look of their own: a few of them have their
turn whenever all others do. Pure: times are handed in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dnatctl.backoff import doubled

TROUBLED_S = (5.0, 30.0)
"""First and longest pause between two looks at a gateway that has a problem, in seconds."""

DOUBTED_S = (1.0, 30.0)
"""The same for one that is said to be otherwise than described, and is found to be well."""

STRANGERS = 10
"""Strangers that are described in one round."""

STRANGERS_LOOKS, STRANGERS_S = 3, 600.0
"""After so many looks a stranger is looked at only so often, in seconds."""


@dataclass(slots=True)
class _Watch:
    """One gateway. `troubles`: looks in a row that found a problem; `doubts` since the last round
    over all; `doubted` since it was asked for last; `looks` at a stranger."""

    last: float = float("-inf")
    next: float = float("-inf")
    troubles: int = 0
    doubts: int = 0
    doubted: bool = False
    looks: int = 0


class Rounds:
    """Which gateways are to be described, and when."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._all_due = float("-inf")
        self._all_doubted = False
        """Whether all were doubted since they were last asked for."""
        self._held_until = float("-inf")
        self._failures = 0
        self._watches: dict[str, _Watch] = defaultdict(_Watch)

    def due(
        self, wanted: Collection[str], now: float, strangers: Collection[str] = frozenset()
    ) -> set[str]:
        """The gateways to describe now; one that was never described is due at once, but for
        `strangers`, which are not among the wanted. None for a while after a failure, whatever is
        doubted meanwhile.
        """
        for gateway_id in self._watches.keys() - set(wanted) - set(strangers):
            del self._watches[gateway_id]
        for gateway_id in strangers:
            self._watches[gateway_id].next = float("inf")
        if now < self._held_until:
            return set()
        if now >= self._all_due:
            self._all_doubted = False
            asked = set(wanted) | self._turn(strangers, now)
        else:
            asked = {i for i in wanted if self._watches[i].next <= now}
        for gateway_id in asked:
            self._watches[gateway_id].doubted = False
        return asked

    def _turn(self, strangers: Collection[str], now: float) -> set[str]:
        """The strangers whose turn it is: those that were looked at least."""
        ready = [
            (watch.looks, gateway_id)
            for gateway_id in strangers
            if (watch := self._watches[gateway_id]).looks < STRANGERS_LOOKS
            or now - watch.last >= STRANGERS_S
        ]
        chosen = {gateway_id for _, gateway_id in sorted(ready)[:STRANGERS]}
        for gateway_id in chosen:
            self._watches[gateway_id].looks += 1
            self._watches[gateway_id].last = now
        return chosen

    def pause(self, now: float) -> float:
        """Seconds until the next description is due."""
        times = [self._all_due, *(watch.next for watch in self._watches.values())]
        return max(min(times), self._held_until) - now

    def described(self, troubled: Iterable[tuple[str, bool]], now: float) -> None:
        """These gateways were described, and have a problem or none. What was doubted since they
        were asked for may have come after the answer."""
        self._failures, self._held_until = 0, float("-inf")
        for gateway_id, in_trouble in troubled:
            watch = self._watches[gateway_id]
            watch.last = now
            watch.next = float("inf")
            watch.troubles = watch.troubles + 1 if in_trouble else 0
            if in_trouble:
                watch.next = now + self._pause(TROUBLED_S, watch.troubles - 1)
            elif watch.doubted:
                watch.next = now + self._pause(DOUBTED_S, max(watch.doubts - 1, 0))

    def round_done(self, now: float) -> None:
        """All were described."""
        if not self._all_doubted:
            self._all_due = now + self._idle_s
        for watch in self._watches.values():
            watch.doubts = 0

    def failed(self, now: float) -> None:
        """The cloud could not be asked: what was due stays so."""
        self._held_until = now + self._pause(TROUBLED_S, self._failures)
        self._failures += 1

    def doubt(self, gateway_id: str) -> None:
        """A gateway is not as described. Its own looks go on if it is known to be in trouble."""
        watch = self._watches[gateway_id]
        watch.doubted = True
        if not watch.troubles:
            watch.next = min(watch.next, watch.last + self._pause(DOUBTED_S, watch.doubts))
            watch.doubts += 1

    def doubt_all(self) -> None:
        """None may be as described."""
        self._all_doubted = True
        self._all_due = float("-inf")

    def _pause(self, bounds: tuple[float, float], turn: int) -> float:
        return min(doubled(bounds, turn), self._idle_s)
