"""Which write goes first: what blocks somebody else, then creates and changes, then deletes, then
orphans; within that the namespaces take turns, so that one that asks for a thousand pods does not
hold up one that asks for five. In each class they do so anew: whoever is served by creates is not
therefore the last to have its releases done.

Every fourth write goes to a lower class that waits, each in its turn, so that none starves; only
before what blocks somebody else goes nothing.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from enum import IntEnum

from dnatctl.table.writes import DeleteRow, PendingWrite

LOWER_CLASS_EVERY = 4

REMEMBERED = 1000
"""Namespaces with nothing to be written in a class whose last turn there is still known: names come
and go."""


class Rank(IntEnum):
    """The classes of writes, in their order."""

    BLOCKING = 0
    EXPOSE = 1
    RELEASE = 2
    ORPHAN = 3


def rank_of(pending: PendingWrite, *, expedited: bool) -> Rank:
    """The class of a write; `expedited`: what is wanted for its PodDNAT blocks somebody else."""
    removes = isinstance(pending.write, DeleteRow)
    if expedited and removes:
        return Rank.BLOCKING
    if pending.orphan:
        return Rank.ORPHAN
    return Rank.RELEASE if removes else Rank.EXPOSE


class WriteTurns:
    """Whose turn it is."""

    def __init__(self) -> None:
        self._taken = 0
        self._orders: dict[Rank, _Rota] = {rank: _Rota() for rank in Rank}
        self._last = Rank.BLOCKING
        """The class of the last turn."""

    def take(self, ready: Iterable[tuple[Rank, PendingWrite]]) -> PendingWrite | None:
        """The next of these, given as first come; None if there are none."""
        firsts: dict[Rank, dict[str, PendingWrite]] = defaultdict(dict)
        for rank, pending in ready:
            firsts[rank].setdefault(pending.namespace, pending)
        if not firsts:
            return None
        self._taken += 1
        self._last = self._class(sorted(firsts))
        return self._orders[self._last].take(firsts[self._last])

    def again(self, namespace: str) -> None:
        """Nothing came of the last turn, as the table took no write: it is not counted.

        Where every other try comes too early, it would be that of the same ones each time.
        """
        self._taken -= 1
        self._orders[self._last].again(namespace)

    def _class(self, ranks: list[Rank]) -> Rank:
        turn, others = divmod(self._taken, LOWER_CLASS_EVERY)
        if others or len(ranks) == 1 or ranks[0] is Rank.BLOCKING:
            return ranks[0]
        return ranks[1 + turn % (len(ranks) - 1)]


class _Rota:
    """In which order namespaces have their turns: the one whose last was longest ago is first."""

    def __init__(self) -> None:
        self._namespaces: OrderedDict[str, None] = OrderedDict()

    def again(self, namespace: str) -> None:
        """Its last turn is not counted."""
        if namespace in self._namespaces:
            self._namespaces.move_to_end(namespace, last=False)

    def take(self, by_namespace: dict[str, PendingWrite]) -> PendingWrite:
        """The write of the one of these whose turn it is."""
        for namespace in by_namespace:
            if namespace not in self._namespaces:
                self._namespaces[namespace] = None
                self._namespaces.move_to_end(namespace, last=False)
        if len(self._namespaces) > REMEMBERED + 2 * len(by_namespace):
            kept = (namespace for namespace in self._namespaces if namespace in by_namespace)
            self._namespaces = OrderedDict.fromkeys(kept)
        chosen = next(namespace for namespace in self._namespaces if namespace in by_namespace)
        self._namespaces.move_to_end(chosen)
        return by_namespace[chosen]
