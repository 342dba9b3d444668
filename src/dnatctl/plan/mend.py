"""Mend: which rows to create, change and delete so that a claim is true."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dnatctl.model import NewEntry
from dnatctl.objects import READY, PortMapping
from dnatctl.plan.case import (
    UNFORESEEN_BELIEVED,
    Case,
    is_refused_everywhere,
    refusals_of,
)
from dnatctl.plan.rows import OwnRow, strangers
from dnatctl.plan.status import was_told
from dnatctl.pool import Run, rows_of
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Refusal, Refused, Write

READINGS_BETWEEN = 10
"""Readings of the table between two tries for an address that is refused on every endpoint."""


def mend(case: Case) -> tuple[Write, ...]:
    """The writes after which the claim is true, whatever the policy says to them."""
    corrections = [_correct(case, own) for own in case.astray]
    return (*corrections, *_creations(case))


def blockers(case: Case) -> tuple[str, ...]:
    """UIDs of others whose rows lead to this pod's IP: they are to go first."""
    return tuple(sorted(strangers(case.table, case.ip, case.record.uid)))


def _correct(case: Case, own: OwnRow) -> Write:
    """A row that leads astray is led back where possible, else deleted."""
    ports = tuple(p for p in case.good if own.row.entry.covers(case.spec.endpoint(p)))
    policy = case.seen.policy
    # Where nothing may be deleted, the change is all there is: it is tried now and then.
    denied = own.gateway_id in policy.unmodifiable and not policy.upsert_only
    target = None if denied else _target(case, own, ports)
    # Where another row holds the pod's address, or the cloud will not have it changed, this one
    # cannot be led back, and it may lead to another pod meanwhile: so it goes.
    if target is None or _is_unchangeable(case, target) or any(map(case.squatters, ports)):
        return DeleteRow(own.gateway_id, own.entry_id)
    return ModifyRow(own.gateway_id, own.entry_id, target, _intent(case))


def _is_unchangeable(case: Case, target: NewEntry) -> bool:
    """Whether the change was refused; where nothing may be deleted it is tried again and again."""
    return not case.seen.policy.upsert_only and _no_change(case, target) is not None


def _no_change(case: Case, target: NewEntry) -> Refusal | None:
    """The refusal of the change, if it was not by an accident."""
    refusal = case.seen.refusals.get(target)
    if refusal is None:
        return None
    unclear = refusal.why in (Refused.CONFLICT, Refused.UNFORESEEN)
    return refusal if not unclear or refusal.count >= UNFORESEEN_BELIEVED else None


def unchanged(case: Case) -> Iterator[tuple[str, Refusal]]:
    """IDs of the rows that ought to be led back and are not, and what the cloud says to that."""
    for write in map(partial(_correct, case), case.astray):
        if isinstance(write, ModifyRow) and (refusal := _no_change(case, write.entry)) is not None:
            yield write.entry_id, refusal


def _target(case: Case, own: OwnRow, ports: tuple[PortMapping, ...]) -> NewEntry | None:
    """Where the row ought to lead, if it can serve just these claimed ports as it stands."""
    entry = own.row.entry
    runs = rows_of(sorted(ports), pack=True)
    if (
        (case.seen.exposure.unfit and entry.internal_ip != case.ip)
        or own.gateway_id != case.spec.gateway_id
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


def to_create(case: Case) -> tuple[PortMapping, ...]:
    """The ports that a row is to be created for now."""
    if case.pool.lacks(case.spec.gateway_id, case.spec.external_ip):
        return ()
    return tuple(port for port in case.rowless if not _is_held_back(case, port))


def _creations(case: Case) -> Iterator[CreateRow]:
    missing = to_create(case)
    offer = case.pool.offer(case.spec.gateway_id)
    for run in rows_of(missing, pack=offer is not None and offer.pack):
        refusal = case.seen.refusals.get(_entry(case, run))
        if refusal is not None and refusal.why is not Refused.QUOTA:
            # If not the range, then perhaps its ports one by one.
            ports = [p for p in missing if p.protocol == run[2] and p.external in run[0]]
            for single in rows_of(ports, pack=False):
                yield _creation(case, single)
        else:
            yield _creation(case, run)


def _creation(case: Case, run: Run) -> CreateRow:
    return CreateRow(case.spec.gateway_id, _entry(case, run), _intent(case))


def _is_held_back(case: Case, port: PortMapping) -> bool:
    """Whether a row for the port would be refused, or was and nothing has changed since."""
    if case.squatters(port) or _holders(case, port):
        return True
    everywhere = is_refused_everywhere(case, port)
    return any(_stands(case, refusal, everywhere) for refusal in refusals_of(case, port))


def _stands(case: Case, refusal: Refusal, everywhere: bool) -> bool:
    """Whether the table has not been read often enough since to ask again."""
    read = case.table.generation - refusal.generation
    if refusal.why is Refused.CONFLICT:
        return read < (READINGS_BETWEEN if everywhere else 1)
    # What is unforeseen may be the vendor's word for an address that is taken: the table tells.
    unforeseen = refusal.why is Refused.UNFORESEEN
    return unforeseen and refusal.count <= UNFORESEEN_BELIEVED and read <= 0


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
        name=case.seen.marks.name(case.record.uid, str(key)),
        port_break=any(
            case.pool.needs_port_break(case.spec.gateway_id, case.spec.endpoint(port))
            for port in ports
        ),
    )


def _intent(case: Case) -> str:
    """What tells this wish from an earlier one for the same row, readable after a crash.

    The claim's generation moves with every change of the claim, and the Ready condition's time
    with every loss of an entry that was usable. That the first entries are awaited changes nothing.
    """
    condition = case.record.status.condition(READY)
    since = condition.since if condition and was_told(case.record) else ""
    return f"{case.record.generation}/{since}"
