"""Release and park: taking rows away, and letting go of the claim or keeping it.

The order is the point: status no longer lists the entries, then the rows are deleted, then they are
seen absent, then the endpoints go into quarantine, and the finalizer goes last.
"""

from __future__ import annotations

from dataclasses import replace

from dnatctl.amounts import amount
from dnatctl.objects import FINALIZER, READY, RETAINED, PodDNAT
from dnatctl.plan.adoption import adopt
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.policy import DELETION_HELD, permitted
from dnatctl.plan.rows import OwnRow, own_rows
from dnatctl.plan.status import CLOCKS_DIFFER_S, publish, ready, retained
from dnatctl.plan.values import (
    DeleteRecord,
    DropFinalizer,
    Plan,
    Publish,
    Retire,
    Seen,
    WorkloadAnswer,
)
from dnatctl.table.view import READ_LAG_S, Table
from dnatctl.table.writes import DeleteRow
from dnatctl.times import parse_time

RELEASING = Problem("Releasing", "the entries are being deleted")
UNMARKED = "EntriesUnmarked"
"""The same, of one that lists entries that are nobody's."""

AWAY = Problem(
    "PodAway",
    "the pod is away; its claim is kept while its workload wants it, and for fixed.retain after",
)
NO_IP = Problem(AWAY.reason, "the pod has no IP; its claim is kept")
"""What status says of entries that are taken away of a claim that is kept, unless the pod's IP is
another's."""

NAMED = 5
"""So many entries are named in a text."""

ASK_AGAIN_S = 60.0
"""How often to look whether a workload may be read by now."""

READING_S = 2.0
"""How often to look whether a table has been read, once it is time to."""

HELD = (DELETION_HELD.reason, "DeletionHeld", "GatewayUnusable")
"""Reasons for which rows cannot be taken away, or not be seen gone; withdrawn when that is over."""


def release(seen: Seen, record: PodDNAT) -> Plan:
    """Take the rows away, then the claim."""
    if first := _adopt(seen, record):
        return first
    left = _unmarked(seen, record)
    if waiting := until_rows_are_gone(seen, record, left or seen.exposure.displaced or RELEASING):
        return replace(waiting, problem=waiting.problem or left)
    if retiring := tuple(e for e in record.spec.endpoints() if e not in seen.durable):
        return Plan(Retire(retiring))
    return _let_go(seen, record)


def park(seen: Seen, record: PodDNAT) -> Plan:
    """Take the rows away and keep the claim: the pod's IP may be another pod's by now."""
    if first := _adopt(seen, record):
        return first
    away = AWAY if seen.exposure.ask is Ask.ENDED else NO_IP
    if waiting := until_rows_are_gone(seen, record, seen.exposure.displaced or away):
        return waiting
    if seen.exposure.ask is not Ask.ENDED or seen.workload is WorkloadAnswer.UNKNOWN:
        return Plan(problem=seen.exposure.problem)
    if seen.workload is WorkloadAnswer.UNREADABLE:
        return _keep_unasked(seen, record)
    if seen.workload is WorkloadAnswer.GONE:
        return Plan(DeleteRecord())
    return _retain(seen, record)


def _adopt(seen: Seen, record: PodDNAT) -> Plan | None:
    """Status says which unmarked rows are ours: what is adopted is so before it is cleared."""
    if adoption := adopt(seen, record):
        return Plan(adoption)
    migration = seen.policy.take_over
    if migration is None or not migration.believes(record) or not record.status.entries:
        return None
    problem = _unread(seen, record)
    return Plan(problem=problem) if problem else None


def _unmarked(seen: Seen, record: PodDNAT) -> Problem | None:
    """What status lists that is there and nobody's: it stays, and nothing tells of it later."""
    table = seen.tables.get(record.spec.gateway_id)
    if table is None:
        return None
    listed = sorted({entry.entry_id for entry in record.status.entries})
    left = [i for i in listed if (row := table.row(i)) is not None and not row.owner]
    if not left:
        return None
    which = ", ".join(left[:NAMED]) + (" ..." if len(left) > NAMED else "")
    entries = amount(len(left), "entry", "entries")
    text = (
        f"nothing marks {entries} that it lists on {table.gateway_id} as made by dnatctl "
        f"({which}): what is there stays; delete by hand what nobody needs"
    )
    return Problem(UNMARKED, text)


def until_rows_are_gone(seen: Seen, record: PodDNAT, otherwise: Problem) -> Plan | None:
    """What to do while rows are left, or while it is not known whether any are.

    Status says why, `otherwise` if nothing holds them; and it goes before the rows.
    """
    rows = own_rows(seen, record)
    writes, held = permitted(seen.policy, _deletions(rows))
    held = held or _held(seen, record, rows)
    if step := _withdraw(seen, record, held or otherwise):
        return Plan(step)
    condition = record.status.condition(READY)
    told = condition is not None and condition.reason in HELD
    step = _tell(seen, record, held or otherwise) if held or told else None
    if step or rows or held:
        return Plan(step, writes, held)
    return Plan() if seen.unanswered else _unlisted(seen, record)


def no_row_left(seen: Seen, record: PodDNAT) -> bool:
    """Whether it is known that the record has no row, and that none is on its way."""
    unknown = seen.unanswered or _unread(seen, record) or _unlisted(seen, record)
    return not (own_rows(seen, record) or unknown)


