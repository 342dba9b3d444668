"""The status of a PodDNAT, composed."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.objects import (
    OUR_CONDITIONS,
    READY,
    RETAINED,
    Condition,
    PodDNAT,
    PodDNATStatus,
    StatusEntry,
)
from dnatctl.plan.values import Publish, Seen
from dnatctl.times import format_time, parse_time

CLOCKS_DIFFER_S = 300.0
"""How far ahead the clock of whoever wrote a time may be, in seconds."""


AWAITED = "EntriesAwaited"
"""Reason of a claim that was never usable, and that nothing is wrong with as far as is known."""


def was_told(record: PodDNAT) -> bool:
    """Whether anything was told of the record but that its first entries are awaited."""
    condition = record.status.condition(READY)
    return condition is not None and condition.reason != AWAITED


def ready(seen: Seen, record: PodDNAT, status: str, reason: str, message: str) -> Condition:
    """The Ready condition; its time moves only when its status does."""
    return _dated(seen, record, Condition(READY, status, reason, message))


def retained(seen: Seen, record: PodDNAT) -> Condition:
    """The Retained condition: true since the name left the workload's replicas.

    A time that cannot be, of a clock that was wrong or of anybody's invention, is now: to take it
    for long ago would end the claim at once, and to believe it perhaps never.
    """
    text = "no longer among the workload's replicas; the claim is kept for the retain time"
    made = _dated(seen, record, Condition(RETAINED, "True", "NotAmongReplicas", text))
    since = parse_time(made.since)
    if since is None or (since - seen.wall).total_seconds() > CLOCKS_DIFFER_S:
        return replace(made, since=format_time(seen.wall))
    return made


def publish(
    seen: Seen,
    record: PodDNAT,
    entries: tuple[StatusEntry, ...],
    *conditions: Condition,
    drifted: tuple[StatusEntry, ...] = (),
) -> Publish | None:
    """The status write that makes these the entries and conditions; None if they are already.

    Where the cluster's CRD is an older one that drops conditions, only entries count. Conditions
    of others are written again as they were read: of a list of theirs, only the beginning is.
    """
    others = tuple(c for c in record.status.conditions if c.type not in OUR_CONDITIONS)
    kept = (*conditions, *others)
    told = not seen.policy.keeps_conditions or _is_told(record, kept)
    meant = PodDNATStatus(entries, kept, record.generation)
    if record.status.entries == entries and (told or _is_echo(seen, record, meant)):
        return None
    return Publish(meant, drifted)


def _dated(seen: Seen, record: PodDNAT, condition: Condition) -> Condition:
    old = record.status.condition(condition.type)
    since = old.since if old is not None and old.status == condition.status else ""
    now = format_time(seen.wall)
    return replace(condition, since=since or now, observed_generation=record.generation)


def _is_echo(seen: Seen, record: PodDNAT, meant: PodDNATStatus) -> bool:
    """Whether the API server was given this already, and what the status says is what it has made
    of it. A time that it has not kept is another each time, and no news."""
    echo = seen.echo
    return (
        echo is not None
        and echo.stored == record.status
        and _undated(echo.meant) == _undated(meant)
    )


def _undated(status: PodDNATStatus) -> PodDNATStatus:
    return replace(status, conditions=tuple(replace(c, since="") for c in status.conditions))


def _is_told(record: PodDNAT, conditions: tuple[Condition, ...]) -> bool:
    """Whether the status says this already, and says it of the present generation."""
    status = record.status
    return status.observed_generation == record.generation and set(status.conditions) == set(
        conditions
    )
