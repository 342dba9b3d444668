"""Who has which endpoints, and which rest: the part of the pool that remembers.

What is claimed and was never asked of the cloud is free again as if it had never been claimed; what
there may have been a row for rests first. Pure: times are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dnatctl.model import Endpoint, ForwardEntry, PortRange
from dnatctl.objects import PodDNATSpec
from dnatctl.pool.claims import Claim, Claims, Freed
from dnatctl.pool.gateway import OfferedGateway
from dnatctl.pool.packing import rows_of
from dnatctl.pool.quarantine import Quarantine
from dnatctl.pool.trust import Trust
from dnatctl.pool.values import GatewayPool
from dnatctl.table.view import Table


class Holdings:
    """Claims and quarantines of the endpoints of some gateways."""

    def __init__(
        self,
        offers: Iterable[GatewayPool],
        tables: Mapping[str, Table],
        quarantine_s: float,
    ) -> None:
        self._gateways = {offer.gateway_id: OfferedGateway(offer) for offer in offers}
        self._tables = tables
        self._claims = Claims()
        self._quarantine = Quarantine(quarantine_s)
        self._held: dict[str, frozenset[Endpoint]] = {}
        self.trust = Trust()

    # --- claims

    def claim(self, uid: str, created: str, spec: PodDNATSpec, now: float) -> None:
        """Record what the PodDNAT with that UID claims now, in place of what it claimed before."""
        old = self._claims.get(uid)
        if old is not None and old.spec == spec:
            return
        gateway = self._gateways.get(spec.gateway_id)
        pack = gateway is not None and gateway.offer.pack
        rows = len(rows_of(spec.ports, pack=pack))
        self._rest(self._claims.put(Claim(uid, created, spec, rows)), now)
        if old is None or _place(old.spec) != _place(spec):
            moved = old is not None and bool(old.spec.gateway_id)
            self.trust.engaged(spec.gateway_id, spec.external_ip, now, moved=moved)
        for endpoint in spec.endpoints():
            if gateway is not None:
                gateway.line(endpoint.ip, endpoint.protocol).take(endpoint.port)

    def open(self) -> None:
        """All claims of before are known; which came first counts from now on."""
        self._claims.open()

    def unclaim(self, uid: str, now: float) -> bool:
        """The PodDNAT is gone; returns whether it had claimed anything."""
        claim = self._claims.get(uid)
        self._rest(self._claims.drop(uid), now)
        self.trust.forget(uid)
        return claim is not None and bool(claim.spec.ports)

    def hold(self, uid: str, endpoints: Iterable[Endpoint]) -> bool:
        """These endpoints were that PodDNAT's before, and no others; whether any were known."""
        known = self._held.pop(uid, None)
        if held := frozenset(endpoints):
            self._held[uid] = held
        return known is not None

    def holds(self, uid: str, endpoints: Iterable[Endpoint]) -> bool:
        """Whether all of these endpoints are held for that PodDNAT."""
        return self._held.get(uid, frozenset()).issuperset(endpoints)

    def claims(self) -> Mapping[str, PodDNATSpec]:
        """All claims by PodDNAT UID."""
        return self._claims.specs()

    def claim_of(self, uid: str) -> PodDNATSpec | None:
        """What the PodDNAT with that UID claims."""
        claim = self._claims.get(uid)
        return claim.spec if claim else None

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """There may be rows for these claimed endpoints from now on: they rest afterwards."""
        self._claims.use(endpoints)

    def unuse(self, endpoints: Iterable[Endpoint]) -> None:
        """There are no rows for these after all, and never were."""
        self._claims.unuse(endpoints)

    def is_unused(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is claimed, and there never was a row for it since it was free."""
        return self._claims.is_unused(endpoint)

    def owner(self, endpoint: Endpoint) -> str:
        """The UID whose claim to the endpoint stands; empty if there is none.

        Of several, the one that has a row for it, else the one that it is held for, else the one
        that has claimed it longest (which is not the oldest PodDNAT: a claim can be written into
        any of them at any time).
        """

        def rank(claim: Claim) -> tuple[bool, bool, int, str, str]:
            table = self._tables.get(claim.spec.gateway_id)
            rows = table.covering(endpoint) if table else []
            has_row = any(row.owner == claim.uid for row in rows)
            since = self._claims.since(claim.uid, endpoint)
            held = self.holds(claim.uid, (endpoint,))
            return (not has_row, not held, since, claim.created, claim.uid)

        return self._claims.owner(endpoint, rank)

    def may_rest(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint could ever be handed out: what could not need not rest.

        A PodDNAT may claim whatever its author likes.
        """
        return any(gateway.may_offer(endpoint) for gateway in self._gateways.values())

    def _rest(self, freed: Iterable[Freed], now: float) -> None:
        """What nobody can be talking to need not rest: it is as if it had never been claimed."""
        every = list(freed)
        for gateway_id, endpoint, used in every:
            if used and self.may_rest(endpoint):
                self._quarantine.begin(endpoint, now)
            if used and (gateway := self._gateways.get(gateway_id)):
                gateway.line(endpoint.ip, endpoint.protocol).give_back(endpoint.port)
        for gateway_id, endpoint, used in reversed(every):
            if not used and (gateway := self._gateways.get(gateway_id)):
                gateway.line(endpoint.ip, endpoint.protocol).put_back(endpoint.port)

    # --- quarantine

    def retire(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """Keep endpoints from being handed out for the quarantine time, beginning now."""
        for endpoint in filter(self.may_rest, endpoints):
            self._quarantine.begin(endpoint, now)

    def vacate(self, entry: ForwardEntry, now: float) -> None:
        """A row of ours is gone: what nobody claims of it rests from now on.

        What is claimed rests when the claim to it ends; what is never handed out need not rest (a
        row may have been made as wide as all ports by hand).
        """
        if entry.protocol is None:
            return
        for port in self._offered_ports(entry.external_ports):
            endpoint = Endpoint(entry.external_ip, port, entry.protocol)
            if self._claims.is_claimed(endpoint):
                self._claims.use([endpoint])
            else:
                self._quarantine.begin(endpoint, now)

    def _offered_ports(self, ports: PortRange) -> set[int]:
        """Those of the ports that any gateway offers, however wide the range is said to be."""
        return {
            port
            for gateway in self._gateways.values()
            for port in ports.common(gateway.offer.ports)
        }

    def restore(self, remaining: Mapping[Endpoint, float], now: float) -> None:
        """Take over quarantines of an earlier run: seconds that remain for each endpoint."""
        self._quarantine.resume(remaining, now)

    def restore_all(self, seconds: float, now: float) -> None:
        """An earlier run knows only that endpoints rest, not which."""
        self._quarantine.resume_all(seconds, now)

    def all_rest(self, now: float) -> float:
        """Seconds for which no endpoint at all is handed out."""
        return self._quarantine.all_left(now)

    def rests(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint is in quarantine; a claim does not end that."""
        return self._quarantine.holds(endpoint, now)

    def quarantined(self, now: float) -> dict[Endpoint, float]:
        """Seconds that remain for each endpoint in quarantine."""
        return self._quarantine.remaining(now)


def _place(spec: PodDNATSpec) -> tuple[str, str]:
    return spec.gateway_id, spec.external_ip
