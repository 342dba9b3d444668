"""The pool against a plain model: whatever happens, it never hands out what is not free.

The model is a handful of dicts that say what is claimed, covered, resting. The pool's own indexes
have to agree with it after every rule.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, GatewayEip, PortRange, Protocol
from dnatctl.objects import PodDNATSpec, PortMapping
from dnatctl.pool import Allocation, Demand, GatewayPool, Pool
from dnatctl.table.marks import Marks
from dnatctl.table.view import Pass, Table
from tests.unit.pool.made import resting

MARKS = Marks("c1")
QUARANTINE = 60.0
FIRST, LAST = 600, 603
OFFERED = PortRange(FIRST, LAST)
GATEWAYS = {"ngw-1": ("1.1.1.1", "1.1.1.2"), "ngw-2": ("2.2.2.2",)}
MAX_ENTRIES = 7
"""What the second gateway's table may hold, by configuration."""

UIDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 7)]

protocols = st.sampled_from(Protocol)
wanted = st.lists(
    st.tuples(st.integers(80, 83), protocols), min_size=1, max_size=3, unique=True
).map(tuple)
gateways = st.sampled_from(sorted(GATEWAYS))
uids = st.sampled_from(UIDS)


class Holding(NamedTuple):
    """What the model knows of a claim."""

    gateway_id: str
    endpoints: frozenset[Endpoint]


def spec_of(found: Allocation) -> PodDNATSpec:
    return PodDNATSpec(found.gateway_id, found.external_ip, ports=found.ports)


