"""Claims: which PodDNAT has which endpoints recorded, and whose claim stands where several do."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

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


class Seniority(NamedTuple):
    """Where a claim stands among those to one endpoint, by age: the lowest comes first.

    Who has claimed it longest (which is not the oldest PodDNAT: a claim can be written into any of
    them at any time). Of those of before the start that is not known: there, one that is being
    deleted may have been dismissed, and what it names be another's since.
    """

    since: int
    leaving: bool
    created: str
    uid: str


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
        self._contests: dict[Endpoint, list[Seniority]] = {}
        """Where several claim an endpoint: all of them, by age. Thousands may name one, and
        who is first is asked for each of these, again and again."""
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
            former = old if claim.uid in uids else None
            self._claimants.add(endpoint, claim.uid)
            self._enter(endpoint, claim, former)
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

    def claimants(self, endpoint: Endpoint) -> Collection[str]:
        """The UIDs of all that claim the endpoint."""
        return self._claimants.at(endpoint)

    def first(self, endpoint: Endpoint) -> str:
        """The UID of the claimant that comes first by age; empty if nobody claims it."""
        if contest := self._contests.get(endpoint):
            return contest[0].uid
        return next(iter(self._claimants.at(endpoint)), "")

    def seniority(self, claim: Claim, endpoint: Endpoint) -> Seniority:
        """Where that claim stands among those to the endpoint."""
        since = self.since(claim.uid, endpoint)
        return Seniority(since, claim.leaving, claim.created, claim.uid)

    def _enter(self, endpoint: Endpoint, claim: Claim, former: Claim | None) -> None:
        """The claim to that endpoint is recorded: it takes its place, its former one leaves it."""
        contest = self._contests.get(endpoint)
        if contest is None:
            self._compare(endpoint)
            return
        if former is not None:
            del contest[bisect_left(contest, self.seniority(former, endpoint))]
        insort(contest, self.seniority(claim, endpoint))

    def _compare(self, endpoint: Endpoint) -> None:
        """Put in order who claims the endpoint, where several do."""
        uids = self._claimants.at(endpoint)
        if len(uids) > 1:
            self._contests[endpoint] = sorted(
                self.seniority(self._by_uid[u], endpoint) for u in uids
            )

    def _quit(self, endpoint: Endpoint, claim: Claim) -> None:
        """The claim to that endpoint ends."""
        contest = self._contests.get(endpoint)
        if contest is None:
            return
        del contest[bisect_left(contest, self.seniority(claim, endpoint))]
        if len(contest) == 1:
            del self._contests[endpoint]

    def _withdraw(self, claim: Claim, kept: Collection[Endpoint]) -> list[Freed]:
        self._rows[claim.spec.gateway_id] -= claim.rows
        self._leave(claim.spec.gateway_id, claim.spec.external_ip)
        freed = []
        for endpoint in claim.endpoints():
            if endpoint in kept:
                continue
            self._quit(endpoint, claim)
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
