"""Mend: which rows to create, change and delete so that a claim is true."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.model import EntryStatus, NewEntry
from dnatctl.objects import READY, PortMapping
from dnatctl.plan.case import (
    UNFORESEEN_BELIEVED,
    Case,
    distrust,
    is_refused_everywhere,
    is_unforeseen,
    refusals_of,
)
from dnatctl.plan.exposure import Problem
from dnatctl.plan.rows import OwnRow, misled, squatters, strangers
from dnatctl.plan.values import DELETION_HELD, CreateRow, DeleteRow, ModifyRow, Refusal, Refused
from dnatctl.pool import Run, rows_of
from dnatctl.table.view import Row

SQUATTED_FOR_S = 5.0
"""An own row that holds a pod's address and port for longer is not just an earlier holder's."""

READINGS_BETWEEN = 10
"""Readings of the table between two tries for an address that is refused on every endpoint."""


def mend(case: Case) -> None:
    """Add the writes the case needs, who stands in its way, and what is wrong if anything is."""
    case.blockers.update(strangers(case.table, case.ip, case.record.uid))
    _correct(case)
    _create(case)


def _correct(case: Case) -> None:
    """Rows of the record that lead astray: led back where possible, else deleted."""
    for own in misled(case.rows, replace(case.spec, ports=case.good), case.ip):
        ports = tuple(port for port in case.good if _covers(own, port))
        target = _target(case, own, ports) if case.seen.policy.can_modify else None
        # Where another row holds the pod's address this one cannot be led back, and it may lead to
        # another pod meanwhile, whose way it may be in: so it goes.
        if target is not None and not any(_is_squatted(case, port) for port in ports):
            intent = _intent(case)
            case.writes.append(ModifyRow(own.gateway_id, own.entry_id, target, intent))
        elif case.seen.policy.upsert_only:
            case.problem = case.problem or DELETION_HELD
        else:
            case.writes.append(DeleteRow(own.gateway_id, own.entry_id))


def _covers(own: OwnRow, port: PortMapping) -> bool:
    return own.row.entry.protocol == port.protocol and port.external in own.row.entry.external_ports


def _target(case: Case, own: OwnRow, ports: tuple[PortMapping, ...]) -> NewEntry | None:
    """Where the row ought to lead, if it can serve just these claimed ports as it stands."""
    entry = own.row.entry
    runs = rows_of(sorted(ports), pack=True)
    if (
        own.gateway_id != case.spec.gateway_id
        or entry.external_ip != case.spec.external_ip
        or len(runs) != 1
        or runs[0][0] != entry.external_ports
        or any(_holders(case, port) - {own.entry_id} for port in ports)
    ):
        return None
    return _entry(case, runs[0])


def _holders(case: Case, port: PortMapping) -> set[str]:
    """IDs of the record's own rows that hold the pod's address and port: there can be but one."""
    rows = case.table.holding(case.ip, port.internal, port.protocol)
    return {row.entry.entry_id for row in rows if row.owner == case.record.uid}


def _create(case: Case) -> None:
    if not case.may_create:
        return
    missing = tuple(
        port for port in case.good if not case.has_row(port) and not _is_held_back(case, port)
    )
    offer = case.pool.offer(case.spec.gateway_id)
    for run in rows_of(missing, pack=offer is not None and offer.pack):
        entry = _entry(case, run)
        refusal = case.seen.refusals.get(entry)
        if refusal is not None and refusal.why is not Refused.QUOTA:
            # If not the range, then perhaps its ports one by one.
            ports = [p for p in missing if p.protocol == run[2] and p.external in run[0]]
            for single in rows_of(ports, pack=False):
                _add(case, _entry(case, single))
        else:
            _add(case, entry)
    if missing and (why := case.pool.problem(case.spec.gateway_id)):
        text = f"{case.spec.gateway_id}: {why}"
        case.problem = case.problem or Problem("GatewayUnusable", text)
    if missing and (why := distrust(case)):
        text = f"{case.spec.external_ip} on {case.spec.gateway_id} is refused by the cloud: {why}"
        case.problem = case.problem or Problem("CloudRejected", text)


def _add(case: Case, entry: NewEntry) -> None:
    case.writes.append(CreateRow(case.spec.gateway_id, entry, _intent(case)))


def _is_held_back(case: Case, port: PortMapping) -> bool:
    """Whether a row for the port would be refused, or was and nothing has changed since."""
    held = _is_squatted(case, port) or bool(_holders(case, port))
    everywhere = is_refused_everywhere(case, port)
    for refusal in refusals_of(case, port):
        if refusal.why is Refused.CONFLICT:
            readings = READINGS_BETWEEN if everywhere else 1
            held = held or case.table.generation < refusal.generation + readings
            if everywhere:
                case.problem = case.problem or _taken(case, port, refusal)
        elif refusal.why is Refused.UNFORESEEN:
            # It may be the vendor's word for an address that is taken: the table tells.
            doubted = refusal.count <= UNFORESEEN_BELIEVED
            held = held or (doubted and case.table.generation <= refusal.generation)
            if is_unforeseen(refusal):
                case.problem = case.problem or _unforeseen(case, port, refusal)
        else:
            reason = "QuotaExceeded" if refusal.why is Refused.QUOTA else "CloudRejected"
            case.problem = case.problem or Problem(reason, refusal.message)
    return held


def _taken(case: Case, port: PortMapping, refusal: Refusal) -> Problem:
    text = (
        f"{case.ip}:{port.internal}/{port.protocol} is refused on every endpoint, and no entry of "
        f"this gateway is in the way; another gateway of the VPC may have one: {refusal.message}"
    )
    return Problem("TupleConflict", text)


def _unforeseen(case: Case, port: PortMapping, refusal: Refusal) -> Problem:
    tried = case.pool.trust.tried(case.record.uid)
    where = f"{case.spec.endpoint(port)} on {case.spec.gateway_id}"
    alike = (
        f"refused alike on {tried.endpoints} endpoints of {tried.ips} external IPs and "
        f"{tried.gateways} gateways; "
        if tried.endpoints > 1
        else ""
    )
    text = (
        f"{where}: the cloud refuses the entry: {refusal.message}; nothing that dnatctl knows of "
        f"is in its way; {alike}nothing better is left to try, it is tried again now and then"
    )
    return Problem("CloudRejected", text)


def _is_squatted(case: Case, port: PortMapping) -> bool:
    rows = squatters(case.table, case.ip, port, case.record.uid)
    foreign = [row.entry for row in rows if not row.owner]
    if foreign:
        text = (
            f"{case.ip}:{port.internal}/{port.protocol} already has a DNAT entry that is not "
            f"dnatctl's: {foreign[0].entry_id} ({foreign[0].external_ip}:"
            f"{foreign[0].external_ports}); delete it or stop exposing the port"
        )
        case.problem = case.problem or Problem("TupleConflict", text)
    for row in rows:
        if row.owner and row.entry.status is not EntryStatus.DELETING:
            _wait_for(case, port, row)
    return bool(rows)


def _wait_for(case: Case, port: PortMapping, row: Row) -> None:
    """The row of an earlier holder of the IP goes by itself; told is only what takes too long."""
    wait = SQUATTED_FOR_S - case.seen.stated_for
    if wait > 0:
        case.retry_in = wait
    else:
        case.problem = case.problem or _held(case, port, row)


def _held(case: Case, port: PortMapping, row: Row) -> Problem:
    entry, holder = row.entry, case.seen.names.get(row.owner)
    whose = f"PodDNAT {holder}" if holder else "a PodDNAT that is gone"
    text = (
        f"{case.ip}:{port.internal}/{port.protocol} still has a DNAT entry of {whose}: "
        f"{entry.entry_id} ({entry.external_ip}:{entry.external_ports}); this one comes when that "
        "one is deleted"
    )
    return Problem("TupleConflict", text)


def _entry(case: Case, run: Run) -> NewEntry:
    external, internal, protocol = run
    key = case.seen.key
    ports = [port for port in case.good if port.external in external]
    return NewEntry(
        external_ip=case.spec.external_ip,
        external_ports=external,
        internal_ip=case.ip,
        internal_ports=internal,
        protocol=protocol,
        name=case.seen.marks.name(case.record.uid, f"{key.namespace}-{key.name}"),
        port_break=any(
            case.pool.needs_port_break(case.spec.gateway_id, case.spec.endpoint(port))
            for port in ports
        ),
    )


def _intent(case: Case) -> str:
    """What tells this wish from an earlier one for the same row, readable after a crash.

    The claim's generation moves with every change of the claim, and the Ready condition's time
    with every loss of an entry that was usable.
    """
    condition = case.record.status.condition(READY)
    return f"{case.record.generation}/{condition.since if condition else ''}"
