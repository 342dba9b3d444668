"""Namesake: a pod waits for its name, which the PodDNAT of the pod before it still has.

There is one PodDNAT of a name at a time, so the new pod claims nothing until the old one is gone.
That takes a few seconds, and is told only where it takes longer.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from dnatctl.objects import FINALIZER, READY, PodDNAT
from dnatctl.plan import waits
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.rows import OwnRow, own_rows
from dnatctl.plan.values import Plan, Seen, soonest
from dnatctl.times import parse_time


def told(seen: Seen, record: PodDNAT, made: Plan) -> Plan:
    """The plan for a record that is released, with what the pod of its name is told, if it waits
    for long and is told nothing else."""
    pod = seen.pod
    if made.step or made.problem or pod is None or pod.deleting or seen.exposure.ask is not Ask.ON:
        return made
    left = waits.TOLD_AFTER_S - _waited(seen, record)
    if left > 0:
        return replace(made, retry_in=soonest(made.retry_in, left))
    text = (
        f"the PodDNAT {seen.key} of before is still there, and this pod claims its endpoints when "
        f"that is gone: {_cause(seen, record)}"
    )
    again = soonest(made.retry_in, waits.LOOK_AGAIN_S)
    return replace(made, problem=Problem("NameTaken", text), retry_in=again)


def _waited(seen: Seen, record: PodDNAT) -> float:
    """Seconds since the pod has an IP, but no more than since the record's entries were withdrawn:
    it may be the pod's own that somebody wants gone."""
    ready = record.status.condition(READY)
    since = parse_time(ready.since) if ready is not None and ready.status == "False" else None
    released = (seen.wall - since).total_seconds() if since is not None else inf
    return min(seen.stated_for, released)


def _cause(seen: Seen, record: PodDNAT) -> str:
    others = ", ".join(name for name in record.finalizers if name != FINALIZER)
    if record.deleting and others and FINALIZER not in record.finalizers:
        return (
            f"its entries are deleted, and the finalizer {others} keeps it, which is not dnatctl's;"
            " ask whoever set it"
        )
    rows = own_rows(seen, record)
    for own in rows:
        if held_back := seen.tables[own.gateway_id].read_wait.held_back(seen.now):
            return f"the forward table of {own.gateway_id} {held_back}"
    if seen.trouble:
        return f"no write to the forward table of its gateway gets through: {seen.trouble}"
    if not rows:
        return "it is not known yet whether it has entries left"
    if all(own.deleting for own in rows):
        return f"{_states(rows)} in the cloud, and has to be gone first"
    return f"its entries wait for {_gateways(rows)}, whose table takes one write at a time"


def _states(rows: list[OwnRow]) -> str:
    return ", ".join(f"entry {own.entry_id} is {own.row.entry.status_text}" for own in rows)


def _gateways(rows: list[OwnRow]) -> str:
    return ", ".join(dict.fromkeys(own.gateway_id for own in rows))
