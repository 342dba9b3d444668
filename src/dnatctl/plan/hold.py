"""Hold: make the rows and the status of a pod's record true, and keep them so."""

from __future__ import annotations

from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.objects import READY, PodDNAT, PortMapping, StatusEntry
from dnatctl.plan import waits
from dnatctl.plan.adoption import adopt, awaits_clarity
from dnatctl.plan.case import Case, examine
from dnatctl.plan.claim import align, fill_in, name_interface, retire
from dnatctl.plan.exposure import Problem
from dnatctl.plan.follow import follow
from dnatctl.plan.mend import blockers, mend
from dnatctl.plan.owners import fix_metadata
from dnatctl.plan.policy import permitted
from dnatctl.plan.problems import look_again_in, outside, problem_of
from dnatctl.plan.regain import go_back
from dnatctl.plan.rows import usable_entries
from dnatctl.plan.status import publish, ready, was_told
from dnatctl.plan.values import Plan, Publish, Reclaim, Seen, soonest
from dnatctl.plan.waits import awaited
from dnatctl.pool import UNDESCRIBED, Pool
from dnatctl.table.view import Table, why_unread
from dnatctl.table.writes import CreateRow, Write

PASSING = ("EntriesPending", "EntriesChanged", "AddressChanged", "PortsChanged")
"""Reasons of a pod that is being served: they hold until it is reachable. Any other one is of a
problem, and is withdrawn when the problem is over."""


def hold(seen: Seen, record: PodDNAT, pool: Pool) -> Plan:
    """What to do for a record whose pod asks for it."""
    if fix := fix_metadata(seen, record):
        return Plan(fix)
    gateway_id = record.spec.gateway_id
    if not gateway_id:
        return fill_in(seen, pool)
    table = seen.tables.get(gateway_id)
    if table is None or not (table.read_once or gateway_id in seen.absent):
        return Plan(problem=_not_read(gateway_id, pool, table))
    if step := adopt(seen, record):
        return Plan(step)
    if awaits_clarity(seen, record, table):
        return Plan(problem=seen.exposure.problem)
    if following := follow(seen, record, pool):
        return following
    if back := go_back(seen, record, pool):
        return back
    return _make_true(examine(seen, record, pool, table))


def _not_read(gateway_id: str, pool: Pool, table: Table | None) -> Problem:
    """The start of this process is nobody's problem: what is reachable stays so meanwhile."""
    problem = pool.problem(gateway_id)
    begins = problem in ("", UNDESCRIBED) and (table is None or not table.unreadable)
    text = f"{gateway_id}: {problem or why_unread(table)}"
    return Problem("GatewayUnusable", text, passing=begins)


def _make_true(case: Case) -> Plan:
    """Status, claim, rows, in this order: while one of them is behind, nothing is asked of a table,
    for what is to be written there follows from the claim."""
    writes, held = permitted(case.seen.policy, mend(case))
    true = _reaching(case, writes)
    if withdrawn := _withdraw(case, true):
        return Plan(withdrawn)
    if retired := retire(case):
        return Plan(retired, problem=outside(case), retry_in=case.retry_in)
    spec, lack = align(case)
    problem, retry_in = problem_of(case, lack, held), look_again_in(case, lack)
    if spec != case.spec:
        return Plan(Reclaim(spec, case.refused), problem=problem, retry_in=retry_in)
    step = name_interface(case) or _publish(case, true, problem)
    if step is None and problem is None:
        retry_in = soonest(retry_in, waits.look_again_in(case))
    return Plan(step, writes, problem, blockers(case), retry_in)


def _reaching(case: Case, writes: tuple[Write, ...]) -> tuple[StatusEntry, ...]:
    """What reaches the pod, and is not about to be changed or deleted."""
    if case.seen.outage:
        return ()
    ending = {write.entry_id for write in writes if not isinstance(write, CreateRow)}
    lasting = [own for own in case.rows if own.entry_id not in ending]
    return usable_entries(lasting, case.spec, case.good, case.ip)


def _withdraw(case: Case, true: tuple[StatusEntry, ...]) -> Publish | None:
    """Status must never list what does not reach this pod: that goes before anything else."""
    listed = case.record.status.entries
    left = tuple(entry for entry in listed if entry in true)
    if left == listed:
        return None
    lost = tuple(entry for entry in listed if entry not in true)
    drifted = tuple(entry for entry in lost if _has_drifted(case, entry))
    why = _why_lost(case, lost, drifted)
    now = ready(case.seen, case.record, "False", why.reason, why.message)
    return publish(case.seen, case.record, left, now, drifted=drifted)


