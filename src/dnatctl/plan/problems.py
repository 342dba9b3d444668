"""What is told of a record that is not as asked: a chain of checks, and which of them wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from dnatctl.model import EntryStatus
from dnatctl.objects import PortMapping
from dnatctl.plan.case import (
    Case,
    distrust,
    endpoints_refused,
    is_refused_everywhere,
    is_unforeseen,
    refusals_of,
)
from dnatctl.plan.claim import Lack
from dnatctl.plan.exposure import Problem
from dnatctl.plan.mend import to_create, unchanged
from dnatctl.plan.rows import OwnRow
from dnatctl.plan.values import soonest
from dnatctl.table.view import Row
from dnatctl.table.writes import Refusal, Refused

SQUATTED_FOR_S = 5.0
"""An own row that holds a pod's address and port for longer is not just an earlier holder's."""


def problem_of(case: Case, lack: Lack | None, held: Problem | None) -> Problem | None:
    """What is told: the first of these that there is.

    First comes what no row could change, then what keeps ports and rows away, last what is only
    supposed. `held`: what keeps rows from being deleted.
    """
    return _first(_found(case, lack, held))


def _found(case: Case, lack: Lack | None, held: Problem | None) -> Iterator[Problem | None]:
    yield outside(case)
    yield lack.problem if lack else None
    yield squatted(case)
    yield held
    yield refused(case)
    yield undone(case)
    yield gateway_fails(case)
    yield distrusted(case)
    yield no_interface(case)


def _first(problems: Iterable[Problem | None]) -> Problem | None:
    return next(filter(None, problems), None)


def look_again_in(case: Case, lack: Lack | None) -> float | None:
    """Seconds until something of it may be over, or is worth a word, with nothing to be heard."""
    return soonest(case.retry_in, lack.retry_in if lack else None, _patience(case))


def outside(case: Case) -> Problem | None:
    """What is wrong whatever the claim and its rows are like."""
    if case.seen.outage:
        text = f"{case.spec.gateway_id}: {case.seen.outage}; until then its entries reach nothing"
        heir = case.pool.drained_heir(case.spec, case.seen.now, case.seen.key.namespace)
        return Problem("GatewayUnusable", f"{text}; {heir}" if heir else text)
    return case.seen.withheld if case.seen.denied else case.seen.exposure.problem


def squatted(case: Case) -> Problem | None:
    """Somebody else's row holds the pod's address and a port that has no row, or a wrong one."""
    return _first(
        _squatter(case, port, row)
        for port in _unserved(case)
        for row in sorted(case.squatters(port), key=lambda row: bool(row.owner))
    )


def refused(case: Case) -> Problem | None:
    """What the cloud says to rows that it will not have."""
    return _first(
        _refused(case, port, refusal)
        for port in case.rowless
        for refusal in refusals_of(case, port)
    )


def undone(case: Case) -> Problem | None:
    """What keeps rows that lead astray from being taken away, or led back."""
    return _first((*map(partial(_undeleted, case), case.astray), *_unchanged(case)))


def _undeleted(case: Case, own: OwnRow) -> Problem | None:
    if not (why := case.seen.hindrances.get(own.entry_id)):
        return None
    text = f"entry {own.entry_id} on {own.gateway_id} cannot be deleted: {why}"
    return Problem("DeletionHeld", text)


def _unchanged(case: Case) -> Iterator[Problem]:
    for entry_id, refusal in unchanged(case):
        text = f"entry {entry_id} on {case.spec.gateway_id} cannot be changed: {refusal.message}"
        yield Problem("CloudRejected", text)


def gateway_fails(case: Case) -> Problem | None:
    """The gateway takes no rows."""
    why = case.pool.problem(case.spec.gateway_id)
    if not why or not to_create(case):
        return None
    return Problem("GatewayUnusable", f"{case.spec.gateway_id}: {why}")


def distrusted(case: Case) -> Problem | None:
    """Rows of other pods on this external IP are refused, so that this one's may be."""
    why = distrust(case)
    if not why or not to_create(case):
        return None
    text = f"{case.spec.external_ip} on {case.spec.gateway_id} is refused by the cloud: {why}"
    return Problem("CloudRejected", text)


