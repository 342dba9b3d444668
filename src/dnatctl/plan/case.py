"""One record under examination, and which of its claimed ports can stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from dnatctl.objects import FINALIZER, PodDNAT, PodDNATSpec, PortMapping
from dnatctl.plan.claim import lacking
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.rows import OwnRow, in_the_way, misled, own_rows, squatters
from dnatctl.plan.values import Plan, Refusal, Refused, Seen, Step, Write
from dnatctl.pool import Allocation, Demand, Pool, Shortage, Wanted
from dnatctl.table.view import Table

CONFLICTS_BELIEVED = 3
"""After so many refusals in a row with nothing to be seen in the way, another endpoint is taken."""

UNFORESEEN_BELIEVED = 2
"""After so many refusals in a row with a code of no table, and a reading in between that shows
nothing in the way, the endpoint will not do."""

ENDPOINTS_TRIED = 2
"""Where so many endpoints are refused alike, it is the pod's own address that somebody else has: a
row of another table, perhaps. No endpoint is any better, so the claim stays where it is."""


@dataclass(slots=True)
class Case:
    """A record whose pod asks for it, with what was found about it so far.

    `wanted`: the ports asked for, or, of a pod that asks for nonsense, those it has. `good`: the
    claimed ports that can stay. `avoid`: gateways that will not do. `refused`: why the claim has to
    move, if it has. `retry_in`: seconds until there may be room for what could not be had.
    """

    seen: Seen
    record: PodDNAT
    pool: Pool
    table: Table
    rows: list[OwnRow]
    wanted: Wanted
    good: tuple[PortMapping, ...] = ()
    problem: Problem | None = None
    writes: list[Write] = field(default_factory=list)
    blockers: set[str] = field(default_factory=set)
    avoid: frozenset[str] = frozenset()
    refused: str = ""
    retry_in: float | None = None

    @property
    def spec(self) -> PodDNATSpec:
        """What the record claims."""
        return self.record.spec

    @property
    def may_create(self) -> bool:
        """Whether rows and claims may be added: never for a pod that is refused, or one too many.

        A pod whose annotations have become nonsense keeps what it has, which includes that it is
        repaired; what it has is told from what somebody wrote down for it by our finalizer.
        """
        exposure = self.seen.exposure
        if self.seen.denied:
            return False
        invalid = exposure.ask is Ask.KEEP and not exposure.refused
        return exposure.ask is Ask.ON or (invalid and FINALIZER in self.record.finalizers)

    @property
    def ip(self) -> str:
        """The pod's present IP."""
        return self.seen.exposure.ip

    def has_row(self, port: PortMapping) -> bool:
        """Whether a row of the record covers the port's endpoint, right or wrong."""
        endpoint = self.spec.endpoint(port)
        return any(own.row.entry.covers(endpoint) for own in self.rows)

    def find(self) -> Allocation | Shortage:
        """Endpoints for all wanted ports, wherever they may be had."""
        moving = bool(self.refused)
        demand = Demand(self.wanted, self.seen.zone_id, self.record.uid, moving)
        return self.pool.pick(demand, self.seen.now, self.avoid)

    def lacks(self, shortage: Shortage) -> None:
        """Something wanted cannot be had."""
        self.retry_in = shortage.retry_in
        self.problem = self.problem or lacking(self.seen, shortage)

    def lasting(self) -> list[OwnRow]:
        """The rows that are not about to be deleted for leading astray in whole or in part."""
        if self.seen.policy.upsert_only:
            return self.rows
        astray = misled(self.rows, replace(self.spec, ports=self.good), self.ip)
        return [own for own in self.rows if own not in astray]

    def answer(self, step: Step | None) -> Plan:
        """The plan made of what was found, with this step."""
        blockers = tuple(sorted(self.blockers))
        return Plan(step, tuple(self.writes), self.problem, blockers, self.retry_in)


def examine(seen: Seen, record: PodDNAT, pool: Pool, table: Table) -> Case:
    """Find out which of the record's ports can stay."""
    wanted = seen.exposure.ports
    if seen.exposure.ask is not Ask.ON:
        wanted = tuple((port.internal, port.protocol) for port in record.spec.ports)
    case = Case(seen, record, pool, table, own_rows(seen, record), wanted)
    case.problem = seen.exposure.problem
    if seen.denied:
        case.problem = seen.withheld
    if _may_keep_claim(case) and not _must_move(case):
        good = _good_ports(case)
        case.good = () if _is_of_no_use(case, good) else good
    return case


def refusals_of(case: Case, port: PortMapping) -> Iterator[Refusal]:
    """The standing refusals of rows that would carry the port."""
    for entry, refusal in case.seen.refusals.items():
        if (
            entry.external_ip == case.spec.external_ip
            and entry.protocol == port.protocol
            and port.external in entry.external_ports
        ):
            yield refusal


def _may_keep_claim(case: Case) -> bool:
    """What is beyond the quota of its namespace holds nothing that others could have; but a fixed
    claim does not end because of that."""
    return not case.seen.denied or case.seen.exposure.fixed


def _must_move(case: Case) -> bool:
    """Whether the whole claim belongs elsewhere: refused where it is before it was ever usable."""
    refusals = [r for port in case.spec.ports for r in refusals_of(case, port)]
    if case.record.status.entries or not (refusals or not case.rows):
        return False
    case.refused = _why_move(case, refusals)
    full = any(refusal.why is Refused.QUOTA for refusal in refusals)
    case.avoid = frozenset({case.spec.gateway_id} if full else ())
    found = case.find() if case.refused else None
    if isinstance(found, Allocation):
        return True
    if found is not None:
        case.retry_in = found.retry_in
    case.refused = ""
    return False