def _withdraw(seen: Seen, record: PodDNAT, why: Problem) -> Publish | None:
    condition = record.status.condition(READY)
    listed = bool(record.status.entries) or (condition is not None and condition.status == "True")
    return _tell(seen, record, why) if listed else None


def _tell(seen: Seen, record: PodDNAT, why: Problem) -> Publish | None:
    return publish(seen, record, (), ready(seen, record, "False", why.reason, why.message))


def _held(seen: Seen, record: PodDNAT, rows: list[OwnRow]) -> Problem | None:
    """What keeps rows from being taken away, or it from being known whether any are left."""
    for own in rows:
        if not own.deleting and (answer := seen.hindrances.get(own.entry_id)):
            entries = amount(len(rows), "entry", "entries")
            text = f"{entries} on {own.gateway_id} cannot be deleted: {answer}"
            return Problem("DeletionHeld", text)
    return None if rows else _unread(seen, record)


def _deletions(rows: list[OwnRow]) -> tuple[DeleteRow, ...]:
    """Deletes of the rows that are not on their way out yet."""
    return tuple(DeleteRow(own.gateway_id, own.entry_id) for own in rows if not own.deleting)


def _unlisted(seen: Seen, record: PodDNAT) -> Plan | None:
    """Wait out, after a start, what listings may not show yet.

    The row may have been created just before the start, by a process that did not live to note it,
    or that did: the backend that told it of the row need not be the one that was asked since.
    """
    gateway_id = record.spec.gateway_id
    table = seen.tables.get(gateway_id)
    if table is None or seen.made_here:
        return None
    if not table.may_hide(record.uid, record.spec.endpoints()):
        return None
    wait = table.first_read + READ_LAG_S - seen.now
    return Plan(retry_in=wait) if wait > 0 else Plan(read=gateway_id, retry_in=READING_S)


def _unread(seen: Seen, record: PodDNAT) -> Problem | None:
    gateway_id = record.spec.gateway_id
    table = seen.tables.get(gateway_id)
    if not gateway_id or gateway_id in seen.absent or (table is not None and _is_known(table)):
        return None
    why = f" ({table.unreadable})" if table is not None and table.unreadable else ""
    text = f"the forward table of {gateway_id} cannot be read{why}: "
    return Problem("GatewayUnusable", f"{text}whether entries are left is unknown")


def _is_known(table: Table) -> bool:
    """Whether it is known what it lists, or that is to be known soon."""
    return table.read_once and (table.caught_up or not table.unreadable)


def _let_go(seen: Seen, record: PodDNAT) -> Plan:
    if record.deleting:
        return _drop_finalizer(seen, record)
    if seen.pod is None or seen.pod.deleting:
        # The pod takes its PodDNAT along when the garbage collector comes by: one write saved.
        wait = _left(seen, record, READY, seen.policy.gc_grace_s)
        if wait > 0:
            return Plan(retry_in=wait)
    return Plan(DeleteRecord())


def _keep_unasked(seen: Seen, record: PodDNAT) -> Plan:
    """The claim stays, for as long as its workload may not be looked at."""
    owner = record.owners[0]
    text = (
        f"the claim is kept, perhaps for ever: the controller may not look whether {owner.kind} "
        f"{owner.name} still wants the pod; give it the verb get on that kind "
        f"({owner.api_version}), or delete the PodDNAT by hand"
    )
    problem = Problem("WorkloadUnreadable", text)
    condition = ready(seen, record, "False", problem.reason, text)
    return Plan(publish(seen, record, (), condition), problem=problem, retry_in=ASK_AGAIN_S)


def _drop_finalizer(seen: Seen, record: PodDNAT) -> Plan:
    if FINALIZER not in record.finalizers:
        return Plan()
    others = ", ".join(name for name in record.finalizers if name != FINALIZER)
    text = f"the entries are deleted; the PodDNAT is kept by {others}, which is not dnatctl's"
    step = _tell(seen, record, Problem("Released", text)) if others else None
    return Plan(step or DropFinalizer())


def _retain(seen: Seen, record: PodDNAT) -> Plan:
    why = seen.exposure.displaced or AWAY
    away = ready(seen, record, "False", why.reason, why.message)
    if seen.workload is WorkloadAnswer.WANTS:
        return Plan(publish(seen, record, (), away))
    if not seen.policy.keeps_conditions:
        return Plan()  # since when the name is unwanted cannot be noted: it goes with its workload
    if step := publish(seen, record, (), away, retained(seen, record)):
        return Plan(step)
    wait = _left(seen, record, RETAINED, seen.policy.retain_s)
    return Plan(retry_in=wait) if wait > 0 else Plan(DeleteRecord())


def _left(seen: Seen, record: PodDNAT, type_: str, seconds: float) -> float:
    """Seconds left of a time that began when the condition last changed; 0 without one.

    A PodDNAT's author may have written the condition, so that a time before the PodDNAT was made,
    or after now, is not believed: it would end never.
    """
    condition = record.status.condition(type_)
    if condition is None or not condition.since:
        return 0.0
    since, created = parse_time(condition.since), parse_time(record.created)
    if since is None or (since - seen.wall).total_seconds() > CLOCKS_DIFFER_S:
        since = created
    began = max(filter(None, (since, created)), default=None)
    return seconds - (seen.wall - began).total_seconds() if began else 0.0
