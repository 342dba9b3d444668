"""Claims: which PodDNAT has which endpoints recorded, and whose claim stands where several do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from dnatctl.compact import Multimap
from dnatctl.model import Endpoint
from dnatctl.objects import PodDNATSpec

NO_ENDPOINTS: Final[frozenset[Endpoint]] = frozenset()
"""No endpoints, as one object: an empty set takes as much as the claim that it is part of."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one PodDNAT claims, and how many rows that takes. `created` dates the PodDNAT.

    `beyond`: endpoints that it names and does not have, as its namespace may have no more.
    `leaving`: the PodDNAT is being deleted.
    """

    uid: str
    created: str
    spec: PodDNATSpec
    rows: int
    namespace: str = ""
    beyond: frozenset[Endpoint] = NO_ENDPOINTS
    leaving: bool = False

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What it has: each once."""
        named = dict.fromkeys(self.spec.endpoints())
        return tuple(endpoint for endpoint in named if endpoint not in self.beyond)


class Freed(NamedTuple):
    """An endpoint of a gateway that nobody claims any more. `used`: there may have been a row.
    `namespace`: whom it was counted for.
    """

    gateway_id: str
    endpoint: Endpoint
    used: bool
    namespace: str = ""


class Claims:
    """An index over the specs of all PodDNATs."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Claim] = {}
        self._claimants: Multimap[Endpoint] = Multimap()
        self._rows: Counter[str] = Counter()
        self._ips: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """How many claims name an external IP, by gateway."""
        self._counted_for: dict[Endpoint, str] = {}
        self._counts: Counter[str] = Counter()
        """Claimed endpoints by namespace: one that several claim counts once."""
        self._since: dict[tuple[str, Endpoint], int] = {}
        self._unused: set[Endpoint] = set()
        """Claimed endpoints that there is and was no row for, for certain."""
        self._sequence: int | None = None

    def open(self) -> None:
        """All that was claimed before is known: claims are dated from now on."""
        self._sequence = self._sequence or 0

    @property
    def is_open(self) -> bool:
        """Whether `open` was called."""
        return self._sequence is not None

    def since(self, uid: str, endpoint: Endpoint) -> int:
        """Orders claims to an endpoint by when they were made; 0 for all of before `open`."""
        return self._since.get((uid, endpoint), 0)

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """Rows for these may have been made: what of them is claimed counts as used."""
        self._unused.difference_update(endpoints)

    def unuse(self, endpoints: Iterable[Endpoint]) -> None:
        """No row was made for these after all."""
        self._unused.update(endpoint for endpoint in endpoints if endpoint in self._claimants)

    def is_unused(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is claimed, and there never was a row for it since it was free.

        Of what was claimed before `open` nobody knows that.
        """
        return endpoint in self._unused

    def get(self, uid: str) -> Claim | None:
        """The claim of the PodDNAT with that UID."""
        return self._by_uid.get(uid)

    def specs(self) -> Mapping[str, PodDNATSpec]:
        """What is claimed, by PodDNAT UID."""
        return {uid: claim.spec for uid, claim in self._by_uid.items()}

    def rows(self, gateway_id: str) -> int:
        """How many rows the claims to that gateway take."""
        return self._rows[gateway_id]

    def gateways(self) -> set[str]:
        """The gateways that PodDNATs name."""
        return set(self._ips)

    def ips(self, gateway_id: str) -> list[str]:
        """The external IPs of that gateway that PodDNATs name."""
        return list(self._ips.get(gateway_id, ()))

    def put(self, claim: Claim) -> list[Freed]:
        """Record a claim in place of its PodDNAT's former one; returns what that freed."""
        old = self._by_uid.get(claim.uid)
        self._by_uid[claim.uid] = claim
        self._rows[claim.spec.gateway_id] += claim.rows
        self._ips[claim.spec.gateway_id][claim.spec.external_ip] += 1
        claimed = claim.endpoints()
        for endpoint in claimed:
            uids = self._claimants.at(endpoint)
            if not uids:
                self._count(endpoint, claim.namespace)
            if self._sequence is not None and claim.uid not in uids:
                self._sequence += 1
                self._since[claim.uid, endpoint] = self._sequence
                if not uids:
                    self._unused.add(endpoint)
            self._claimants.add(endpoint, claim.uid)
        return self._withdraw(old, kept=claimed) if old else []

    def drop(self, uid: str) -> list[Freed]:
        """The PodDNAT is gone; returns what that freed."""
        claim = self._by_uid.pop(uid, None)
        return self._withdraw(claim, kept=()) if claim else []

    def count(self, namespace: str) -> int:
        """How many endpoints the namespace claims."""
        return self._counts[namespace]

    def namespaces(self) -> frozenset[str]:
        """The namespaces that claim endpoints."""
        return frozenset(self._counts)

    def counted_for(self, endpoint: Endpoint) -> str | None:
        """The namespace that a claimed endpoint is counted for; None if nobody claims it."""
        return self._counted_for.get(endpoint)

    def all(self) -> list[Claim]:
        """All claims."""
        return list(self._by_uid.values())

    def is_sole(self, endpoint: Endpoint) -> bool:
        """Whether just one PodDNAT claims the endpoint."""
        return len(self._claimants.at(endpoint)) == 1

    def is_claimed(self, endpoint: Endpoint) -> bool:
        """Whether anybody claims the endpoint."""
        return endpoint in self._claimants

    def owner(self, endpoint: Endpoint, rank: Callable[[Claim], Any]) -> str:
        """The UID of the claimant that ranks lowest; empty if there is none."""
        uids = self._claimants.at(endpoint)
        return min(uids, key=lambda uid: rank(self._by_uid[uid]), default="")

    def _withdraw(self, claim: Claim, kept: Collection[Endpoint]) -> list[Freed]:
        self._rows[claim.spec.gateway_id] -= claim.rows
        self._leave(claim.spec.gateway_id, claim.spec.external_ip)
        freed = []
        for endpoint in claim.endpoints():
            if endpoint in kept:
                continue
            self._claimants.discard(endpoint, claim.uid)
            others = self._claimants.at(endpoint)
            self._since.pop((claim.uid, endpoint), None)
            counted_for = self._counted_for[endpoint]
            self._count(endpoint, next((self._by_uid[uid].namespace for uid in others), None))
            if not others:
                used = endpoint not in self._unused
                self._unused.discard(endpoint)
                freed.append(Freed(claim.spec.gateway_id, endpoint, used, counted_for))
        return freed

    def _leave(self, gateway_id: str, ip: str) -> None:
        ips = self._ips[gateway_id]
        ips[ip] -= 1
        if not ips[ip]:
            del ips[ip]
        if not ips:
            del self._ips[gateway_id]
            del self._rows[gateway_id]  # whoever writes a PodDNAT names what they like

    def _count(self, endpoint: Endpoint, namespace: str | None) -> None:
        """From now on the endpoint counts for that namespace, or for none."""
        before = self._counted_for.pop(endpoint, None)
        if before is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if namespace is not None:
            self._counted_for[endpoint] = namespace
            self._counts[namespace] += 1
