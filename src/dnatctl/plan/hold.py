"""Hold: make the rows and the status of a pod's record true, and keep them so."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from dnatctl.model import Endpoint, ForwardEntry
from dnatctl.objects import READY, PodDNAT, PodDNATSpec, PortMapping, StatusEntry
from dnatctl.plan.adoption import adopt, awaits_clarity
from dnatctl.plan.case import Case, examine
from dnatctl.plan.claim import allot, asked_before, withheld
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.mend import mend
from dnatctl.plan.owners import fix_metadata
from dnatctl.plan.rows import usable_entries
from dnatctl.plan.status import publish, ready
from dnatctl.plan.values import Plan, Publish, Reclaim, Retire, Seen
from dnatctl.pool import Pool, Shortage, Wanted
from dnatctl.table.view import why_unread

PASSING = ("EntriesPending", "EntriesChanged", "AddressChanged", "PortsChanged")
"""Reasons of a pod that is being served: they hold until it is reachable. Any other one is of a
problem, and is withdrawn when the problem is over."""


def hold(seen: Seen, record: PodDNAT, pool: Pool) -> Plan:
    """The next thing for a record whose pod asks for it."""
    if fix := fix_metadata(seen, record):
        return Plan(fix)
    gateway_id = record.spec.gateway_id
    if not gateway_id:
        return _begin(seen, pool)
    table = seen.tables.get(gateway_id)
    if table is None or not (table.read_once or gateway_id in seen.absent):
        why = pool.problem(gateway_id) or why_unread(table)
        return Plan(problem=Problem("GatewayUnusable", f"{gateway_id}: {why}"))
    if step := adopt(seen, record):
        return Plan(step)
    if awaits_clarity(seen, record, table):
        return Plan(problem=seen.exposure.problem)
    case = examine(seen, record, pool, table)
    if seen.outage:
        text = f"{gateway_id}: {seen.outage}; until then its entries reach nothing"
        case.problem = Problem("GatewayUnusable", text)
    return _withdraw(case) or _realign(case) or _steady(case)


def _begin(seen: Seen, pool: Pool) -> Plan:
    """A record that claims nothing anywhere, as somebody wrote it by hand, is filled in."""
    if seen.exposure.ask is not Ask.ON:
        return Plan(problem=seen.exposure.problem)
    spec = allot(seen, pool)
    return spec if isinstance(spec, Plan) else Plan(Reclaim(spec))


def _withdraw(case: Case) -> Plan | None:
    """Status must never list what does not reach this pod: that goes before anything else."""
    true = _reaching(case)
    listed = case.record.status.entries
    left = tuple(entry for entry in listed if entry in true)
    if left == listed:
        return None
    lost = tuple(entry for entry in listed if entry not in true)
    drifted = tuple(entry for entry in lost if _has_drifted(case, entry))
    why = _why_lost(case, lost, drifted)
    now = ready(case.seen, case.record, "False", why.reason, why.message)
    return Plan(publish(case.seen, case.record, left, now, drifted=drifted))


def _reaching(case: Case) -> tuple[StatusEntry, ...]:
    """What reaches the pod."""
    if case.seen.outage:
        return ()
    return usable_entries(case.lasting(), case.spec, case.good, case.ip)


def _has_drifted(case: Case, entry: StatusEntry) -> bool:
    """Whether somebody else changed or deleted the row of an entry that is to be as it was listed.

    A row that is as it was and is listed no longer has had its end decided here.
    """
    if case.spec.internal_ip != case.ip or entry.internal_ip != case.ip:
        return False
    if not any(_is_of(case, port, entry) for port in case.good):
        return False
    row = case.table.row(entry.entry_id)
    return row is None or row.in_flux or not _leads_as_listed(row.entry, entry)


def _is_of(case: Case, port: PortMapping, entry: StatusEntry) -> bool:
    return case.spec.endpoint(port) == entry.endpoint and port.internal == entry.internal_port


def _leads_as_listed(row: ForwardEntry, entry: StatusEntry) -> bool:
    offset = entry.endpoint.port - row.external_ports.first
    return (
        row.covers(entry.endpoint)
        and row.internal_ip == entry.internal_ip
        and row.internal_ports.first + offset == entry.internal_port
    )


def _why_lost(
    case: Case, lost: tuple[StatusEntry, ...], drifted: tuple[StatusEntry, ...]
) -> Problem:
    """What people are told of entries that are listed no longer."""
    count = f"{len(lost)} of {len(case.record.status.entries)} entries"
    if case.seen.outage and case.problem is not None:
        return case.problem
    if case.spec.internal_ip != case.ip:
        moved = f"its IP was {case.spec.internal_ip} and is {case.ip} now"
        return Problem("AddressChanged", f"{count} no longer reach the pod: {moved}")
    if drifted:
        rows = ", ".join(dict.fromkeys(entry.entry_id for entry in drifted))
        text = f"{count} no longer reach the pod: somebody else changed or deleted {rows}"
        return Problem("EntriesChanged", text)
    if case.problem is not None:
        return case.problem
    asked_for = any((e.internal_port, e.endpoint.protocol) in case.wanted for e in lost)
    what = "are being replaced" if asked_for else "are no longer asked for"
    endpoints = ", ".join(str(entry.endpoint) for entry in lost)
    return Problem("PortsChanged", f"{count} {what}: {endpoints}")


# --- the claim


def _realign(case: Case) -> Plan | None:
    """Make the claim what is asked for: ports added and dropped, the pod's present IP."""
    kept = {case.spec.endpoint(port) for port in case.good}
    gone = () if case.seen.unanswered else tuple(_gone(case, kept))
    endpoints = dict.fromkeys(case.spec.endpoint(port) for port in gone)
    if fresh := tuple(e for e in endpoints if e not in kept and e not in case.seen.durable):
        return case.answer(Retire(fresh))
    spec = _aligned(case, tuple(dict.fromkeys(p for p in case.spec.ports if p not in gone)))
    return case.answer(Reclaim(spec, case.refused)) if spec != case.spec else None