def _has_drifted(case: Case, entry: StatusEntry) -> bool:
    """Whether somebody else changed or deleted the row of an entry that is to be as it was listed.

    A row that is as it was and is listed no longer has had its end decided here, or the cloud is
    busy with it: that may be for reasons of its own.
    """
    if not _is_to_stay(case, entry):
        return False
    row = case.table.row(entry.entry_id)
    return row is None or not _leads_as_listed(row.entry, entry)


def _unavailable(case: Case, entry: StatusEntry) -> ForwardEntry | None:
    """The row of an entry that has not drifted, but that the cloud does not call Available."""
    row = case.table.row(entry.entry_id)
    if row is None or not row.in_flux or not _is_to_stay(case, entry):
        return None
    return row.entry


def _is_to_stay(case: Case, entry: StatusEntry) -> bool:
    if case.spec.internal_ip != case.ip or entry.internal_ip != case.ip:
        return False
    return any(_is_of(case, port, entry) for port in case.good)


def _is_of(case: Case, port: PortMapping, entry: StatusEntry) -> bool:
    return case.spec.endpoint(port) == entry.endpoint and port.internal == entry.internal_port


def _leads_as_listed(row: ForwardEntry, entry: StatusEntry) -> bool:
    if row.status is EntryStatus.DELETING:
        return False
    return row.internal_ip == entry.internal_ip and row.leads(entry.endpoint, entry.internal_port)


def _why_lost(
    case: Case, lost: tuple[StatusEntry, ...], drifted: tuple[StatusEntry, ...]
) -> Problem:
    """What people are told of entries that are listed no longer."""
    count = f"{len(lost)} of {len(case.record.status.entries)} entries"
    problem = outside(case)
    if case.seen.outage and problem is not None:
        return problem
    if case.spec.internal_ip != case.ip:
        moved = f"its IP was {case.spec.internal_ip} and is {case.ip} now"
        return Problem("AddressChanged", f"{count} no longer reach the pod: {moved}")
    if drifted:
        rows = ", ".join(dict.fromkeys(entry.entry_id for entry in drifted))
        text = f"{count} no longer reach the pod: somebody else changed or deleted {rows}"
        return Problem("EntriesChanged", text)
    if problem is not None:
        return problem
    if busy := [row for entry in lost if (row := _unavailable(case, entry)) is not None]:
        return _not_available(count, busy)
    asked_for = any((e.internal_port, e.endpoint.protocol) in case.wanted for e in lost)
    what = "are being replaced" if asked_for else "are no longer asked for"
    endpoints = ", ".join(str(entry.endpoint) for entry in lost)
    return Problem("PortsChanged", f"{count} {what}: {endpoints}")


def _not_available(count: str, rows: list[ForwardEntry]) -> Problem:
    states = ", ".join(dict.fromkeys(f"{row.entry_id} is {row.status_text}" for row in rows))
    text = (
        f"{count} may not reach the pod: {states} in the cloud, not Available, and leads where it "
        "is to; listed again once it is Available (if it stays so, delete it: it is made anew)"
    )
    return Problem("EntriesPending", text)


def _publish(case: Case, true: tuple[StatusEntry, ...], problem: Problem | None) -> Publish | None:
    seen, record = case.seen, case.record
    if seen.unanswered:
        # It may be the delete of a row that was not wanted a moment ago.
        true = tuple(entry for entry in true if entry in record.status.entries)
    if case.wanted and len(true) == len(case.wanted):
        reason = problem.reason if problem else "EntriesAvailable"
        text = problem.message if problem else f"{len(true)} of {len(true)} ports are reachable"
        return publish(seen, record, true, ready(seen, record, "True", reason, text))
    if problem:
        condition = ready(seen, record, "False", problem.reason, problem.message)
        return publish(seen, record, true, condition)
    before = record.status.condition(READY)
    if not was_told(record):
        why = awaited(case)
        now = ready(seen, record, "False", why.reason, why.message) if why else None
        return publish(seen, record, record.status.entries, now) if now else None
    if before is not None and (before.status == "True" or before.reason not in PASSING):
        text = f"{len(true)} of {len(case.wanted)} ports are reachable"
        condition = ready(seen, record, "False", "EntriesPending", text)
        return publish(seen, record, true, condition)
    return None
