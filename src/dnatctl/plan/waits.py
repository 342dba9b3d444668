"""Waits: what is told of a claim whose entries have never been there yet, once that takes long.

Most entries are there within a few seconds, and are spared a write to say that they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from dnatctl.model import EntryStatus
from dnatctl.objects import READY
from dnatctl.plan.case import Case
from dnatctl.plan.exposure import Problem
from dnatctl.plan.status import AWAITED
from dnatctl.times import parse_time

TOLD_AFTER_S = 10.0
"""So many seconds after its claim a wait is told, or after its create that a row is not usable."""

LOOK_AGAIN_S = 30.0
"""How often it is looked whether something else is waited for, once the wait was told."""


def awaited(case: Case) -> Problem | None:
    """What it waits for, if it has long enough."""
    return None if _untold_for(case) > 0 else Problem(AWAITED, f"not reachable yet: {_cause(case)}")


def look_again_in(case: Case) -> float | None:
    """Seconds until it is worth a word, or what it waits for may be another thing."""
    ready = case.record.status.condition(READY)
    if ready is None:
        left = _untold_for(case)
        # Where it is over and was not told, the cluster's CRD drops conditions: it never will be.
        return left if 0 < left <= TOLD_AFTER_S else None
    return LOOK_AGAIN_S if ready.reason == AWAITED else None


def _untold_for(case: Case) -> float:
    created = parse_time(case.record.created)
    if created is None:
        return inf
    return TOLD_AFTER_S - (case.seen.wall - created).total_seconds()


def _cause(case: Case) -> str:
    gateway_id, table = case.spec.gateway_id, case.table
    if table.unreadable:
        return f"the forward table of {gateway_id} cannot be read: {table.unreadable}"
    if held_back := _held_back(case):
        return f"the forward table of {gateway_id} {held_back}"
    if case.seen.trouble:
        return f"no write to the forward table of {gateway_id} gets through: {case.seen.trouble}"
    if case.seen.unready:
        on = f"{case.spec.external_ip} of {gateway_id}"
        return f"no entry is made on {on} just now, while others are: {case.seen.unready}"
    for own in case.rows:
        if own.row.in_flux and case.seen.now - own.row.written > TOLD_AFTER_S:
            return (
                f"entry {own.entry_id} is {own.row.entry.status_text} in the cloud, not Available"
            )
    if in_the_way := next(_on_their_way_out(case), None):
        return f"{in_the_way} in the cloud, and has to be gone first"
    return f"it waits for the forward table of {gateway_id}, which takes one write at a time"


def _held_back(case: Case) -> str:
    """Why it is not known whether a row that is waited for has settled, if it is not."""
    awaits = any(own.row.in_flux for own in case.rows) or any(_on_their_way_out(case))
    return case.table.read_wait.held_back(case.seen.now) if awaits else ""


def _on_their_way_out(case: Case) -> Iterator[str]:
    """Rows that hold the pod's address and are being deleted, in words. Where they lead to the pod
    of another PodDNAT, nothing is written to them any more, and nothing can be made beside them."""
    for port in case.rowless:
        for entry in (row.entry for row in case.squatters(port)):
            if entry.status is EntryStatus.DELETING:
                held = f"{case.ip}:{port.internal}/{port.protocol}"
                yield f"entry {entry.entry_id}, which leads to {held}, is {entry.status_text}"