def _gone(case: Case, kept: set[Endpoint]) -> Iterator[PortMapping]:
    """Claimed ports that cannot stay, and that no row is left of."""
    for port in case.spec.ports:
        if port not in case.good and (case.spec.endpoint(port) in kept or not case.has_row(port)):
            yield port


def _aligned(case: Case, kept: tuple[PortMapping, ...]) -> PodDNATSpec:
    has = {(port.internal, port.protocol) for port in case.good}
    missing = tuple(port for port in case.wanted if port not in has)
    spec = replace(case.spec, ports=kept)
    if not case.may_create:
        missing = ()
    if missing and (why := withheld(case.seen, len(missing))):
        case.problem, case.retry_in = case.problem or why.problem, why.retry_in
    elif missing and not kept:
        spec = _elsewhere(case, spec)
    elif missing and not case.refused:
        more = _beside(case, missing)
        if isinstance(more, Shortage):
            case.lacks(more)
        else:
            spec = replace(spec, ports=(*kept, *more))
    return _with_address(case, replace(spec, ports=_in_order(spec.ports, case.wanted)))


def _beside(case: Case, missing: Wanted) -> tuple[PortMapping, ...] | Shortage:
    """More ports on the IP of the claim."""
    again = asked_before(case.seen, case.pool, missing)
    place = (case.spec.gateway_id, case.spec.external_ip)
    if again is not None and (again.gateway_id, again.external_ip) == place:
        return again.ports
    return case.pool.extend(case.spec, missing, case.seen.now, case.record.uid)


def _elsewhere(case: Case, spec: PodDNATSpec) -> PodDNATSpec:
    """A claim that has lost all its ports starts anew, on whichever gateway has room."""
    found = asked_before(case.seen, case.pool, case.wanted) or case.find()
    if isinstance(found, Shortage):
        case.lacks(found)
        return spec
    return replace(
        spec, gateway_id=found.gateway_id, external_ip=found.external_ip, ports=found.ports
    )


def _in_order(ports: tuple[PortMapping, ...], wanted: Wanted) -> tuple[PortMapping, ...]:
    """As the annotation has them; while some are still to go, as they are: that saves a write."""
    place = {port: index for index, port in enumerate(wanted)}
    if any((port.internal, port.protocol) not in place for port in ports):
        return ports
    return tuple(sorted(ports, key=lambda port: place[port.internal, port.protocol]))


def _with_address(case: Case, spec: PodDNATSpec) -> PodDNATSpec:
    protocol = spec.ports[0].protocol if spec.ports else spec.protocol
    if spec.internal_ip != case.ip:
        spec = replace(spec, internal_ip=case.ip, eni="", vswitch="")
    return replace(spec, protocol=protocol)


# --- rows and status


def _steady(case: Case) -> Plan:
    mend(case)
    if case.seen.no_interface:
        case.problem = case.problem or _no_interface(case)
    return case.answer(_name_interface(case) or _publish(case))


def _no_interface(case: Case) -> Problem:
    """Only told: the cloud's silence proves nothing, and what it refuses it says itself."""
    text = (
        f"DescribeNetworkInterfaces finds no interface with pod IP {case.ip} in the VPC of vpcID; "
        "if nothing reaches the pod, check vpcID, and that pods have addresses of the VPC (Terway)"
    )
    return Problem("NoInterface", text)


def _publish(case: Case) -> Publish | None:
    seen, record = case.seen, case.record
    true = _reaching(case)
    if seen.unanswered:
        # It may be the delete of a row that was not wanted a moment ago.
        true = tuple(entry for entry in true if entry in record.status.entries)
    problem = case.problem
    if case.wanted and len(true) == len(case.wanted):
        reason = problem.reason if problem else "EntriesAvailable"
        text = problem.message if problem else f"{len(true)} of {len(true)} ports are reachable"
        return publish(seen, record, true, ready(seen, record, "True", reason, text))
    if problem:
        condition = ready(seen, record, "False", problem.reason, problem.message)
        return publish(seen, record, true, condition)
    before = record.status.condition(READY)
    if before is not None and (before.status == "True" or before.reason not in PASSING):
        text = f"{len(true)} of {len(case.wanted)} ports are reachable"
        condition = ready(seen, record, "False", "EntriesPending", text)
        return publish(seen, record, true, condition)
    return None


def _name_interface(case: Case) -> Reclaim | None:
    """Fill in the network interface once it is known: nothing waits for it.

    It goes before the status if both are due, so that the status is of the latest generation.
    """
    eni = case.seen.eni
    if eni is None or case.ip not in eni.ips:
        return None
    spec = replace(case.spec, eni=eni.eni_id, vswitch=eni.vswitch_id, zone_id=eni.zone_id)
    return Reclaim(spec) if spec != case.spec else None
