"""One record under examination, and which of its claimed ports can stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from dnatctl.objects import FINALIZER, PodDNAT, PodDNATSpec, PortMapping
from dnatctl.plan.exposure import Ask
from dnatctl.plan.rows import OwnRow, in_the_way, misled, own_rows, squatters
from dnatctl.plan.status import was_told
from dnatctl.plan.values import Seen
from dnatctl.pool import Allocation, Demand, Pool, Shortage, Wanted
from dnatctl.table.view import Row, Table
from dnatctl.table.writes import Refusal, Refused

CONFLICTS_BELIEVED = 3
"""After so many refusals in a row with nothing to be seen in the way, another endpoint is taken."""

UNFORESEEN_BELIEVED = 2
"""After so many refusals in a row with a code of no table, and a reading in between that shows
nothing in the way, the endpoint will not do."""

STUCK_S = 60.0
"""A row that has not become Available for so long is stuck, if its table takes no other either."""

ENDPOINTS_TRIED = 2
"""Where so many endpoints are refused alike, it is the pod's own address that somebody else has: a
row of another table, perhaps. No endpoint is any better, so the claim stays where it is."""


@dataclass(frozen=True)
class Case:
    """A record whose pod asks for it, and what is found out about it before anything is decided.

    `wanted`: the ports asked for, or, of a pod that asks for nonsense, those it has. `good`: the
    claimed ports that can stay. `refused`: why the claim moves as a whole, if it does; `at_once`:
    without waiting for its rows to go, which cannot be seen. `retry_in`: seconds until there may be
    room for a claim that ought to move and cannot.
    """

    seen: Seen
    record: PodDNAT
    pool: Pool
    table: Table
    rows: list[OwnRow]
    wanted: Wanted
    good: tuple[PortMapping, ...] = ()
    refused: str = ""
    at_once: bool = False
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

    def squatters(self, port: PortMapping) -> list[Row]:
        """Rows of others that hold the pod's address and port."""
        return squatters(self.table, self.ip, port, self.record.uid)

    @cached_property
    def astray(self) -> list[OwnRow]:
        """The rows of the record that lead somewhere it is not to lead, in whole or in part."""
        return misled(self.rows, self.spec, self.good, self.ip)

    @cached_property
    def rowless(self) -> tuple[PortMapping, ...]:
        """The ports that can stay and have no row, where one may be created."""
        return tuple(p for p in self.good if not self.has_row(p)) if self.may_create else ()

    def find(self) -> Allocation | Shortage:
        """Endpoints for all wanted ports, wherever they may be had."""
        demand = Demand(
            self.wanted,
            self.seen.zone_id,
            self.record.uid,
            bool(self.refused),
            namespace=self.seen.key.namespace,
        )
        return self.pool.pick(demand, self.seen.now, self._avoided())

    def _avoided(self) -> frozenset[str]:
        """The gateway of a claim that was never usable, where that has no room for its rows."""
        full = any(refusal.why is Refused.QUOTA for refusal in claim_refusals(self))
        return frozenset({self.spec.gateway_id} if full and not self.record.status.entries else ())


def examine(seen: Seen, record: PodDNAT, pool: Pool, table: Table) -> Case:
    """Find out which of the record's ports can stay."""
    rows = own_rows(seen, record)
    wanted = seen.exposure.ports if seen.exposure.ask is Ask.ON else _had(seen, record, rows)
    case = Case(seen, record, pool, table, rows, wanted)
    if not _may_keep_claim(case):
        return case
    retry_in = None
    if wanted and (why := _why_move(case)):
        moving = replace(case, refused=why, at_once=bool(_why_unseen(case)))
        found = moving.find()
        if isinstance(found, Allocation):
            return moving
        retry_in = found.retry_in
    good = _good_ports(case)
    return replace(case, good=() if _is_of_no_use(case, good) else good, retry_in=retry_in)


def _had(seen: Seen, record: PodDNAT, rows: list[OwnRow]) -> Wanted:
    """The ports that a pod has which asks for nonsense: of those that may not be exposed, or are
    too many, only the ones that a row leads to already, for the record may have been edited since.
    """

    def is_led_to(port: PortMapping) -> bool:
        endpoint = record.spec.endpoint(port)
        return any(own.row.entry.leads(endpoint, port.internal) for own in rows)

    served = {port for port in record.spec.ports if is_led_to(port)}
    others = [port for port in record.spec.ports if port not in served]
    may = [p for p in others if not any(p.internal in each for each in seen.policy.denied_ports)]
    stay = served.union(may[: max(seen.policy.max_ports - len(served), 0)])
    return tuple((port.internal, port.protocol) for port in record.spec.ports if port in stay)


def refusals_of(case: Case, port: PortMapping) -> Iterator[Refusal]:
    """The standing refusals of rows that would carry the port."""
    for entry, refusal in case.seen.refusals.items():
        if (
            entry.external_ip == case.spec.external_ip
            and entry.protocol == port.protocol
            and port.external in entry.external_ports
        ):
            yield refusal


def claim_refusals(case: Case) -> list[Refusal]:
    """The standing refusals of rows that would carry any port of the claim."""
    return [refusal for port in case.spec.ports for refusal in refusals_of(case, port)]


def _may_keep_claim(case: Case) -> bool:
    """What is beyond the quota of its namespace holds nothing that others could have; but a fixed
    claim does not end because of that."""
    return not case.seen.denied or case.seen.exposure.fixed


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


