"""Which endpoints are free, and which ones a pod gets.

Truth lies in the PodDNATs (claims) and the forward tables (rows); this is an index over both, made
anew at each start. An endpoint may be handed out if no PodDNAT claims it, no row covers it, and its
quarantine is over. Pure: times are handed in, nothing is locked, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from dnatctl.model import Endpoint, ForwardEntry, GatewayEip, Protocol
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool.claims import Claim, Claims, Freed
from dnatctl.pool.gateway import OfferedGateway
from dnatctl.pool.line import Line
from dnatctl.pool.packing import rows_of, runs_of
from dnatctl.pool.quarantine import Quarantine
from dnatctl.pool.trust import Trust
from dnatctl.pool.values import Allocation, Demand, GatewayPool, Shortage, Wanted
from dnatctl.table.view import Table, why_unread


class Pool:
    """The endpoints that the configuration lets dnatctl hand out."""

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

    # --- gateways

    def describe(
        self, gateway_id: str, eips: Iterable[GatewayEip], problem: str, zone_id: str = ""
    ) -> bool:
        """Take in what the cloud says of a gateway; returns whether anything changed.

        `zone_id` counts where the configuration names none.
        """
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.describe(eips, problem, zone_id)

    def offer(self, gateway_id: str) -> GatewayPool | None:
        """What the configuration offers of that gateway, if it names it."""
        gateway = self._gateways.get(gateway_id)
        return gateway.offer if gateway else None

    def offers(self) -> list[GatewayPool]:
        """All gateways of the configuration."""
        return [gateway.offer for gateway in self._gateways.values()]

    def problem(self, gateway_id: str) -> str:
        """Why the gateway cannot be used; empty if it can."""
        gateway = self._gateways.get(gateway_id)
        return gateway.problem if gateway else "not in the configuration"

    def eips(self, gateway_id: str) -> tuple[GatewayEip, ...]:
        """The external IPs of a gateway that the pool draws from, usable or not."""
        gateway = self._gateways.get(gateway_id)
        return tuple(gateway.eips.values()) if gateway else ()

    def contains(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether the configuration lets this endpoint be handed out at all."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.offers(endpoint)

    def needs_port_break(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether a row for the endpoint has to be created with PortBreak."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.needs_port_break(endpoint)

    def learn_limit(self, gateway_id: str, rows: int, until: float) -> None:
        """The cloud refused a row for quota with that many in the table; believed until then."""
        if gateway := self._gateways.get(gateway_id):
            gateway.learn_limit(rows, until)

    def limit(self, gateway_id: str, now: float) -> int | None:
        """How many rows the gateway's table may hold, as far as is known."""
        gateway = self._gateways.get(gateway_id)
        return gateway.limit(now) if gateway else None

    def is_full(self, gateway_id: str, ports: Wanted, now: float) -> bool:
        """Whether the table cannot hold what it is to hold and these ports, as far as is known."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and bool(self._why_full(gateway, ports, now))

    def count_orphans(self, gateway_id: str, orphans: int) -> None:
        """Own rows that nothing claims take room in the table as well."""
        if gateway := self._gateways.get(gateway_id):
            gateway.orphans = orphans

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
        for gateway_id, endpoint in freed:
            if self.may_rest(endpoint):
                self._quarantine.begin(endpoint, now)
            if gateway := self._gateways.get(gateway_id):
                gateway.line(endpoint.ip, endpoint.protocol).give_back(endpoint.port)

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
        offered = [offer.ports for offer in self.offers()]
        for port in range(entry.external_ports.first, entry.external_ports.last + 1):
            endpoint = Endpoint(entry.external_ip, port, entry.protocol)
            if any(port in ports for ports in offered) and not self._claims.is_claimed(endpoint):
                self._quarantine.begin(endpoint, now)

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

    # --- allocation

    def is_free(self, gateway_id: str, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint may be handed out."""
        table = self._tables.get(gateway_id)
        return (
            table is not None
            and not self._claims.is_claimed(endpoint)
            and not self._quarantine.holds(endpoint, now)
            and not table.covering(endpoint)
        )

    def used(self, gateway_id: str) -> int:
        """How many rows the table holds or will hold: claimed, foreign and orphaned ones."""
        table, gateway = self._tables.get(gateway_id), self._gateways.get(gateway_id)
        foreign = table.foreign_count() if table else 0
        return self._claims.rows(gateway_id) + foreign + (gateway.orphans if gateway else 0)

    def pick(
        self, demand: Demand, now: float, avoid: frozenset[str] = frozenset()
    ) -> Allocation | Shortage:
        """Endpoints for a demand: the pod's zone first, then the emptiest gateway.

        What the cloud refuses lately is left out, unless there is nothing else: then it is tried
        nevertheless, but not by a pod that would have to move there. `avoid` names gateways to
        leave out. Nothing is taken: that is what `claim` does.
        """
        found = self._pick(demand, now, avoid, last_resort=False)
        if isinstance(found, Allocation) or demand.moving:
            return found
        last = self._pick(demand, now, avoid, last_resort=True)
        return last if isinstance(last, Allocation) else found

    def _pick(
        self, demand: Demand, now: float, avoid: frozenset[str], *, last_resort: bool
    ) -> Allocation | Shortage:
        reasons: dict[str, str] = {}
        for gateway in self._ranked(demand.zone_id):
            gateway_id = gateway.offer.gateway_id
            if gateway_id in avoid:
                continue
            flaw = partial(self._flaw, gateway, demand, now, last_resort=last_resort)
            found = self._pick_on(gateway, demand, now, flaw)
            if isinstance(found, Allocation):
                return found
            reasons[gateway_id] = found
        return self._shortage(reasons, now)

    def extend(
        self, spec: PodDNATSpec, ports: Wanted, now: float, uid: str = ""
    ) -> tuple[PortMapping, ...] | Shortage:
        """More endpoints on the external IP that a claim already has."""
        gateway = self._gateways.get(spec.gateway_id)
        if gateway is None:
            return self._shortage({spec.gateway_id: self.problem(spec.gateway_id)}, now)
        ip = spec.external_ip
        reason = self._why_closed(gateway, ports, now)
        demand = Demand(ports, uid=uid)
        flaw = partial(self._flaw, gateway, demand, now, last_resort=True)
        if not reason and ip not in self._usable_ips(gateway, flaw):
            reason = f"{ip} is locked, or not in the pool any more"
        found = None if reason else self._ports_on(gateway, ip, demand, now)
        if found is not None:
            return found
        return self._shortage({spec.gateway_id: reason or f"no free port is left on {ip}"}, now)

    def _flaw(
        self, gateway: OfferedGateway, demand: Demand, now: float, ip: str, *, last_resort: bool
    ) -> str:
        """Why the demand is better not served from that IP; empty if nothing speaks against it."""
        gateway_id = gateway.offer.gateway_id
        if row := self._tables[gateway.offer.gateway_id].any_row_on(ip):
            return f"is mapped whole to {row.entry.internal_ip} by {row.entry.entry_id}"
        if described := gateway.flaw(ip):
            return described
        if why := self.trust.flaw(gateway_id, ip, now, firm_only=last_resort):
            return f"is refused by the cloud ({why})"
        if last_resort:
            return ""
        if self.trust.avoids(demand.uid, gateway_id, ip, now):
            return "refused the pod before"
        waits = demand.moving and self.trust.is_scouted(gateway_id, ip, now)
        return "is being tried by another pod" if waits else ""

    def _pick_on(
        self, gateway: OfferedGateway, demand: Demand, now: float, flaw: Callable[[str], str]
    ) -> Allocation | str:
        """An allocation on that gateway, or why there is none."""
        if reason := self._why_closed(gateway, demand.ports, now):
            return reason
        gateway_id, protocol = gateway.offer.gateway_id, demand.ports[0][1]

        def never_used(ip: str) -> int:
            return gateway.line(ip, protocol).never_used

        # The next port of the IP with the most ports never used is the least recently used of all.
        for ip in sorted(self._usable_ips(gateway, flaw), key=never_used, reverse=True):
            if (found := self._ports_on(gateway, ip, demand, now)) is not None:
                return Allocation(gateway_id, ip, found)
        return gateway.why_no_ip(flaw)

    def _why_closed(self, gateway: OfferedGateway, ports: Wanted, now: float) -> str:
        """Why nothing can be had on that gateway, whatever the IP; empty if something may."""
        if gateway.problem:
            return gateway.problem
        gateway_id = gateway.offer.gateway_id
        table = self._tables.get(gateway_id)
        if table is None or not table.read_once:
            return why_unread(table)
        return self._why_full(gateway, ports, now)

    def _why_full(self, gateway: OfferedGateway, ports: Wanted, now: float) -> str:
        need = len(runs_of(ports, pack=gateway.offer.pack))
        limit, used = gateway.limit(now, need), self.used(gateway.offer.gateway_id)
        if limit is None or used + need <= limit:
            return ""
        if used >= limit:
            return f"its table is full ({used} of {limit} entries)"
        return f"its table has no room for {need} entries ({used} of {limit} are taken)"

    def _usable_ips(self, gateway: OfferedGateway, flaw: Callable[[str], str]) -> list[str]:
        return [ip for ip in gateway.eips if not flaw(ip)]

    def _ports_on(
        self, gateway: OfferedGateway, ip: str, demand: Demand, now: float
    ) -> tuple[PortMapping, ...] | None:
        """Free external ports on one IP for all of the ports, or None if there are not so many."""
        gateway_id = gateway.offer.gateway_id
        taken: set[Endpoint] = set()
        found: list[PortMapping] = []

        def free(protocol: Protocol, port: int) -> bool:
            endpoint = Endpoint(ip, port, protocol)
            if endpoint in taken or self.trust.spurns(demand.uid, endpoint):
                return False
            return self.is_free(gateway_id, endpoint, now)

        for run in runs_of(demand.ports, pack=gateway.offer.pack):
            protocol = run[0][1]
            line = gateway.line(ip, protocol)
            picked = _pick_run(line, len(run), partial(free, protocol))
            if picked is None:
                return None
            taken.update(Endpoint(ip, port, protocol) for port in picked)
            found += [
                PortMapping(external, internal, protocol)
                for external, (internal, _) in zip(picked, run, strict=True)
            ]
        return tuple(found)

    def _ranked(self, zone_id: str) -> list[OfferedGateway]:
        def rank(gateway: OfferedGateway) -> tuple[bool, int]:
            elsewhere = bool(zone_id) and gateway.zone_id != zone_id
            return elsewhere, self._claims.rows(gateway.offer.gateway_id)

        return sorted(self._gateways.values(), key=rank)

    def _shortage(self, reasons: Mapping[str, str], now: float) -> Shortage:
        message = "; ".join(f"{gateway_id}: {why}" for gateway_id, why in reasons.items())
        return Shortage(
            "PoolExhausted",
            message or "no gateway is left to try",
            self.all_rest(now) or min(self._changes(now), default=None),
        )

    def _changes(self, now: float) -> Iterator[float]:
        """Seconds until something may be had that is kept back now."""
        yield from self._quarantine.remaining(now).values()
        if (wait := self.trust.next_change(now)) is not None:
            yield wait


def _place(spec: PodDNATSpec) -> tuple[str, str]:
    return spec.gateway_id, spec.external_ip


def _pick_run(line: Line, count: int, free: Callable[[int], bool]) -> list[int] | None:
    run = line.pick_run(count, free) if count > 1 else None
    return run or line.pick(count, free)
