"""A plan in words: what would be done, and what would not be and why."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from dnatctl.model import NewEntry
from dnatctl.objects import READY, Key, PodDNAT, PodDNATSpec, PodDNATStatus
from dnatctl.plan.values import (
    Adopt,
    CreateRecord,
    DeleteRecord,
    DropFinalizer,
    FixMetadata,
    Plan,
    Publish,
    Reclaim,
    Retire,
    Step,
)
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Write


class Action(StrEnum):
    """What would be done."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    ADOPT = "adopt"
    NONE = "none"
    """Nothing, for the reason that is given."""


class Foreseen(Struct, frozen=True):
    """One thing that would be done for a pod (`namespace/name`; "" where it is nobody's).

    `what`: `endpoint`, `entry`, `PodDNAT` or `status`; of what is not done, the reason.
    """

    action: Action
    pod: str
    what: str
    detail: str

    @property
    def changes(self) -> bool:
        """Whether anything would be different afterwards."""
        return self.action is not Action.NONE


def of_plan(key: Key, record: PodDNAT | None, made: Plan) -> Iterator[Foreseen]:
    """The next step for a pod, all writes to tables, and what is wrong.

    Later steps follow from what the world is then: nobody can say now.
    """
    had, listed = (record.spec, record.status) if record else (PodDNATSpec(), PodDNATStatus())
    found = _of_step(made.step, had, listed)
    for action, what, detail in (*found, *map(_of_write, made.writes)):
        yield Foreseen(action, str(key), what, detail)
    if made.problem is not None:
        yield Foreseen(Action.NONE, str(key), made.problem.reason, made.problem.text)


_Said = tuple[Action, str, str]


def _of_step(step: Step | None, had: PodDNATSpec, listed: PodDNATStatus) -> Iterator[_Said]:
    match step:
        case CreateRecord(spec):
            yield from _claims(PodDNATSpec(), spec)
        case Reclaim(spec, refused):
            yield from _claims(had, spec)
            if refused:
                yield Action.CHANGE, "PodDNAT", f"what it claims is refused: {refused}"
            elif had.endpoints() == spec.endpoints():
                yield Action.CHANGE, "PodDNAT", _changed_claim(had, spec)
        case FixMetadata():
            yield Action.CHANGE, "PodDNAT", "owner and finalizer are put right"
        case Publish(status):
            ready = status.condition(READY)
            text = f"entries listed: {len(status.entries)}{_difference(listed, status)}"
            yield Action.CHANGE, "status", f"{text}: {ready.message}" if ready else text
        case Adopt(gateway_id, entry_ids):
            yield Action.ADOPT, "entry", f"{', '.join(entry_ids)} on {gateway_id}"
        case Retire(endpoints):
            for endpoint in endpoints:
                yield Action.DELETE, "endpoint", f"{endpoint} rests from then on"
        case DeleteRecord() | DropFinalizer():
            yield Action.DELETE, "PodDNAT", "released"


def _difference(before: PodDNATStatus, after: PodDNATStatus) -> str:
    """Which addresses are told to be usable, or to be no more."""
    old, new = ([str(e.endpoint) for e in status.entries] for status in (before, after))
    come, gone = [e for e in new if e not in old], [e for e in old if e not in new]
    told = (
        f", {word} {', '.join(some)}" for word, some in (("now", come), ("no more", gone)) if some
    )
    return "".join(told)


def _claims(had: PodDNATSpec, spec: PodDNATSpec) -> Iterator[_Said]:
    for port in spec.ports:
        if spec.endpoint(port) not in had.endpoints():
            to = f"{spec.internal_ip}:{port.internal}"
            yield Action.CREATE, "endpoint", f"{spec.endpoint(port)} to {to} on {spec.gateway_id}"
    for endpoint in had.endpoints():
        if endpoint not in spec.endpoints():
            yield Action.DELETE, "endpoint", f"{endpoint} on {had.gateway_id}"


def _changed_claim(had: PodDNATSpec, spec: PodDNATSpec) -> str:
    if had.internal_ip != spec.internal_ip:
        return f"its pod's IP is {spec.internal_ip}, was {had.internal_ip or 'none'}"
    return "network interface and zone are filled in" if had.eni != spec.eni else "is put right"


def _of_write(write: Write) -> _Said:
    match write:
        case CreateRow(gateway_id, entry):
            return Action.CREATE, "entry", f"{_row(entry)} on {gateway_id}"
        case ModifyRow(gateway_id, entry_id, entry):
            return Action.CHANGE, "entry", f"{entry_id} on {gateway_id}: {_row(entry)}"
        case DeleteRow(gateway_id, entry_id):
            return Action.DELETE, "entry", f"{entry_id} on {gateway_id}"


def _row(entry: NewEntry) -> str:
    outside = f"{entry.external_ip}:{entry.external_ports}/{entry.protocol}"
    return f"{outside} to {entry.internal_ip}:{entry.internal_ports}"
