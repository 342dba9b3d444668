"""Claims: which PodDNAT has which endpoints recorded, and whose claim stands where several do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dnatctl.model import Endpoint
from dnatctl.objects import PodDNATSpec


@dataclass(frozen=True, slots=True)
class Claim:
    """What one PodDNAT claims, and how many rows that takes. `created` dates the PodDNAT."""

    uid: str
    created: str
    spec: PodDNATSpec
    rows: int


class Freed(NamedTuple):
    """An endpoint of a gateway that nobody claims any more. `used`: there may have been a row."""

    gateway_id: str
    endpoint: Endpoint
    used: bool


class Claims:
    """An index over the specs of all PodDNATs."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Claim] = {}
        self._claimants: dict[Endpoint, set[str]] = {}
        self._rows: Counter[str] = Counter()
        self._since: dict[tuple[str, Endpoint], int] = {}
        self._used: set[Endpoint] = set()
        """Claimed endpoints that there is or was a row for, as far as anybody can know."""
        self._sequence: int | None = None

    def open(self) -> None:
        """All that was claimed before is known: claims are dated from now on."""
        self._sequence = self._sequence or 0

    def since(self, uid: str, endpoint: Endpoint) -> int:
        """Orders claims to an endpoint by when they were made; 0 for all of before `open`."""
        return self._since.get((uid, endpoint), 0)

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """Rows for these may have been made: what of them is claimed counts as used."""
        self._used.update(endpoint for endpoint in endpoints if endpoint in self._claimants)

    def unuse(self, endpoints: Iterable[Endpoint]) -> None:
        """No row was made for these after all."""
        self._used.difference_update(endpoints)

    def is_unused(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is claimed, and there never was a row for it since it was free.

        Of what was claimed before `open` nobody knows that.
        """
        return endpoint in self._claimants and endpoint not in self._used

    def get(self, uid: str) -> Claim | None:
        """The claim of the PodDNAT with that UID."""
        return self._by_uid.get(uid)

    def specs(self) -> Mapping[str, PodDNATSpec]:
        """What is claimed, by PodDNAT UID."""
        return {uid: claim.spec for uid, claim in self._by_uid.items()}

    def rows(self, gateway_id: str) -> int:
        """How many rows the claims to that gateway take."""
        return self._rows[gateway_id]

    def put(self, claim: Claim) -> list[Freed]:
        """Record a claim in place of its PodDNAT's former one; returns what that freed."""
        old = self._by_uid.get(claim.uid)
        self._by_uid[claim.uid] = claim
        self._rows[claim.spec.gateway_id] += claim.rows
        claimed = claim.spec.endpoints()
        for endpoint in claimed:
            uids = self._claimants.setdefault(endpoint, set())
            if self._sequence is None:
                self._used.add(endpoint)
            if claim.uid not in uids and self._sequence is not None:
                self._sequence += 1
                self._since[claim.uid, endpoint] = self._sequence
            uids.add(claim.uid)
        return self._withdraw(old, kept=claimed) if old else []

    def drop(self, uid: str) -> list[Freed]:
        """The PodDNAT is gone; returns what that freed."""
        claim = self._by_uid.pop(uid, None)
        return self._withdraw(claim, kept=()) if claim else []

    def is_claimed(self, endpoint: Endpoint) -> bool:
        """Whether anybody claims the endpoint."""
        return endpoint in self._claimants

    def owner(self, endpoint: Endpoint, rank: Callable[[Claim], Any]) -> str:
        """The UID of the claimant that ranks lowest; empty if there is none."""
        uids = self._claimants.get(endpoint, ())
        return min(uids, key=lambda uid: rank(self._by_uid[uid]), default="")

    def _withdraw(self, claim: Claim, kept: Collection[Endpoint]) -> list[Freed]:
        self._rows[claim.spec.gateway_id] -= claim.rows
        freed = []
        for endpoint in dict.fromkeys(claim.spec.endpoints()):
            if endpoint in kept:
                continue
            self._claimants[endpoint].discard(claim.uid)
            self._since.pop((claim.uid, endpoint), None)
            if not self._claimants[endpoint]:
                del self._claimants[endpoint]
                used = endpoint in self._used
                self._used.discard(endpoint)
                freed.append(Freed(claim.spec.gateway_id, endpoint, used))
        return freed
