"""Which endpoints are free, and which ones a pod gets.

Truth lies in the PodDNATs (claims) and the forward tables (rows); this is an index over both, made
anew at each start. An endpoint may be handed out if no PodDNAT claims it, no row covers it, and its
quarantine is over. Pure: times are handed in, nothing is locked, nothing is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dnatctl.model import Endpoint, GatewayEip, PortRange, Protocol
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool.line import Line
from dnatctl.table.view import Table

PRIVILEGED_LIMIT = 1024
"""Above it, an EIP that also serves SNAT needs PortBreak (CreateForwardEntry, PortBreak)."""


@dataclass(frozen=True, slots=True)
class GatewayPool:
    """What the configuration offers of one gateway. No `eips`: all that are bound to it.

    `max_entries` None: as many as the cloud allows, learned from its refusals.
    """

    gateway_id: str
    ports: PortRange
    zone_id: str = ""
    eips: tuple[str, ...] = ()
    max_entries: int | None = None
    pack: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What a pod needs: internal ports with their protocols, in order; where it runs."""

    ports: tuple[tuple[int, Protocol], ...]
    zone_id: str = ""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Free endpoints for a demand: all on one external IP of one gateway."""

    gateway_id: str
    external_ip: str
    ports: tuple[PortMapping, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Nothing fits. `reason` is a condition reason; `message` says why, gateway by gateway.

    `retry_in`: seconds until the next quarantine ends, None if nothing is in quarantine.
    """

    reason: str
    message: str
    retry_in: float | None = None


@dataclass(slots=True)
class _State:
    """What is known of one gateway beyond its configuration."""

    offer: GatewayPool
    eips: Mapping[str, GatewayEip]
    problem: str = "not described by the cloud yet"
    learned_limit: int | None = None
    learned_until: float = 0.0
    orphans: int = 0


@dataclass(frozen=True, slots=True)
class _Claim:
    uid: str
    created: str
    spec: PodDNATSpec
    rows: int