def _why_move(case: Case) -> str:
    """Why the whole claim belongs elsewhere: refused where it is before it was ever usable."""
    if case.record.status.entries:
        return ""
    refusals = claim_refusals(case)
    if not refusals and case.rows:
        return _why_unseen(case)
    for refusal in refusals:
        unusable = refusal.why is Refused.UNUSABLE and not _waits(case)
        if unusable or refusal.why is Refused.QUOTA:
            return refusal.message
    if _is_stranded(case):
        return case.pool.problem(case.spec.gateway_id)
    if not _was_never_usable(case):
        return ""
    for refusal in refusals:
        if is_unforeseen(refusal):
            return refusal.message
    return "" if case.rows else distrust(case) or _why_unseen(case)


def _why_unseen(case: Case) -> str:
    """Why nobody knows whether its rows are good for anything, where nobody was told of them."""
    if was_told(case.record) or not case.seen.made_here:
        return ""
    if why := case.pool.trust.why_unreadable(case.spec.gateway_id):
        return f"{case.spec.gateway_id}: {why}"
    return distrust(case) if _are_stuck(case) else ""


def _are_stuck(case: Case) -> bool:
    """Whether the cloud has been at work on all of its rows for long. Where it says no as well to
    the others that wait there, that is no passing matter."""
    long_ago = case.seen.now - STUCK_S
    return all(own.row.in_flux and own.row.written < long_ago for own in case.rows)


def distrust(case: Case) -> str:
    """What the cloud says to rows on the claim's external IP or gateway lately, if it refuses."""
    where, uid = (case.spec.gateway_id, case.spec.external_ip), case.record.uid
    return case.pool.trust.flaw(*where, case.seen.now, uid=uid)


def _was_never_usable(case: Case) -> bool:
    """Whether nobody can have been told the endpoints; of a fixed claim that is seldom known."""
    if case.pool.trust.is_served(case.record.uid):
        return False
    return case.seen.made_here or not case.seen.exposure.fixed


def _is_stranded(case: Case) -> bool:
    """Whether there is no row yet and the gateway takes none: it failed just after the claim."""
    failing = bool(case.pool.problem(case.spec.gateway_id))
    return failing and not case.rows and not case.seen.exposure.fixed


def _waits(case: Case) -> bool:
    """Whether the claim stays although its gateway or EIP cannot be used.

    That may not be for long, and a fixed pod is to keep its endpoints.
    """
    return case.seen.exposure.fixed and not _was_never_usable(case)


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
    if not case.pool.serves(case.spec.gateway_id, endpoint, case.seen.key.namespace):
        return False
    offer = case.pool.offer(case.spec.gateway_id)
    usable = case.pool.contains(case.spec.gateway_id, endpoint)
    if not usable and (offer is None or endpoint.port not in offer.ports):
        return False
    if not usable and not (case.pool.problem(case.spec.gateway_id) or _awaits_eip(case)):
        return False
    return not _is_barred(case, port)


def _awaits_eip(case: Case) -> bool:
    """Whether the claim waits for its EIP to be bound again, or to be surely said not to be: one
    answer alone costs nobody an endpoint that was told."""
    unsure = was_told(case.record) and not case.seen.outage
    lacks = case.pool.lacks(case.spec.gateway_id, case.spec.external_ip)
    return lacks and (unsure or _waits(case))


def _is_barred(case: Case, port: PortMapping) -> bool:
    """Whether somebody else's row has the endpoint, seen or, after refusals, presumed."""
    if in_the_way(case.table, case.spec, port, case.record.uid):
        return True
    if case.squatters(port):
        return False
    here = any(_is_believed(refusal) for refusal in refusals_of(case, port))
    return (here and not is_refused_everywhere(case, port)) or _is_to_be_swapped(case, port)


def _is_to_be_swapped(case: Case, port: PortMapping) -> bool:
    """Whether another port of the same external IP is to be tried for one of a claim in use."""
    if not case.record.status.entries:
        return False
    few = case.pool.trust.tried(case.record.uid).endpoints < ENDPOINTS_TRIED
    return few and any(is_unforeseen(refusal) for refusal in refusals_of(case, port))


def is_refused_everywhere(case: Case, port: PortMapping) -> bool:
    """Whether the cloud says, on several endpoints, that the pod's address and port is taken."""
    return endpoints_refused(case, port) >= ENDPOINTS_TRIED


def endpoints_refused(case: Case, port: PortMapping) -> int:
    """On how many endpoints the cloud says that the pod's address and port is taken."""
    tried = {
        (entry.external_ip, entry.external_ports.first + port.internal - entry.internal_ports.first)
        for entry, refusal in case.seen.refusals.items()
        if _is_believed(refusal)
        and (entry.internal_ip, entry.protocol) == (case.ip, port.protocol)
        and port.internal in entry.internal_ports
    }
    return len(tried)


def is_unforeseen(refusal: Refusal) -> bool:
    """Whether a code of no table stands against the row, by more than an accident."""
    return refusal.why is Refused.UNFORESEEN and refusal.count >= UNFORESEEN_BELIEVED


def _is_believed(refusal: Refusal) -> bool:
    return refusal.why is Refused.CONFLICT and refusal.count >= CONFLICTS_BELIEVED