def no_interface(case: Case) -> Problem | None:
    """Only told: the cloud's silence proves nothing, and what it refuses it says itself."""
    if not case.seen.no_interface:
        return None
    text = (
        f"DescribeNetworkInterfaces finds no interface with pod IP {case.ip} in the VPC of vpcID; "
        "if nothing reaches the pod, check vpcID, and that pods have addresses of the VPC (Terway)"
    )
    return Problem("NoInterface", text)


def _patience(case: Case) -> float | None:
    """Seconds until a row that holds the pod's address is worth a word; None if there is none.

    The row of an earlier holder of the IP goes by itself: told is only what takes too long.
    """
    left = SQUATTED_FOR_S - case.seen.stated_for
    if left <= 0:
        return None
    squatters = (row for port in _unserved(case) for row in case.squatters(port))
    return left if any(map(_stays_another_s, squatters)) else None


def _unserved(case: Case) -> Iterator[PortMapping]:
    """The ports that have a wrong row, or none."""
    astray = case.astray
    for port in case.good:
        if any(own.row.entry.covers(case.spec.endpoint(port)) for own in astray):
            yield port
    yield from case.rowless


def _stays_another_s(row: Row) -> bool:
    """Whether a PodDNAT has the row, and it is not on its way out."""
    return bool(row.owner) and row.entry.status is not EntryStatus.DELETING


def _squatter(case: Case, port: PortMapping, row: Row) -> Problem | None:
    entry, address = row.entry, f"{case.ip}:{port.internal}/{port.protocol}"
    if not row.owner:
        text = (
            f"{address} already has a DNAT entry that is not dnatctl's: {entry.entry_id} "
            f"({entry.external_ip}:{entry.external_ports}); delete it or stop exposing the port"
        )
        return Problem("TupleConflict", text)
    if not _stays_another_s(row) or case.seen.stated_for < SQUATTED_FOR_S:
        return None
    holder = case.seen.names.get(row.owner)
    whose = f"PodDNAT {holder}" if holder else "a PodDNAT that is gone"
    text = (
        f"{address} still has a DNAT entry of {whose}: {entry.entry_id} "
        f"({entry.external_ip}:{entry.external_ports}); this one comes when that one is deleted"
    )
    return Problem("TupleConflict", text)


def _refused(case: Case, port: PortMapping, refusal: Refusal) -> Problem | None:
    if refusal.why is Refused.CONFLICT:
        return _taken(case, port, refusal) if is_refused_everywhere(case, port) else None
    if refusal.why is Refused.UNFORESEEN:
        return _unforeseen(case, port, refusal) if is_unforeseen(refusal) else None
    reason = "QuotaExceeded" if refusal.why is Refused.QUOTA else "CloudRejected"
    return Problem(reason, refusal.message)


def _taken(case: Case, port: PortMapping, refusal: Refusal) -> Problem:
    text = (
        f"{case.ip}:{port.internal}/{port.protocol} is refused on each endpoint that was tried "
        f"({endpoints_refused(case, port)}), and no entry of this gateway is in the way; another "
        f"gateway of the VPC may have one: {refusal.message}"
    )
    return Problem("TupleConflict", text)


def _unforeseen(case: Case, port: PortMapping, refusal: Refusal) -> Problem:
    tried = case.pool.trust.tried(case.record.uid)
    where = f"{case.spec.endpoint(port)} on {case.spec.gateway_id}"
    alike = (
        f"refused alike wherever it was tried (endpoints: {tried.endpoints}, external IPs: "
        f"{tried.ips}, gateways: {tried.gateways}); "
        if tried.endpoints > 1
        else ""
    )
    text = (
        f"{where}: the cloud refuses the entry: {refusal.message}; nothing that dnatctl knows of "
        f"is in its way; {alike}nothing better is left to try, it is tried again now and then"
    )
    return Problem("CloudRejected", text)
