"""Who has which endpoints, and which rest: the part of the pool that remembers.

What is claimed and was never asked of the cloud is free again as if it had never been claimed; what
there may have been a row for rests first. Pure: times are handed in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from dnatctl.model import USUAL_PORTS, Endpoint, ForwardEntry, PortRange
from dnatctl.objects import Key, PodDNATSpec
from dnatctl.orders import Orders
from dnatctl.pool.claims import NO_ENDPOINTS, Claim, Claims, Freed, Seniority
from dnatctl.pool.gateway import OfferedGateway
from dnatctl.pool.handover import Resting
from dnatctl.pool.packing import rows_of
from dnatctl.pool.proofs import Proofs
from dnatctl.pool.quarantine import Quarantine
from dnatctl.pool.quota import Quota, Quotas
from dnatctl.pool.trust import Trust
from dnatctl.pool.values import GatewayPool
from dnatctl.table.view import Table


def _no_limit(_namespace: str) -> None:
    return None


class Holdings:
    """Claims and quarantines of the endpoints of some gateways."""

    def __init__(
        self,
        offers: Iterable[GatewayPool],
        tables: Mapping[str, Table],
        quarantine_s: float,
        quota: Quota = _no_limit,
    ) -> None:
        self._gateways = {offer.gateway_id: OfferedGateway(offer) for offer in offers}
        self._tables = tables
        self._claims = Claims()
        self._quarantine = Quarantine(quarantine_s)
        self.quotas = Quotas(quota, self._claims, self._quarantine)
        """What of its quota a namespace has used."""
        self.proofs = Proofs()
        self._dismissed: set[str] = set()
        """PodDNATs that are done with and that the API server does not let go."""
        self.trust = Trust()
        self.orders = Orders()
        """What people have ordered: nothing new is put on what is drained or paused."""

    # --- what is offered

    def offer_again(self, offers: Iterable[GatewayPool], quarantine_s: float) -> None:
        """The configuration has changed. What is claimed and offered no longer stays its claimant's
        to the end, and nothing new is put there: see `OfferedGateway.leaving`."""
        self._quarantine.retime(quarantine_s)
        fresh = {offer.gateway_id: offer for offer in offers}
        claimed: dict[str, list[tuple[Endpoint, str]]] = defaultdict(list)
        for claim in self._claims.all():
            has = (e for e in claim.endpoints() if self.owner(e) == claim.uid)
            claimed[claim.spec.gateway_id] += ((e, claim.namespace) for e in has)
        known, lined = self._gateways, {i: g.known for i, g in self._gateways.items()}
        # Those of the configuration first, in its order: of equal ones the first is drawn from.
        # A new mapping: others may be going through the old one, without the lock.
        offered = {i: known.get(i) or OfferedGateway(offer) for i, offer in fresh.items()}
        self._gateways = offered | {i: g for i, g in known.items() if i not in fresh}
        for gateway_id, gateway in self._gateways.items():
            gateway.offer_again(fresh.get(gateway_id), claimed[gateway_id])
            self._line_up(gateway, lined.get(gateway_id, frozenset()))
        for claim in self._claims.all():  # how many rows one takes may be otherwise now
            rows = self._rows_of(claim.spec, claim.beyond)
            self._claims.put(replace(claim, rows=rows))

    def _line_up(self, gateway: OfferedGateway, before: frozenset[str]) -> None:
        """More external IPs of the gateway are known than before: out of their lines with what is
        claimed of them already."""
        new = gateway.known - before
        if not new:
            return
        for claim in self._claims.all():
            spec = claim.spec
            if spec.gateway_id == gateway.offer.gateway_id and spec.external_ip in new:
                for endpoint in claim.endpoints():
                    gateway.take(endpoint)

    def emptied(self) -> list[str]:
        """Gateways that have left the configuration and that nothing of ours is left on."""
        return [i for i, gateway in self._gateways.items() if gateway.left and self._is_empty(i)]

    def drop(self, gateway_id: str) -> None:
        """Forget a gateway that has left the configuration."""
        self._gateways = {i: gateway for i, gateway in self._gateways.items() if i != gateway_id}

    def _is_empty(self, gateway_id: str) -> bool:
        table = self._tables.get(gateway_id)
        claimed = any(claim.spec.gateway_id == gateway_id for claim in self._claims.all())
        return not claimed and not (table is not None and table.owners())

    # --- claims

    def claim(
        self,
        uid: str,
        created: str,
        spec: PodDNATSpec,
        now: float,
        namespace: str = "",
        *,
        leaving: bool = False,
    ) -> None:
        """Record what the PodDNAT with that UID claims now, in place of what it claimed before.

        What is beyond the quota of its namespace it does not have; asked again, it may. One that
        was dismissed claims nothing. `leaving`: it is being deleted.
        """
        old = self._claims.get(uid)
        if uid in self._dismissed:
            return
        if old is not None and (old.spec, old.leaving) == (spec, leaving) and not old.beyond:
            return
        beyond = self._beyond(old, uid, spec, namespace, now)
        if old is not None and (old.spec, old.leaving, old.beyond) == (spec, leaving, beyond):
            return
        self.proofs.lapse(uid, spec.endpoints())
        gateway = self._gateways.get(spec.gateway_id)
        rows = self._rows_of(spec, beyond)
        made = Claim(uid, created, spec, rows, namespace, beyond, leaving)
        self._rest(self._claims.put(made), now)
        if old is None or _place(old.spec) != _place(spec):
            moved = old is not None and bool(old.spec.gateway_id)
            self.trust.engaged(uid, spec.gateway_id, spec.external_ip, now, moved=moved)
        for endpoint in spec.endpoints():
            if gateway is not None and endpoint not in beyond:
                gateway.take(endpoint)

    def _rows_of(self, spec: PodDNATSpec, beyond: frozenset[Endpoint]) -> int:
        gateway = self._gateways.get(spec.gateway_id)
        pack = gateway is not None and gateway.offer.pack
        ports = [port for port in spec.ports if spec.endpoint(port) not in beyond]
        return len(rows_of(ports, pack=pack))

    def _beyond(
        self, old: Claim | None, uid: str, spec: PodDNATSpec, namespace: str, now: float
    ) -> frozenset[Endpoint]:
        """Endpoints of a claim that its namespace may not have."""
        if not self._claims.is_open:
            return NO_ENDPOINTS
        has = frozenset(old.endpoints() if old else ())
        new = [endpoint for endpoint in dict.fromkeys(spec.endpoints()) if endpoint not in has]
        is_proven = partial(self.is_proven, uid, spec.gateway_id)
        return self.quotas.beyond(namespace, new, is_proven, now) or NO_ENDPOINTS

    def is_proven(self, uid: str, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether more than the word of whoever wrote the PodDNAT says that it has the endpoint."""
        return uid in self._with_row(gateway_id, endpoint) or self.proofs.holds(uid, [endpoint])

    def _with_row(self, gateway_id: str, endpoint: Endpoint) -> frozenset[str]:
        """Whose rows of that gateway take traffic to the endpoint."""
        table = self._tables.get(gateway_id)
        return frozenset(row.owner for row in table.covering(endpoint)) if table else frozenset()

    def open(self) -> None:
        """All claims of before are known; which claim came first counts from now on.

        Where a namespace has more than it may, the older claims stand. What is offered no more and
        is proven was offered once: the configuration has changed before this start. What only a
        table tells that is not read yet is decided by `table_read`.
        """
        self._claims.open()
        self._settle(list(self._claims.all()))

    def table_read(self, gateway_id: str) -> None:
        """The rows of that gateway are known now, for the first time."""
        if self._claims.is_open:
            self._settle([c for c in self._claims.all() if c.spec.gateway_id == gateway_id])

    def rows_found(self, uid: str) -> None:
        """Rows are known to be that PodDNAT's now that were not before."""
        claim = self._claims.get(uid)
        if claim is not None and self._claims.is_open:
            self._keep(claim)

    def _keep(self, claim: Claim) -> None:
        """What the claim is proven to have was offered to it once, whatever is offered now."""
        if gateway := self._gateways.get(claim.spec.gateway_id):
            proven = (e for e in claim.endpoints() if self._is_proven_claim(claim, e))
            gateway.keep(proven, claim.namespace)

    def _settle(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._keep(claim)
        namespaces = {claim.namespace for claim in claims}
        for claim, beyond in list(self.quotas.excess(namespaces, self._may_be_proven)):
            self._give_up(claim, beyond)

    def _may_be_proven(self, claim: Claim, endpoint: Endpoint) -> bool:
        """Whether the claim is proven, or the table that would tell has not been read yet."""
        gateway = self._gateways.get(claim.spec.gateway_id)
        table = self._tables.get(claim.spec.gateway_id)
        if gateway is not None and not (table is not None and table.read_once):
            return gateway.may_offer(endpoint)
        return self._is_proven_claim(claim, endpoint)

    def _is_proven_claim(self, claim: Claim, endpoint: Endpoint) -> bool:
        return self.is_proven(claim.uid, claim.spec.gateway_id, endpoint)

    def _give_up(self, claim: Claim, beyond: frozenset[Endpoint]) -> None:
        self._claims.unuse(e for e in beyond if self._claims.is_sole(e))
        reduced = replace(claim, rows=self._rows_of(claim.spec, beyond), beyond=beyond)
        self._rest(self._claims.put(reduced), 0.0)

    def claiming_namespaces(self) -> frozenset[str]:
        """The namespaces that claim endpoints."""
        return self._claims.namespaces()

    def readmit(self, uid: str, now: float) -> None:
        """Let a claim have what was beyond the quota, as far as there is room now."""
        claim = self._claims.get(uid)
        if claim is not None and claim.beyond:
            self.claim(uid, claim.created, claim.spec, now, claim.namespace, leaving=claim.leaving)

    def beyond(self, uid: str) -> frozenset[Endpoint]:
        """Endpoints that the PodDNAT claims and does not have."""
        claim = self._claims.get(uid)
        return claim.beyond if claim else NO_ENDPOINTS

    def has_nothing(self, uid: str) -> bool:
        """Whether all that the PodDNAT claims is beyond the quota."""
        claim = self._claims.get(uid)
        return claim is not None and bool(claim.beyond) and not claim.endpoints()

    def dismiss(self, uid: str, now: float) -> bool:
        """The PodDNAT is done with and stays nevertheless: what it names is free as if it had gone.

        Returns whether it had claimed anything.
        """
        claim = self._claims.get(uid)
        if claim is None:
            return False
        self.let_go(claim.spec.endpoints())
        freed = self.unclaim(uid, now)
        self._dismissed.add(uid)
        return freed

    def recall(self, uid: str) -> bool:
        """There is a pod for it again: it may claim, after everybody who has done so meanwhile.

        Returns whether it had been dismissed.
        """
        dismissed = uid in self._dismissed
        self._dismissed.discard(uid)
        return dismissed

    def unclaim(self, uid: str, now: float) -> bool:
        """The PodDNAT is gone; returns whether it had claimed anything."""
        claim = self._claims.get(uid)
        self._dismissed.discard(uid)
        self.proofs.lapse(uid, ())
        self._rest(self._claims.drop(uid), now)
        self.trust.forget(uid)
        return claim is not None and bool(claim.spec.ports)

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
        that is first by age: see `Seniority`.
        """
        uids, first = self._claims.claimants(endpoint), self._claims.first(endpoint)
        if len(uids) < 2:
            return first
        # Thousands may claim it: only those are compared for whom anything speaks.
        with_row = {i: self._with_row(i, endpoint) for i in self._tables}
        proven = set(self.proofs.holders(endpoint)).union(*with_row.values())

        def rank(claim: Claim) -> tuple[bool, bool, Seniority]:
            has_row = claim.uid in with_row.get(claim.spec.gateway_id, ())
            held = self.proofs.holds(claim.uid, (endpoint,))
            return (not has_row, not held, self._claims.seniority(claim, endpoint))

        may_stand = map(self._claims.get, {first, *proven.intersection(uids)})
        return min(filter(None, may_stand), key=rank).uid

    def may_rest(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint could ever be handed out: what could not need not rest.

        A PodDNAT may claim whatever its author likes. What is proven to have been in use was handed
        out by another process, before the configuration changed: it may change back.
        """
        return self.proofs.was_in_use(endpoint) or any(
            gateway.may_offer(endpoint) or endpoint in gateway.leaving
            for gateway in self._gateways.values()
        )

    def _rest(self, freed: Iterable[Freed], now: float) -> None:
        """What nobody can be talking to need not rest: it is as if it had never been claimed."""
        every = list(freed)
        for gateway_id, endpoint, used, namespace in every:
            if used and self.may_rest(endpoint):
                self._quarantine.begin(endpoint, now, namespace)
            if used and (gateway := self._gateways.get(gateway_id)):
                gateway.give_back(endpoint, used=True)
        for gateway_id, endpoint, used, _ in reversed(every):
            if not used and (gateway := self._gateways.get(gateway_id)):
                gateway.give_back(endpoint, used=False)
        for gateway_id, endpoint, _, _ in every:
            self.proofs.freed(endpoint)
            if gateway := self._gateways.get(gateway_id):
                gateway.leaving.discard(endpoint)

    # --- quarantine

    def retire(self, endpoints: Iterable[Endpoint], now: float, key: Key | None = None) -> bool:
        """The rows of these are gone: keep them from being handed out for the quarantine time.

        It begins the first time that they are retired; returns whether any is just now. `key`: who
        goes on when that is noted for the next leader.
        """
        if key is not None:
            self._quarantine.wait_for_note(key)
        return self._quarantine.retire(endpoints, self.may_rest, now)

    def let_go(self, endpoints: Iterable[Endpoint]) -> None:
        """A PodDNAT claims these no more."""
        self._quarantine.let_go(endpoints)

    def durable(self, endpoints: Iterable[Endpoint], now: float) -> frozenset[Endpoint]:
        """Of these, the retired ones whose quarantine is noted, or is over already."""
        return frozenset(e for e in endpoints if self._quarantine.is_durable(e, now))

    def need_not_rest(self, endpoints: Iterable[Endpoint], uid: str) -> frozenset[Endpoint]:
        """Of these, which that PodDNAT claims, those that it may let go of as they are.

        There never was a row for them, or they are another PodDNAT's, so that this one has no right
        to have them rest, or it was dismissed, and they have begun to.
        """
        if uid in self._dismissed:
            return frozenset(endpoints)
        beyond = self.beyond(uid)
        return frozenset(
            e
            for e in endpoints
            if self.is_unused(e) or self.owner(e) not in ("", uid) or e in beyond
        )

    def vacate(self, entry: ForwardEntry, now: float, namespace: str | None = None) -> None:
        """A row of ours is gone: what nobody claims of it rests from now on.

        It counts for that namespace.

        What is claimed rests when the claim to it ends.
        """
        if entry.protocol is None:
            return
        for port in self._ports_in_use(entry.external_ports):
            endpoint = Endpoint(entry.external_ip, port, entry.protocol)
            if self._claims.is_claimed(endpoint):
                self._claims.use([endpoint])
                self.proofs.had_row(endpoint)
            else:
                self._quarantine.begin(endpoint, now, namespace)

    def _ports_in_use(self, ports: PortRange) -> Iterable[int]:
        """Those of a row's ports that pods may have had: of a row as wide as all ports, which was
        made by hand, only what is offered or was."""
        if len(ports) <= USUAL_PORTS:
            return ports
        return {
            port for gateway in self._gateways.values() for port in gateway.offered_ports(ports)
        }

    def inherit(self, resting: Resting, now: float) -> None:
        """Take over the quarantines of the last leader, of what is offered no more as well."""
        each = resting.each()
        self._quarantine.resume(each or {}, now)
        too_many = resting.spans if each is None else ()
        seconds = max([resting.everything, *(span.seconds for span in too_many)])
        self._quarantine.resume_all(seconds, now)

    def noted(self, resting: Resting) -> set[Key]:
        """This is stored for the next leader; returns who waited for that."""
        return self._quarantine.noted(resting.covers)

    def awaits_note(self) -> bool:
        """Whether anybody waits for what rests to be noted."""
        return self._quarantine.awaits_note()

    def all_rest(self, now: float) -> float:
        """Seconds for which no endpoint at all is handed out."""
        return self._quarantine.all_left(now)

    def rests(self, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint is in quarantine; a claim does not end that."""
        return self._quarantine.holds(endpoint, now)

    def next_rested(self, now: float) -> float | None:
        """Seconds until the next endpoint has rested; None if none rests."""
        return self._quarantine.next_end(now)

    def quarantined(self, now: float) -> dict[Endpoint, float]:
        """Seconds that remain for each endpoint in quarantine."""
        return self._quarantine.remaining(now)


def _place(spec: PodDNATSpec) -> tuple[str, str]:
    return spec.gateway_id, spec.external_ip
