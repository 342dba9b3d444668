"""plan: desired, recorded, actual, pool -> the one next thing.

What a pod asks for (desired), what its PodDNAT says (recorded) and the rows of the forward tables
(actual) are compared, and the first difference decides:

    record      pod                                     then
    ------      ---                                     ----
    none        asks, has an IP                         store a claim
    being       (any)                                   release
     deleted
    of another  (any)                                   release; the pod claims anew afterwards
     pod
    its own     asks, has an IP                         hold: make rows and status true
    its own     asks for what cannot be done            hold what there is, say what is wrong
    its own     has no IP (yet), or: fixed and away     park: keep the claim, delete the rows
    its own     has an IP that is another's             as if it had none, or being deleted: ended
    its own     ended, gone, or asks no more            release

Every step is safe to repeat, and a crash after any of them is repaired by what a restart reads.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from dnatctl.objects import Pod, PodDNAT
from dnatctl.plan.claim import allot
from dnatctl.plan.exposure import Ask, Exposure, owner_for
from dnatctl.plan.hold import hold
from dnatctl.plan.release import park, release
from dnatctl.plan.values import CreateRecord, Plan, Seen, quota_used_up
from dnatctl.pool import Pool


def plan(seen: Seen, pool: Pool) -> Plan:
    """The next thing to do for one namespace and name. Pure: nothing is changed by asking."""
    made = _next(seen, pool)
    waits = [wait for wait in (made.retry_in, seen.retry_in) if wait is not None]
    return replace(
        made,
        problem=made.problem or seen.exposure.displaced,
        retry_in=min(waits, default=None),
    )


def _next(seen: Seen, pool: Pool) -> Plan:
    if seen.record is None:
        return _claim(seen, pool)
    standing = _standing(seen.record, seen.pod, seen.exposure)
    if standing is _Standing.HOLD:
        return hold(seen, seen.record, pool)
    if standing is _Standing.PARK:
        return park(seen, seen.record)
    return release(seen, seen.record)


class _Standing(Enum):
    """How a record stands to the pod of its name."""

    HOLD = auto()
    PARK = auto()
    RELEASE = auto()


def is_fixed(record: PodDNAT) -> bool:
    """Whether the claim belongs to the name (its owner is the workload), not to one pod."""
    return bool(record.owners) and all(owner.kind != "Pod" for owner in record.owners)


def needs_fresh_look(seen: Seen) -> bool:
    """Whether the plan would let go of a claim because of what the pod looks like.

    That must not rest on a cache that may be old: look the pod up first.
    """
    record = seen.record
    if record is None or record.deleting:
        return False
    return _standing(record, seen.pod, seen.exposure) is not _Standing.HOLD


def _standing(record: PodDNAT, pod: Pod | None, exposure: Exposure) -> _Standing:
    if record.deleting:
        return _Standing.RELEASE
    away = _Standing.PARK if is_fixed(record) else _Standing.RELEASE
    if pod is None or exposure.ask is Ask.ENDED:
        return away
    if exposure.ask is Ask.OFF or not _is_for(record, pod):
        return _Standing.RELEASE
    return _Standing.HOLD if exposure.ip else _Standing.PARK


def _is_for(record: PodDNAT, pod: Pod) -> bool:
    """Whether the record is this pod's, by UID: a pod of the same name may be another one."""
    if is_fixed(record):
        return pod.owner is not None and any(o.uid == pod.owner.uid for o in record.owners)
    return not record.owners or any(owner.uid == pod.uid for owner in record.owners)


def _claim(seen: Seen, pool: Pool) -> Plan:
    pod, exposure = seen.pod, seen.exposure
    if pod is None or pod.deleting or exposure.ask is not Ask.ON:
        return Plan(problem=exposure.problem)
    if seen.denied:
        return Plan(problem=quota_used_up(seen.key.namespace))
    spec = allot(seen, pool)
    return spec if isinstance(spec, Plan) else Plan(CreateRecord(spec, owner_for(pod, exposure)))