class Pool:
    """The endpoints that the configuration lets dnatctl hand out."""

    def __init__(
        self,
        offers: Iterable[GatewayPool],
        tables: Mapping[str, Table],
        quarantine_s: float,
    ) -> None:
        self._gateways = {offer.gateway_id: _State(offer, {}) for offer in offers}
        self._tables = tables
        self._quarantine_s = quarantine_s
        self._lines: dict[tuple[str, str, Protocol], Line] = {}
        self._claims: dict[str, _Claim] = {}
        self._claimants: dict[Endpoint, set[str]] = defaultdict(set)
        self._claimed_rows: Counter[str] = Counter()
        self._quarantine: dict[Endpoint, float] = {}

    # --- gateways

    def describe(self, gateway_id: str, eips: Iterable[GatewayEip], problem: str) -> bool:
        """Take in what the cloud says of a gateway; returns whether anything changed."""
        state = self._gateways.get(gateway_id)
        if state is None:
            return False
        wanted = state.offer.eips
        bound = {eip.ip: eip for eip in eips if not wanted or eip.ip in wanted}
        changed = (state.eips, state.problem) != (bound, problem)
        state.eips, state.problem = bound, problem
        return changed

    def offer(self, gateway_id: str) -> GatewayPool | None:
        """What the configuration offers of that gateway, if it names it."""
        state = self._gateways.get(gateway_id)
        return state.offer if state else None

    def offers(self) -> list[GatewayPool]:
        """All gateways of the configuration."""
        return [state.offer for state in self._gateways.values()]

    def problem(self, gateway_id: str) -> str:
        """Why the gateway cannot be used; empty if it can."""
        state = self._gateways.get(gateway_id)
        return state.problem if state else "not in the configuration"

    def eips(self, gateway_id: str) -> tuple[GatewayEip, ...]:
        """The external IPs of a gateway that the pool draws from, usable or not."""
        state = self._gateways.get(gateway_id)
        return tuple(state.eips.values()) if state else ()

    def needs_port_break(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether a row for the endpoint has to be created with PortBreak."""
        state = self._gateways.get(gateway_id)
        eip = state.eips.get(endpoint.ip) if state else None
        return eip is not None and eip.serves_snat and endpoint.port > PRIVILEGED_LIMIT

    def learn_limit(self, gateway_id: str, rows: int, until: float) -> None:
        """The cloud refused a row for quota with that many in the table; believed until then."""
        if state := self._gateways.get(gateway_id):
            state.learned_limit, state.learned_until = rows, until

    def count_orphans(self, gateway_id: str, orphans: int) -> None:
        """Own rows that nothing claims take room in the table as well."""
        if state := self._gateways.get(gateway_id):
            state.orphans = orphans

    # --- claims

    def claim(self, uid: str, created: str, spec: PodDNATSpec, now: float) -> None:
        """Record what the PodDNAT with that UID claims now, in place of what it claimed before."""
        old = self._claims.get(uid)
        if old is not None and old.spec == spec:
            return
        kept = set(spec.endpoints())
        if old is not None:
            self._forget(old, now, kept)
        claim = _Claim(uid, created, spec, self._rows_for(spec))
        self._claims[uid] = claim
        self._claimed_rows[spec.gateway_id] += claim.rows
        for endpoint in kept:
            self._claimants[endpoint].add(uid)
            self._quarantine.pop(endpoint, None)
            if line := self._line_of(spec.gateway_id, endpoint):
                line.take(endpoint.port)

    def unclaim(self, uid: str, now: float) -> bool:
        """The PodDNAT is gone; returns whether that freed anything."""
        claim = self._claims.pop(uid, None)
        if claim is None:
            return False
        self._forget(claim, now, set())
        return bool(claim.spec.ports)

    def claims(self) -> Mapping[str, PodDNATSpec]:
        """All claims by PodDNAT UID."""
        return {uid: claim.spec for uid, claim in self._claims.items()}

    def is_claimed_by(self, uid: str) -> bool:
        """Whether a PodDNAT with that UID is known."""
        return uid in self._claims

    def owner(self, endpoint: Endpoint) -> str:
        """The UID whose claim to the endpoint stands; empty if there is none.

        Of several, the one that has a row for it, else the oldest.
        """
        uids = self._claimants.get(endpoint)
        if not uids:
            return ""
        if len(uids) == 1:
            return next(iter(uids))
        return min(uids, key=lambda uid: self._rank(self._claims[uid], endpoint))

    def contains(self, gateway_id: str, endpoint: Endpoint) -> bool:
        """Whether the configuration lets this endpoint be handed out at all."""
        state = self._gateways.get(gateway_id)
        return (
            state is not None and endpoint.ip in state.eips and endpoint.port in state.offer.ports
        )

    # --- quarantine

    def retire(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """Keep endpoints from being handed out for the quarantine time, beginning now."""
        for endpoint in endpoints:
            self._quarantine[endpoint] = now + self._quarantine_s

    def restore(self, remaining: Mapping[Endpoint, float], now: float) -> None:
        """Take over quarantines of an earlier run: seconds that remain for each endpoint."""
        for endpoint, seconds in remaining.items():
            self._quarantine[endpoint] = now + min(seconds, self._quarantine_s)

    def quarantined(self, now: float) -> dict[Endpoint, float]:
        """Seconds that remain for each endpoint in quarantine."""
        for endpoint, until in list(self._quarantine.items()):
            if until <= now:
                del self._quarantine[endpoint]
        return {endpoint: until - now for endpoint, until in self._quarantine.items()}

    # --- allocation

    def is_free(self, gateway_id: str, endpoint: Endpoint, now: float) -> bool:
        """Whether the endpoint may be handed out."""
        table = self._tables.get(gateway_id)
        return (
            table is not None
            and not self._claimants.get(endpoint)
            and self._quarantine.get(endpoint, now) <= now
            and not table.covering(endpoint)
        )

    def pick(
        self, demand: Demand, now: float, avoid: frozenset[str] = frozenset()
    ) -> Allocation | Shortage:
        """Endpoints for a demand: the pod's zone first, then the emptiest gateway.

        `avoid` names gateways to leave out. Nothing is taken: that is what `claim` does.
        """
        reasons: dict[str, str] = {}
        for state in self._ranked(demand.zone_id):
            gateway_id = state.offer.gateway_id
            if gateway_id in avoid:
                continue
            allocation = self._pick_on(state, demand, now)
            if isinstance(allocation, Allocation):
                return allocation
            reasons[gateway_id] = allocation
        return self._shortage(reasons, now)

    def extend(
        self, spec: PodDNATSpec, ports: tuple[tuple[int, Protocol], ...], now: float
    ) -> tuple[PortMapping, ...] | Shortage:
        """More endpoints on the external IP that a claim already has."""
        state = self._gateways.get(spec.gateway_id)
        if state is None:
            return Shortage("PoolExhausted", f"{spec.gateway_id} is not in the configuration")
        reason = self._why_full(state, Demand(ports), now) or state.problem
        found = None if reason else self._ports_on(state, spec.external_ip, ports, now)
        if found is not None:
            return found
        reason = reason or f"no free port is left on {spec.external_ip}"
        return self._shortage({spec.gateway_id: reason}, now)

    def _pick_on(self, state: _State, demand: Demand, now: float) -> Allocation | str:
        gateway_id = state.offer.gateway_id
        if state.problem:
            return state.problem
        table = self._tables.get(gateway_id)
        if table is None or not table.read_once:
            return "its forward table has not been read yet"
        if full := self._why_full(state, demand, now):
            return full
        for ip in self._ranked_ips(state, table, demand):
            if (ports := self._ports_on(state, ip, demand.ports, now)) is not None:
                return Allocation(gateway_id, ip, ports)
        return self._why_no_ip(state)

    def _ports_on(
        self, state: _State, ip: str, ports: tuple[tuple[int, Protocol], ...], now: float
    ) -> tuple[PortMapping, ...] | None:
        gateway_id = state.offer.gateway_id
        taken: set[Endpoint] = set()
        found: list[PortMapping] = []

        def free(protocol: Protocol, port: int) -> bool:
            endpoint = Endpoint(ip, port, protocol)
            return endpoint not in taken and self.is_free(gateway_id, endpoint, now)

        for run in self._runs(ports, pack=state.offer.pack):
            protocol = run[0][1]
            line = self._line(gateway_id, ip, protocol, state.offer.ports)
            picked = _pick_run(line, len(run), partial(free, protocol))
            if picked is None:
                return None
            taken.update(Endpoint(ip, port, protocol) for port in picked)
            pairs = zip(picked, run, strict=True)
            found += [
                PortMapping(external, internal, protocol) for external, (internal, _) in pairs
            ]
        return tuple(found)

    @staticmethod
    def _runs(
        ports: tuple[tuple[int, Protocol], ...], *, pack: bool
    ) -> Iterator[list[tuple[int, Protocol]]]:
        """The demand cut into runs that one row could carry (single ports without packing)."""
        run: list[tuple[int, Protocol]] = []
        for port, protocol in ports:
            if run and not (pack and run[-1] == (port - 1, protocol)):
                yield run
                run = []
            run.append((port, protocol))
        if run:
            yield run

    def _ranked(self, zone_id: str) -> list[_State]:
        return sorted(
            self._gateways.values(),
            key=lambda state: (
                bool(zone_id) and state.offer.zone_id != zone_id,
                self._claimed_rows[state.offer.gateway_id],
            ),
        )

    def _ranked_ips(self, state: _State, table: Table, demand: Demand) -> list[str]:
        """The IP with the most ports never used first: its next port is the least recently used."""
        protocol = demand.ports[0][1]

        def fresh(ip: str) -> int:
            return self._line(state.offer.gateway_id, ip, protocol, state.offer.ports).never_used

        usable = [ip for ip, e in state.eips.items() if e.usable and not table.any_row_on(ip)]
        return sorted(usable, key=lambda ip: -fresh(ip))

    def _why_full(self, state: _State, demand: Demand, now: float) -> str:
        limit = self.limit(state.offer.gateway_id, now)
        if limit is None:
            return ""
        used = self.used(state.offer.gateway_id)
        need = sum(1 for _ in self._runs(demand.ports, pack=state.offer.pack))
        return f"its table is full ({used} of {limit} entries)" if used + need > limit else ""

    def limit(self, gateway_id: str, now: float) -> int | None:
        """How many rows the gateway's table may hold, as far as is known."""
        state = self._gateways.get(gateway_id)
        if state is None:
            return None
        learned = state.learned_limit if now < state.learned_until else None
        limits = [n for n in (state.offer.max_entries, learned) if n is not None]
        return min(limits, default=None)

    def used(self, gateway_id: str) -> int:
        """How many rows the table holds or will hold: claimed, foreign and orphaned ones."""
        table = self._tables.get(gateway_id)
        state = self._gateways.get(gateway_id)
        foreign = table.foreign_count() if table else 0
        return self._claimed_rows[gateway_id] + foreign + (state.orphans if state else 0)

    @staticmethod
    def _why_no_ip(state: _State) -> str:
        if not state.eips:
            return "no EIP is bound to it"
        bad = [f"{e.ip} {e.problem}" for e in state.eips.values() if not e.usable]
        if len(bad) == len(state.eips):
            return "none of its EIPs is usable: " + "; ".join(bad)
        ports = state.offer.ports
        return f"no free port is left in {ports.first}-{ports.last} on its EIPs"

    def _shortage(self, reasons: Mapping[str, str], now: float) -> Shortage:
        waiting = self.quarantined(now)
        message = "; ".join(f"{gateway_id}: {why}" for gateway_id, why in reasons.items())
        return Shortage(
            "PoolExhausted",
            message or "no gateway is left to try",
            min(waiting.values(), default=None),
        )

    # --- bookkeeping

    def _forget(self, claim: _Claim, now: float, kept: set[Endpoint]) -> None:
        self._claimed_rows[claim.spec.gateway_id] -= claim.rows
        for endpoint in claim.spec.endpoints():
            uids = self._claimants.get(endpoint)
            if uids is None or endpoint in kept:
                continue
            uids.discard(claim.uid)
            if not uids:
                del self._claimants[endpoint]
                self.retire([endpoint], now)
                if line := self._line_of(claim.spec.gateway_id, endpoint):
                    line.give_back(endpoint.port)

    def _rank(self, claim: _Claim, endpoint: Endpoint) -> tuple[bool, str, str]:
        table = self._tables.get(claim.spec.gateway_id)
        rows = table.covering(endpoint) if table else []
        return (all(row.owner != claim.uid for row in rows), claim.created, claim.uid)

    def _rows_for(self, spec: PodDNATSpec) -> int:
        state = self._gateways.get(spec.gateway_id)
        if state is None or not state.offer.pack:
            return len(spec.ports)
        return len(rows_of(spec.ports, pack=True))

    def _line_of(self, gateway_id: str, endpoint: Endpoint) -> Line | None:
        state = self._gateways.get(gateway_id)
        if state is None or endpoint.port not in state.offer.ports:
            return None
        return self._line(gateway_id, endpoint.ip, endpoint.protocol, state.offer.ports)

    def _line(self, gateway_id: str, ip: str, protocol: Protocol, ports: PortRange) -> Line:
        key = (gateway_id, ip, protocol)
        if key not in self._lines:
            self._lines[key] = Line(ports)
        return self._lines[key]


def _pick_run(line: Line, count: int, free: Callable[[int], bool]) -> list[int] | None:
    run = line.pick_run(count, free) if count > 1 else None
    return run or line.pick(count, free)


def rows_of(
    ports: tuple[PortMapping, ...], *, pack: bool
) -> list[tuple[PortRange, PortRange, Protocol]]:
    """The rows that carry the ports: external range, internal range, protocol of each.

    With `pack`, ports that follow one another on both sides share a row.
    """
    runs: list[list[PortMapping]] = []
    for port in ports:
        last = runs[-1][-1] if runs else None
        follows = last is not None and (port.external, port.internal, port.protocol) == (
            last.external + 1,
            last.internal + 1,
            last.protocol,
        )
        if pack and follows:
            runs[-1].append(port)
        else:
            runs.append([port])
    return [
        (
            PortRange(run[0].external, run[-1].external),
            PortRange(run[0].internal, run[-1].internal),
            run[0].protocol,
        )
        for run in runs
    ]
