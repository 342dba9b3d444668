"""What says of endpoints that they were had, besides the word of whoever wrote a PodDNAT.

What is *held* for a PodDNAT is noted where only the controller writes: a fixed pod that is away has
no row to show. What was *in use* had a row, or is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dnatctl.compact import Multimap
from dnatctl.model import Endpoint
from dnatctl.pool.claims import NO_ENDPOINTS


class Proofs:
    """What is held, by UID, and what was in use. `lapsed`: UIDs for which less is held than before,
    as their PodDNATs claim less: what is noted of them is to follow."""

    def __init__(self) -> None:
        self.lapsed: set[str] = set()
        self._held: dict[str, frozenset[Endpoint]] = {}
        self._holders: Multimap[Endpoint] = Multimap()
        """The same by endpoint."""
        self._in_use: set[Endpoint] = set()

    def hold(self, uid: str, endpoints: Iterable[Endpoint]) -> bool:
        """These endpoints were that PodDNAT's before, and no others; whether any were known."""
        known = self._held.pop(uid, None)
        for endpoint in known or ():
            self._holders.discard(endpoint, uid)
        if held := frozenset(endpoints):
            self._held[uid] = held
            for endpoint in held:
                self._holders.add(endpoint, uid)
            self._in_use |= held
        return known is not None

    def lapse(self, uid: str, claimed: Iterable[Endpoint]) -> None:
        """The PodDNAT claims these now: others are held for it no more, should it ever name them
        again. They may be somebody else's by then."""
        held = self.held(uid)
        if not held.issubset(claimed):
            self.hold(uid, held.intersection(claimed))
            self.lapsed.add(uid)

    def held(self, uid: str) -> frozenset[Endpoint]:
        """What is held for that PodDNAT."""
        return self._held.get(uid, NO_ENDPOINTS)

    def holds(self, uid: str, endpoints: Iterable[Endpoint]) -> bool:
        """Whether all of these endpoints are held for that PodDNAT."""
        return self.held(uid).issuperset(endpoints)

    def holders(self, endpoint: Endpoint) -> Collection[str]:
        """The UIDs of those that the endpoint is held for."""
        return self._holders.at(endpoint)

    def had_row(self, endpoint: Endpoint) -> None:
        """A row has gone that took traffic to the endpoint."""
        self._in_use.add(endpoint)

    def was_in_use(self, endpoint: Endpoint) -> bool:
        """Whether anybody has had it since it was free."""
        return endpoint in self._in_use

    def freed(self, endpoint: Endpoint) -> None:
        """Nobody claims it any more."""
        self._in_use.discard(endpoint)
