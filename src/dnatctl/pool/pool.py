"""Which endpoints are free, and which ones a pod gets.

Truth lies in the PodDNATs (claims) and the forward tables (rows); this is an index over both, made
anew at each start. An endpoint may be handed out if no PodDNAT claims it, no row covers it, and its
quarantine is over. Pure: times are handed in, nothing is locked, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec.structs import replace

from dnatctl.amounts import amount
from dnatctl.model import Endpoint, GatewayEip, Protocol
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool.gateway import NEVER, OfferedGateway
from dnatctl.pool.holdings import Holdings
from dnatctl.pool.line import Line
from dnatctl.pool.packing import runs_of
from dnatctl.pool.values import Allocation, Demand, GatewayPool, Shortage, Wanted, number_of
from dnatctl.table.view import why_unread


class Pool(Holdings):
    """The endpoints that the configuration lets dnatctl hand out."""

    # --- gateways

    def describe(
        self,
        gateway_id: str,
        eips: Iterable[GatewayEip],
        problem: str,
        zone_id: str = "",
        asked: float = NEVER,
    ) -> bool:
        """Take in what the cloud says of a gateway; returns whether anything changed.

        `zone_id` counts where the configuration names none. `asked`: when the cloud was.
        """
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return False
        before = gateway.known
        eips = tuple(eips)
        anew = {eip.ip for eip in eips if gateway.lacks_use_of(eip.ip)}
        changed = gateway.describe(eips, problem, zone_id)
        for eip in gateway.eips.values():
            if eip.usable and not problem:
                changed |= self.trust.described_well(gateway_id, eip.ip, asked, anew=eip.ip in anew)
        self._line_up(gateway, before)
        return changed

    def offer(self, gateway_id: str) -> GatewayPool | None:
        """What the configuration offers of that gateway, if it names it."""
        gateway = self._gateways.get(gateway_id)
        return gateway.offer if gateway else None

    def offers(self) -> list[GatewayPool]:
        """All gateways of the configuration, and those that have left it and are not empty yet."""
        return [gateway.offer for gateway in self._gateways.values()]

    def problem(self, gateway_id: str) -> str:
        """Why the gateway cannot be used; empty if it can."""
        gateway = self._gateways.get(gateway_id)
        return gateway.problem if gateway else "not in the configuration"

    def why_none_bound(self, gateway_id: str) -> str:
        """Why an offered gateway that could be used has no external IP; empty if it has some."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None or gateway.left or gateway.problem or gateway.eips:
            return ""
        return gateway.why_none_bound()

    def eips(self, gateway_id: str) -> tuple[GatewayEip, ...]:
        """The external IPs of a gateway that the pool draws from, usable or not, and those that
        have left it and are still in use."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None:
            return ()
        used = {endpoint.ip for endpoint in gateway.leaving}
        left = [eip for ip, eip in gateway.bound.items() if ip in used - gateway.eips.keys()]
        return (*gateway.eips.values(), *left)

    def hands_out(self, gateway_id: str, ip: str) -> bool:
        """Whether anything new may be put on that external IP, as far as configuration and drains
        go."""
        gateway = self._gateways.get(gateway_id)
        offered = gateway is not None and gateway.hands_out(ip)
        return offered and self.orders.drained(gateway_id, ip) is None

    def leaving(self, gateway_id: str) -> int:
        """How many endpoints of the gateway are in use that the configuration offers no more."""
        gateway = self._gateways.get(gateway_id)
        return len(gateway.leaving) if gateway else 0

    def why_leaving(self, gateway_id: str) -> str:
        """What of the gateway leaves the pool; empty if nothing does."""
        gateway = self._gateways.get(gateway_id)
        if gateway is None or not (gateway.left or gateway.leaving):
            return ""
        what = "leaves the pool" if gateway.left else "a part of it leaves the pool"
        used = amount(len(gateway.leaving), "endpoint is", "endpoints are")
        return f"{what}: {used} in use and offered no more"

    def contains(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether the configuration lets this endpoint be handed out at all, or did when the claim
        to it was made."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.may_claim(endpoint)

    def serves(self, gateway_id: str, endpoint: Endpoint, namespace: str) -> bool:
        """Whether no reservation keeps that namespace from having the endpoint, or none did when it
        claimed it."""
        gateway = self._gateways.get(gateway_id)
        return gateway is None or gateway.serves(endpoint, namespace)

    def lacks(self, gateway_id: str, ip: str) -> bool:
        """Whether endpoints of that external IP cannot be had only because it is not bound."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.lacks(ip)

    def needs_port_break(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether a row for the endpoint has to be created with PortBreak."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and gateway.needs_port_break(endpoint)

    def learn_limit(self, gateway_id: str, rows: int, until: float) -> None:
        """The cloud refused a row for quota with that many in the table; believed until then."""
        if gateway := self._gateways.get(gateway_id):
            gateway.learn_limit(rows, until)

    def has_grown(self, gateway_id: str, rows: int) -> None:
        """The cloud took one more row, which makes so many: a lower limit is disproved."""
        if gateway := self._gateways.get(gateway_id):
            gateway.has_grown(rows)

    def limit(self, gateway_id: str, now: float) -> int | None:
        """How many rows the gateway's table may hold, as far as is known."""
        gateway = self._gateways.get(gateway_id)
        return gateway.limit(now) if gateway else None

    def last_limit(self, gateway_id: str, rows: int) -> int | None:
        """As `limit`, for people: what a refusal showed stands until so many rows disprove it."""
        gateway = self._gateways.get(gateway_id)
        return gateway.last_limit(rows) if gateway else None

    def is_full(self, gateway_id: str, ports: Wanted, now: float) -> bool:
        """Whether the table cannot hold what it is to hold and these ports, as far as is known."""
        gateway = self._gateways.get(gateway_id)
        return gateway is not None and bool(self._why_full(gateway, ports, now))

    def count_orphans(self, gateway_id: str, orphans: int) -> None:
        """Own rows that nothing claims take room in the table as well."""
        if gateway := self._gateways.get(gateway_id):
            gateway.orphans = orphans

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
        foreign = table.present_foreign if table else 0
        return self._claims.rows(gateway_id) + foreign + (gateway.orphans if gateway else 0)

    def claimed_gateways(self) -> set[str]:
        """The gateways that PodDNATs name."""
        return self._claims.gateways()

    def claimed_ips(self, gateway_id: str) -> list[str]:
        """The external IPs of that gateway that PodDNATs name."""
        return self._claims.ips(gateway_id)

    def pick(
        self, demand: Demand, now: float, avoid: frozenset[str] = frozenset()
    ) -> Allocation | Shortage:
        """Endpoints for a demand: first where its namespace has a gateway reserved, then in the
        pod's zone, then on the emptiest gateway.

        What the cloud refuses lately is left out, unless there is nothing else: then it is tried
        nevertheless, but not by a pod that would have to move there. `avoid` names gateways to
        leave out. Nothing is taken: that is what `claim` does.
        """
        found = self._pick(demand, now, avoid, last_resort=False)
        if isinstance(found, Allocation) or demand.moving:
            return found
        if not self.trust.holds_anything(demand.uid):
            return found  # nothing was left out: all ports that rest would be gone through again
        last = self._pick(demand, now, avoid, last_resort=True)
        return last if isinstance(last, Allocation) else found

    def _pick(
        self, demand: Demand, now: float, avoid: frozenset[str], *, last_resort: bool
    ) -> Allocation | Shortage:
        reasons: dict[str, str] = {}
        for gateway in self._ranked(demand):
            gateway_id = gateway.offer.gateway_id
            if gateway_id in avoid:
                continue
            flaw = partial(self._flaw_of_new, gateway, demand, now, last_resort=last_resort)
            unseen = "" if last_resort else self.trust.why_unreadable(gateway_id)
            found = unseen or self._pick_on(gateway, demand, now, flaw)
            if isinstance(found, Allocation):
                return found
            reasons[gateway_id] = found
        return self._shortage(reasons, now)

    def can_keep(self, spec: PodDNATSpec, now: float, namespace: str) -> bool:
        """Whether what is claimed can still be had: nothing has come in its way meanwhile."""
        gateway, table = self._gateways.get(spec.gateway_id), self._tables.get(spec.gateway_id)
        if (
            gateway is None
            or table is None
            or gateway.problem
            or not gateway.offer.serves(namespace)
        ):
            return False
        if not all(gateway.offers(endpoint) for endpoint in spec.endpoints()):
            return False
        flaw = self._bar(gateway, now, spec.external_ip)
        return not flaw and not any(map(table.covering, spec.endpoints()))

    def may_regain(self, gateway_id: str, endpoint: Endpoint, *, claimed: bool) -> bool:
        """Whether one that a row leads to already may be claimed by whom that was made for.
        `claimed`: he has asked for it before.

        It was offered to him once, so neither what is offered now nor a problem of the gateway, of
        which nothing is asked, speaks against it; only that its external IP is bound no more.
        """
        gateway = self._gateways.get(gateway_id)
        if gateway is not None and not gateway.may_lead(endpoint.ip):
            return False
        return claimed or not self._claims.is_claimed(endpoint)

    def heir(self, spec: PodDNATSpec, now: float, namespace: str) -> str:
        """Another gateway that has the external IP of a claim and would take all of its ports as
        they are; empty if there is none.

        A drain of the IP is no reason: who is there stays, wherever the IP goes.
        """
        heirs = self._heirs(spec, now, namespace)
        return next((i for i in heirs if self.orders.drained(i) is None), "")

    def drained_heir(self, spec: PodDNATSpec, now: float, namespace: str) -> str:
        """As `heir`, of one that is not followed only because it is drained: that, as a sentence
        begins."""
        orders = ((i, self.orders.drained(i)) for i in self._heirs(spec, now, namespace))
        return next((f"{i} has it now, and {order.what}" for i, order in orders if order), "")

    def _heirs(self, spec: PodDNATSpec, now: float, namespace: str) -> Iterator[str]:
        demand = Demand(tuple((p.internal, p.protocol) for p in spec.ports), namespace=namespace)
        for gateway_id, gateway in self._gateways.items():
            there = replace(spec, gateway_id=gateway_id)
            if gateway_id == spec.gateway_id or gateway.left or not spec.ports:
                continue
            if self.can_keep(there, now, namespace) and not self._why_closed(gateway, demand, now):
                yield gateway_id

    def extend(
        self, spec: PodDNATSpec, demand: Demand, now: float
    ) -> tuple[PortMapping, ...] | Shortage:
        """More endpoints on the external IP that a claim already has."""
        gateway = self._gateways.get(spec.gateway_id)
        if gateway is None:
            return self._shortage({spec.gateway_id: self.problem(spec.gateway_id)}, now)
        ip = spec.external_ip
        reason = self._why_closed(gateway, demand, now)
        if not reason and (why := self._bar(gateway, now, ip)):
            reason = f"{ip} {why}"
        if not reason:
            found = self._ports_on(gateway, ip, demand, now)
            if isinstance(found, tuple):
                return found
            need = number_of(demand.ports, found)
            what = f"no {need} free {found} ports are" if need > 1 else f"no free {found} port is"
            reason = f"{what} left on {ip}"
        return self._shortage({spec.gateway_id: reason}, now)

    def _flaw_of_new(
        self, gateway: OfferedGateway, demand: Demand, now: float, ip: str, *, last_resort: bool
    ) -> str:
        """As `_flaw`, for what is not there yet."""
        if order := self.orders.drained(gateway.offer.gateway_id, ip):
            return order.what
        return self._flaw(gateway, demand, now, ip, last_resort=last_resort)

    def _flaw(
        self, gateway: OfferedGateway, demand: Demand, now: float, ip: str, *, last_resort: bool
    ) -> str:
        """Why the demand is better not served from that IP; empty if nothing speaks against it."""
        if (why := self._bar(gateway, now, ip, firm_only=last_resort)) or last_resort:
            return why
        gateway_id = gateway.offer.gateway_id
        if self.trust.avoids(demand.uid, gateway_id, ip, now):
            return "refused the pod before"
        waits = demand.moving and self.trust.is_scouted(gateway_id, ip, now)
        return "is being tried by another pod" if waits else ""

    def _bar(self, gateway: OfferedGateway, now: float, ip: str, *, firm_only: bool = True) -> str:
        """Why nobody should get anything on that IP; `firm_only`: of what the cloud refused, only
        where it says itself that all is."""
        gateway_id = gateway.offer.gateway_id
        if row := self._tables[gateway_id].any_row_on(ip):
            return f"is mapped whole to {row.entry.internal_ip} by {row.entry.entry_id}"
        if described := gateway.flaw(ip):
            return described
        why = self.trust.flaw(gateway_id, ip, now, firm_only=firm_only)
        return f"is refused by the cloud ({why})" if why else ""

    def _pick_on(
        self, gateway: OfferedGateway, demand: Demand, now: float, flaw: Callable[[str], str]
    ) -> Allocation | str:
        """An allocation on that gateway, or why there is none."""
        gateway_id = gateway.offer.gateway_id
        if order := self.orders.drained(gateway_id) or self.orders.paused(gateway_id):
            return order.what
        if reason := self._why_closed(gateway, demand, now):
            return reason
        protocol = demand.ports[0][1]

        def never_used(ip: str) -> int:
            return gateway.line(ip, protocol).never_used

        short: set[Protocol] = set()
        # The next port of the IP with the most ports never used is the least recently used of all.
        for ip in sorted(self._usable_ips(gateway, flaw), key=never_used, reverse=True):
            found = self._ports_on(gateway, ip, demand, now)
            if isinstance(found, tuple):
                return Allocation(gateway_id, ip, found)
            short.add(found)
        return gateway.why_no_ip(flaw, demand.ports, short)

    def _why_closed(self, gateway: OfferedGateway, demand: Demand, now: float) -> str:
        """Why nothing can be had on that gateway, whatever the IP; empty if something may."""
        if not gateway.offer.serves(demand.namespace):
            return f"is reserved for namespaces {', '.join(gateway.offer.namespaces)}"
        if gateway.problem:
            return gateway.problem
        gateway_id = gateway.offer.gateway_id
        table = self._tables.get(gateway_id)
        if table is None or not table.read_once:
            return why_unread(table)
        return self._why_full(gateway, demand.ports, now)

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
    ) -> tuple[PortMapping, ...] | Protocol:
        """Free external ports on one IP for all of the ports; where there are not so many, the
        first protocol that is short."""
        if self.all_rest(now):
            return demand.ports[0][1]
        gateway_id = gateway.offer.gateway_id
        taken: set[Endpoint] = set()
        found: list[PortMapping] = []

        def free(protocol: Protocol, resting: Mapping[int, float], port: int) -> bool:
            if resting.get(port, now) > now:  # asked first, and cheaply: it may be so of thousands
                return False
            endpoint = Endpoint(ip, port, protocol)
            if endpoint in taken or self.trust.spurns(demand.uid, endpoint):
                return False
            return self.is_free(gateway_id, endpoint, now)

        for run in runs_of(demand.ports, pack=gateway.offer.pack):
            protocol = run[0][1]
            line = gateway.line(ip, protocol)
            resting = self._quarantine.ports(ip, protocol)
            picked = _pick_run(line, len(run), partial(free, protocol, resting))
            if picked is None:
                return protocol
            taken.update(Endpoint(ip, port, protocol) for port in picked)
            found += [
                PortMapping(external, internal, protocol)
                for external, (internal, _) in zip(picked, run, strict=True)
            ]
        return tuple(found)

    def _ranked(self, demand: Demand) -> list[OfferedGateway]:
        def rank(gateway: OfferedGateway) -> tuple[bool, bool, int]:
            shared = not gateway.offer.is_reserved_for(demand.namespace)
            elsewhere = bool(demand.zone_id) and gateway.zone_id != demand.zone_id
            return shared, elsewhere, self._claims.rows(gateway.offer.gateway_id)

        offered = (gateway for gateway in self._gateways.values() if not gateway.left)
        return sorted(offered, key=rank)

    def _shortage(self, reasons: Mapping[str, str], now: float) -> Shortage:
        message = "; ".join(f"{gateway_id}: {why}" for gateway_id, why in reasons.items())
        return Shortage(
            "PoolExhausted",
            message or "no gateway is left to try",
            self.all_rest(now) or min(self._changes(now), default=None),
            self._quarantine.total(now),
        )

    def _changes(self, now: float) -> Iterator[float]:
        """Seconds until something may be had that is kept back now."""
        if (rest := self._quarantine.next_end(now)) is not None:
            yield rest
        if (wait := self.trust.next_change(now)) is not None:
            yield wait


def _pick_run(line: Line, count: int, free: Callable[[int], bool]) -> list[int] | None:
    run = line.pick_run(count, free) if count > 1 else None
    return run or line.pick(count, free)