class PoolMachine(RuleBasedStateMachine):
    """Claims come and go, rows appear and vanish, time passes, gateways have problems."""

    @initialize(pack=st.booleans())
    def begin(self, pack: bool) -> None:
        self.now = 1000.0
        self.tables = {gateway_id: self._table(gateway_id) for gateway_id in GATEWAYS}
        self.offers = (
            GatewayPool("ngw-1", OFFERED, pack=pack),
            GatewayPool("ngw-2", OFFERED, max_entries=MAX_ENTRIES),
        )
        self.pool = self._pool()
        self.problems = dict.fromkeys(GATEWAYS, "")
        self.claims: dict[str, Holding] = {}
        self.specs: dict[str, PodDNATSpec] = {}
        self.rows: dict[str, dict[str, ForwardEntry]] = {gateway_id: {} for gateway_id in GATEWAYS}
        self.resting: dict[Endpoint, float] = {}
        self.had_row: set[Endpoint] = set()
        """Claimed ones whose row has gone: whoever had them may be talked to, offered or not."""
        self.rows_made = 0

    @staticmethod
    def _table(gateway_id: str) -> Table:
        table = Table(gateway_id, lambda entry: MARKS.owner(entry.name))
        table.merge(Pass(0.0, {}, atomic=True), 0.0)
        return table

    def _pool(self) -> Pool:
        pool = Pool(self.offers, self.tables, QUARANTINE)
        for gateway_id, ips in GATEWAYS.items():
            pool.describe(gateway_id, [GatewayEip(ip, usable=True) for ip in ips], "")
        return pool

    # --- the model

    def _covered(self, gateway_id: str, endpoint: Endpoint) -> bool:
        return any(row.covers(endpoint) for row in self.rows[gateway_id].values())

    def _claimed(self) -> set[Endpoint]:
        return {endpoint for held in self.claims.values() for endpoint in held.endpoints}

    def _is_free(self, gateway_id: str, endpoint: Endpoint) -> bool:
        return (
            endpoint not in self._claimed()
            and self.resting.get(endpoint, self.now) <= self.now
            and not self._covered(gateway_id, endpoint)
        )

    def _free(self, gateway_id: str, ip: str, protocol: Protocol) -> list[Endpoint]:
        endpoints = (Endpoint(ip, port, protocol) for port in range(FIRST, LAST + 1))
        return [endpoint for endpoint in endpoints if self._is_free(gateway_id, endpoint)]

    def _let_go(self, endpoints: frozenset[Endpoint]) -> None:
        """Endpoints lose a claimant: those that have none left rest, if anybody had them."""
        for endpoint in endpoints - self._claimed():
            if endpoint.port in OFFERED or endpoint in self.had_row:
                self.resting[endpoint] = self.now + QUARANTINE
            self.had_row.discard(endpoint)

    def _put(self, uid: str, spec: PodDNATSpec) -> None:
        """A claim is recorded, in place of that PodDNAT's former one."""
        if self.specs.get(uid) == spec:
            return
        before = self.claims.get(uid)
        endpoints = frozenset(spec.endpoints())
        self.claims[uid] = Holding(spec.gateway_id, endpoints)
        self.specs[uid] = spec
        self.pool.claim(uid, "2026-01-01T00:00:00Z", spec, self.now)
        if before is not None:
            self._let_go(before.endpoints - endpoints)

    # --- rules: claims

    @rule(uid=uids, ports=wanted)
    def allocate(self, uid: str, ports: tuple[tuple[int, Protocol], ...]) -> None:
        """What is picked is free, on one IP, the least recently used, and then claimed."""
        found = self.pool.pick(Demand(ports), self.now)
        if not isinstance(found, Allocation):
            self._none_fits(ports)
            return
        assert not self.problems[found.gateway_id]
        assert found.external_ip in GATEWAYS[found.gateway_id]
        self._are_good(found.gateway_id, found.external_ip, found.ports, ports)
        self._put(uid, spec_of(found))

    def _are_good(
        self,
        gateway_id: str,
        ip: str,
        found: tuple[PortMapping, ...],
        ports: tuple[tuple[int, Protocol], ...],
    ) -> None:
        assert [(port.internal, port.protocol) for port in found] == list(ports)
        endpoints = [Endpoint(ip, port.external, port.protocol) for port in found]
        assert len(set(endpoints)) == len(endpoints)
        for endpoint in endpoints:
            assert endpoint.port in OFFERED
            assert self._is_free(gateway_id, endpoint), f"{endpoint} was handed out"

    def _none_fits(self, ports: tuple[tuple[int, Protocol], ...]) -> None:
        """Nothing was picked: there is no IP with room, on no gateway that can be used."""
        for gateway_id, ips in GATEWAYS.items():
            if self.problems[gateway_id] or self._is_full(gateway_id, ports):
                continue
            for ip in ips:
                if self._is_barred(gateway_id, ip):
                    continue
                need = {p: sum(protocol is p for _, protocol in ports) for p in Protocol}
                room = {p: len(self._free(gateway_id, ip, p)) for p in Protocol}
                assert any(need[p] > room[p] for p in Protocol), f"{ip} had room"

    def _is_barred(self, gateway_id: str, ip: str) -> bool:
        """An IP mapping takes a whole address."""
        rows = self.rows[gateway_id].values()
        return any(row.protocol is None and row.external_ip == ip for row in rows)

    def _is_full(self, gateway_id: str, ports: tuple[tuple[int, Protocol], ...]) -> bool:
        limit = self.pool.limit(gateway_id, self.now)
        return limit is not None and self.pool.used(gateway_id) + len(ports) > limit

    @rule(uid=uids, ports=wanted)
    def extend(self, uid: str, ports: tuple[tuple[int, Protocol], ...]) -> None:
        """More ports come from the IP that the claim already has."""
        spec = self.specs.get(uid)
        if spec is None or not spec.ports:
            return
        more = self.pool.extend(spec, Demand(ports), self.now)
        if isinstance(more, tuple):
            self._are_good(spec.gateway_id, spec.external_ip, more, ports)
            new = PodDNATSpec(spec.gateway_id, spec.external_ip, ports=(*spec.ports, *more))
            self._put(uid, new)

    @rule(uid=uids, keep=st.integers(0, 2))
    def shrink(self, uid: str, keep: int) -> None:
        """A claim gives up ports."""
        spec = self.specs.get(uid)
        if spec is not None:
            kept = spec.ports[:keep]
            self._put(uid, PodDNATSpec(spec.gateway_id, spec.external_ip, ports=kept))

    @rule(uid=uids, gateway_id=gateways, port=st.integers(FIRST - 1, LAST + 1), protocol=protocols)
    def write_by_hand(self, uid: str, gateway_id: str, port: int, protocol: Protocol) -> None:
        """Somebody writes any endpoint into a PodDNAT, another's or one outside the pool too."""
        ports = (PortMapping(port, 80, protocol),)
        self._put(uid, PodDNATSpec(gateway_id, GATEWAYS[gateway_id][0], ports=ports))

    @rule(uid=uids)
    def let_go(self, uid: str) -> None:
        held = self.claims.pop(uid, None)
        self.specs.pop(uid, None)
        assert self.pool.unclaim(uid, self.now) == (held is not None and bool(held.endpoints))
        if held is not None:
            self._let_go(held.endpoints)

    # --- rules: rows

    @rule(
        gateway_id=gateways,
        first=st.integers(FIRST, LAST),
        length=st.sampled_from([1, 1, 1, 3]),
        protocol=protocols,
        owner=st.sampled_from(["", *UIDS[:2]]),
    )
    def row_appears(
        self, gateway_id: str, first: int, length: int, protocol: Protocol, owner: str
    ) -> None:
        self._add_row(gateway_id, PortRange(first, first + length - 1), protocol, owner)

    @rule(gateway_id=gateways)
    def address_is_mapped(self, gateway_id: str) -> None:
        """A foreign row takes all of an address."""
        self._add_row(gateway_id, PortRange.parse("Any"), None, "")

    def _add_row(
        self, gateway_id: str, ports: PortRange, protocol: Protocol | None, owner: str
    ) -> None:
        self.rows_made += 1
        entry_id = f"fwd-{self.rows_made}"
        name = MARKS.name(owner) if owner else "somebody"
        self.rows[gateway_id][entry_id] = ForwardEntry(
            entry_id,
            GATEWAYS[gateway_id][0],
            ports,
            f"10.0.0.{self.rows_made % 250}",
            ports,
            protocol,
            name,
            EntryStatus.AVAILABLE,
        )
        self._read(gateway_id)

    @rule(gateway_id=gateways, data=st.data())
    def row_vanishes(self, gateway_id: str, data: st.DataObject) -> None:
        if not (rows := self.rows[gateway_id]):
            return
        row = rows.pop(data.draw(st.sampled_from(sorted(rows))))
        self._read(gateway_id)
        self.pool.vacate(row, self.now)
        if row.protocol is None:
            return
        for port in range(row.external_ports.first, row.external_ports.last + 1):
            endpoint = Endpoint(row.external_ip, port, row.protocol)
            if endpoint in self._claimed():
                self.had_row.add(endpoint)
            else:
                self.resting[endpoint] = self.now + QUARANTINE

    def _read(self, gateway_id: str) -> None:
        for started in (self.now - 0.1, self.now):  # that a row is gone takes two that say so
            reading = Pass(started, dict(self.rows[gateway_id]), atomic=True)
            self.tables[gateway_id].merge(reading, self.now)

    # --- rules: time and gateways

    @rule(seconds=st.sampled_from([1.0, QUARANTINE / 2, QUARANTINE, QUARANTINE]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(gateway_id=gateways, problem=st.sampled_from(["", "locked"]))
    def gateway_changes(self, gateway_id: str, problem: str) -> None:
        eips = [GatewayEip(ip, usable=True) for ip in GATEWAYS[gateway_id]]
        changed = self.pool.describe(gateway_id, eips, problem)
        assert changed == (problem != self.problems[gateway_id])
        self.problems[gateway_id] = problem

    @rule()
    def restart(self) -> None:
        """Another process makes the pool anew, from claims and what the lease says."""
        self.had_row.clear()
        left = self.pool.quarantined(self.now)
        self.pool = self._pool()
        for gateway_id, problem in self.problems.items():
            eips = [GatewayEip(ip, usable=True) for ip in GATEWAYS[gateway_id]]
            self.pool.describe(gateway_id, eips, problem)
        for uid, spec in self.specs.items():
            self.pool.claim(uid, "2026-01-01T00:00:00Z", spec, self.now)
        self.pool.inherit(resting(left), self.now)
        assert self.pool.quarantined(self.now) == left

    # --- what holds always

    @invariant()
    @precondition(lambda self: hasattr(self, "pool"))
    def agrees_with_the_model(self) -> None:
        claimed = self._claimed()
        resting = {endpoint for endpoint, until in self.resting.items() if until > self.now}
        for gateway_id, ips in GATEWAYS.items():
            for ip, protocol, port in product(ips, Protocol, range(FIRST, LAST + 1)):
                endpoint = Endpoint(ip, port, protocol)
                taken = endpoint in claimed or endpoint in resting
                free = not taken and not self._covered(gateway_id, endpoint)
                assert self.pool.is_free(gateway_id, endpoint, self.now) == free, endpoint

    @invariant()
    @precondition(lambda self: hasattr(self, "pool"))
    def claims_are_those_recorded(self) -> None:
        assert dict(self.pool.claims()) == self.specs
        for endpoint in self._claimed():
            claimants = {uid for uid, held in self.claims.items() if endpoint in held.endpoints}
            assert self.pool.owner(endpoint) in claimants

    @invariant()
    @precondition(lambda self: hasattr(self, "pool"))
    def quarantine_is_told_in_full(self) -> None:
        left = {
            endpoint: until - self.now
            for endpoint, until in self.resting.items()
            if until > self.now
        }
        assert self.pool.quarantined(self.now) == left


class TurnMachine(RuleBasedStateMachine):
    """On one IP, ports take turns: the one whose last use is longest over is next."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        table = Table("ngw-1", lambda entry: MARKS.owner(entry.name))
        table.merge(Pass(0.0, {}, atomic=True), 0.0)
        self.pool = Pool([GatewayPool("ngw-1", OFFERED)], {"ngw-1": table}, QUARANTINE)
        self.pool.describe("ngw-1", [GatewayEip("1.1.1.1", usable=True)], "")
        self.line = list(range(FIRST, LAST + 1))
        self.given_back: dict[int, float] = {}
        self.held: dict[str, int] = {}

    @rule(uid=uids)
    def take(self, uid: str) -> None:
        if uid in self.held:
            return
        rested = [
            port
            for port in self.line
            if self.now - self.given_back.get(port, float("-inf")) >= QUARANTINE
        ]
        found = self.pool.pick(Demand(((80, Protocol.TCP),)), self.now)
        if not rested:
            assert not isinstance(found, Allocation)
            return
        assert isinstance(found, Allocation)
        assert found.ports[0].external == rested[0]
        self.pool.claim(uid, "2026-01-01T00:00:00Z", spec_of(found), self.now)
        self.line.remove(rested[0])
        self.held[uid] = rested[0]

    @rule(uid=uids)
    def give_back(self, uid: str) -> None:
        port = self.held.pop(uid, None)
        self.pool.unclaim(uid, self.now)
        if port is not None:
            self.line.append(port)
            self.given_back[port] = self.now

    @rule(seconds=st.sampled_from([QUARANTINE / 4, QUARANTINE]))
    def wait(self, seconds: float) -> None:
        self.now += seconds


TestPoolMachine = PoolMachine.TestCase
TestTurnMachine = TurnMachine.TestCase
