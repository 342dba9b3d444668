"""plan: desired, recorded, actual, pool -> the next step, and what the tables are to be written.

What a pod asks for (desired), what its PodDNAT says (recorded) and the rows of the forward tables
(actual) are compared, and the first difference decides:

    record      pod                                     then
    ------      ---                                     ----
    none        asks, has an IP                         store a claim
    being       (any), and somebody wants it gone       release
     deleted    runs, and the cluster is cleaning up    hold what there is until the pod has ended
    of another  (any)                                   release; the pod claims anew afterwards
     pod
    its own     asks, has an IP                         hold: make rows and status true
    its own     asks for what cannot be done            hold what there is, say what is wrong
    its own     has no IP (yet), or: fixed and away     park: keep the claim, delete the rows
    its own     has an IP that is another's             as if it had none, or being deleted: ended
    its own     ended, gone, or asks no more            release
    its own     may not have what it has, nor keep it   release

Every step is safe to repeat, and a crash after any of them is repaired by what a restart reads.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from dnatctl.objects import PodDNAT
from dnatctl.plan import namesake
from dnatctl.plan.claim import claim
from dnatctl.plan.deletion import serves, told
from dnatctl.plan.exposure import Ask, Problem
from dnatctl.plan.hold import hold
from dnatctl.plan.owners import is_fixed, is_for
from dnatctl.plan.policy import permitted
from dnatctl.plan.release import no_row_left, park, release
from dnatctl.plan.rows import astray
from dnatctl.plan.values import (
    DeleteRecord,
    DropFinalizer,
    Plan,
    Publish,
    Seen,
    Step,
    soonest,
)
from dnatctl.pool import Pool
from dnatctl.table.writes import CreateRow, DeleteRow, Write


def plan(seen: Seen, pool: Pool) -> Plan:
    """What to do now for one namespace and name. Pure: nothing is changed by asking."""
    if seen.paused and (seen.record is not None or seen.exposure.ask not in _ASKS_NOTHING):
        return Plan(problem=Problem("Paused", f"nothing is changed: {seen.paused}"))
    made = _next(seen, pool)
    return replace(
        made,
        writes=(*made.writes, *_unannounced(seen, made)),
        problem=made.problem or seen.exposure.displaced,
        retry_in=soonest(made.retry_in, seen.retry_in),
    )


def _unannounced(seen: Seen, made: Plan) -> tuple[Write, ...]:
    """Deletes that cannot wait for the status to be written where it is refused: what it lists
    reaches the pod no more in any case, and would reach whoever has the IP now."""
    if seen.record is None or not (seen.mute and isinstance(made.step, Publish)):
        return ()
    known = {write.entry_id for write in made.writes if not isinstance(write, CreateRow)}
    rows = [own for own in astray(seen, seen.record) if own.entry_id not in known]
    deletes = tuple(DeleteRow(own.gateway_id, own.entry_id) for own in rows)
    return permitted(seen.policy, deletes)[0]


_ASKS_NOTHING = (Ask.OFF, Ask.ENDED)


def _next(seen: Seen, pool: Pool) -> Plan:
    if seen.record is None:
        return claim(seen, pool)
    standing = _standing(seen, seen.record)
    if standing is _Course.HOLD:
        return _hold(seen, seen.record, pool)
    if standing is _Course.PARK:
        return park(seen, seen.record)
    return namesake.told(seen, seen.record, release(seen, seen.record))


class _Course(Enum):
    """How a record stands to the pod of its name."""

    HOLD = auto()
    PARK = auto()
    RELEASE = auto()


def needs_fresh_look(seen: Seen) -> bool:
    """Whether the plan would let go of a claim because of what the pod looks like.

    That must not rest on a cache that may be old: look the pod up first.
    """
    if seen.record is None:
        return False
    return _standing(seen, seen.record) is not _Course.HOLD or needs_cause(seen)


def is_held(seen: Seen) -> bool:
    """Whether there is a pod that asks for what the record claims."""
    return seen.record is not None and _standing(seen, seen.record) is _Course.HOLD


def is_done_with(seen: Seen, step: Step) -> bool:
    """Whether nothing is left of a record but itself, that step being the next one for it.

    What status lists of it misleads nobody: its pod is gone, or somebody wants it gone.
    """
    record = seen.record
    if record is None or not isinstance(step, Publish):
        return isinstance(step, DeleteRecord | DropFinalizer)
    ends = record.deleting or seen.pod is None
    releases = ends and _standing(seen, record) is _Course.RELEASE
    return releases and no_row_left(seen, record)


def needs_cause(seen: Seen) -> bool:
    """Whether it is to be found out why the record is being deleted, while its pod runs."""
    record = seen.record
    if record is None or not record.deleting or seen.deletion.settled:
        return False
    return _standing(seen, record) is _Course.HOLD


def _hold(seen: Seen, record: PodDNAT, pool: Pool) -> Plan:
    if not record.deleting:
        return hold(seen, record, pool)
    seen, again = told(seen)
    made = hold(seen, record, pool)
    return replace(made, retry_in=soonest(made.retry_in, again))


def _standing(seen: Seen, record: PodDNAT) -> _Course:
    standing = _to_pod(seen, record)
    if record.deleting and not (standing is _Course.HOLD and serves(seen, record)):
        return _Course.RELEASE
    return standing


def _to_pod(seen: Seen, record: PodDNAT) -> _Course:
    pod, exposure = seen.pod, seen.exposure
    if pod is None or exposure.ask is Ask.ENDED:
        return _Course.PARK if is_fixed(record) else _Course.RELEASE
    if exposure.ask in (Ask.OFF, Ask.REVOKED) or not is_for(seen, record, pod):
        return _Course.RELEASE
    return _Course.HOLD if exposure.ip else _Course.PARK