def _is_of_no_use(case: Case, good: tuple[PortMapping, ...]) -> bool:
    """Whether the claim serves nobody and its table is too full for the rest of it: others need
    what it holds meanwhile.

    A claim of one row holds nothing while that is refused. A fixed one keeps its endpoints.
    """
    if case.record.status.entries or case.seen.outage or not case.may_create:
        return False
    if case.seen.exposure.fixed:
        return False
    has = {(port.internal, port.protocol) for port in good}
    missing = tuple(port for port in case.wanted if port not in has)
    refused = len(good) > 1 and any(
        refusal.why is Refused.QUOTA for port in good for refusal in refusals_of(case, port)
    )
    lacks = bool(good and missing) or refused
    return lacks and case.pool.is_full(case.spec.gateway_id, missing, case.seen.now)


def _why_move(case: Case, refusals: list[Refusal]) -> str:
    for refusal in refusals:
        if refusal.why in (Refused.QUOTA, Refused.UNUSABLE):
            return refusal.message
    if _is_stranded(case):
        return case.pool.problem(case.spec.gateway_id)
    if not _was_never_usable(case):
        return ""
    for refusal in refusals:
        if is_unforeseen(refusal):
            return refusal.message
    return "" if case.rows else distrust(case)


def distrust(case: Case) -> str:
    """What the cloud says to rows on the claim's external IP or gateway lately, if it refuses."""
    return case.pool.trust.flaw(case.spec.gateway_id, case.spec.external_ip, case.seen.now)


def _was_never_usable(case: Case) -> bool:
    """Whether nobody can have been told the endpoints; of a fixed claim that is seldom known."""
    if case.pool.trust.is_served(case.record.uid):
        return False
    return case.seen.made_here or not case.seen.exposure.fixed


def _is_stranded(case: Case) -> bool:
    """Whether there is no row yet and the gateway takes none: it failed just after the claim.

    A fixed pod waits for its gateway, which may not be for long: it is to keep its endpoints.
    """
    failing = bool(case.pool.problem(case.spec.gateway_id))
    return failing and not case.rows and not case.seen.exposure.fixed


def _good_ports(case: Case) -> tuple[PortMapping, ...]:
    good: list[PortMapping] = []
    for port in case.spec.ports:
        if not any(_clash(port, other) for other in good) and _is_good(case, port):
            good.append(port)
    return tuple(good)


def _clash(a: PortMapping, b: PortMapping) -> bool:
    """Whether a table could not hold rows for both: a claim may have been written by hand."""
    return a.protocol == b.protocol and (a.external == b.external or a.internal == b.internal)


def _is_good(case: Case, port: PortMapping) -> bool:
    """Whether the port is still asked for, and its endpoint ours to use."""
    endpoint = case.spec.endpoint(port)
    if (port.internal, port.protocol) not in case.wanted:
        return False
    if case.pool.owner(endpoint) not in ("", case.record.uid):
        return False
    if endpoint in case.pool.beyond(case.record.uid) and not case.seen.exposure.fixed:
        return False
    if case.has_row(port):
        return True
    if case.spec.gateway_id in case.seen.absent or case.pool.rests(endpoint, case.seen.now):
        return False
    offer = case.pool.offer(case.spec.gateway_id)
    if offer is None or endpoint.port not in offer.ports:
        return False
    usable = case.pool.contains(case.spec.gateway_id, endpoint)
    if not usable and not case.pool.problem(case.spec.gateway_id):
        return False
    return not _is_barred(case, port)


def _is_barred(case: Case, port: PortMapping) -> bool:
    """Whether somebody else's row has the endpoint, seen or, after refusals, presumed."""
    if in_the_way(case.table, case.spec, port, case.record.uid):
        return True
    if squatters(case.table, case.ip, port, case.record.uid):
        return False
    here = any(_is_believed(refusal) for refusal in refusals_of(case, port))
    return (here and not is_refused_everywhere(case, port)) or _is_to_be_swapped(case, port)


def _is_to_be_swapped(case: Case, port: PortMapping) -> bool:
    """Whether another port of the same external IP is to be tried for one of a claim in use."""
    if not case.record.status.entries or case.has_row(port):
        return False
    few = case.pool.trust.tried(case.record.uid).endpoints < ENDPOINTS_TRIED
    return few and any(is_unforeseen(refusal) for refusal in refusals_of(case, port))


def is_refused_everywhere(case: Case, port: PortMapping) -> bool:
    """Whether the cloud says, on several endpoints, that the pod's address and port is taken."""
    tried = {
        (entry.external_ip, entry.external_ports.first + port.internal - entry.internal_ports.first)
        for entry, refusal in case.seen.refusals.items()
        if _is_believed(refusal)
        and (entry.internal_ip, entry.protocol) == (case.ip, port.protocol)
        and port.internal in entry.internal_ports
    }
    return len(tried) >= ENDPOINTS_TRIED


def is_unforeseen(refusal: Refusal) -> bool:
    """Whether a code of no table stands against the row, by more than an accident."""
    return refusal.why is Refused.UNFORESEEN and refusal.count >= UNFORESEEN_BELIEVED


def _is_believed(refusal: Refusal) -> bool:
    return refusal.why is Refused.CONFLICT and refusal.count >= CONFLICTS_BELIEVED
