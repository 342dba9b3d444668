"""The rules that must always hold, as questions about one move of a small world.

Each looks at the truth of Kubernetes and of the table, not at what the controller believes. What
the controller cannot know yet (a row that a person deleted a moment ago) is held against it only
where it acts against its own view; that it finds out in the end is asked of the state at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry
from dnatctl.objects import PodDNAT, StatusEntry
from tests.model.cloud import Call
from tests.model.image import Image
from tests.model.kube import Kube, Request
from tests.model.world import (
    MARKS,
    Effect,
    Executed,
    Sent,
    Stored,
    World,
    endpoints_of,
    holder,
    owner_of,
)

Rule = Callable[[World, World, tuple[Effect, ...]], Iterator[str]]


def broken(before: World, after: World, effects: tuple[Effect, ...]) -> str:
    """What a move broke, in words; empty if nothing."""
    if not effects:
        return ""
    for rule in RULES:
        for complaint in rule(before, after, effects):
            return f"{rule.__doc__} But {complaint}"
    return ""


def endpoint_used_once(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 1: no endpoint is handed out while a row covers it."""
    view = {row.entry.entry_id for row in before.image.rows} if before.image else set()
    for request in _stored(effects):
        for endpoint in _newly_claimed(before.kube, request):
            for row in before.cloud.rows:
                owner = owner_of(before.kube, row)
                unforeseen = not owner or row.entry_id in before.env.strays
                known = row.entry_id in view or not unforeseen
                own = owner and owner == request.record.uid
                own = own or _was_left_to(before, owner, row, request.record)
                if known and not own and row.covers(endpoint):
                    yield f"{endpoint} of {row.entry_id} was handed out"


def _was_left_to(before: World, owner: str, row: ForwardEntry, record: PodDNAT) -> bool:
    """Whether a PodDNAT that there is no more has left the row to the pod of that name."""
    there = {held.uid for held in before.kube.records}
    pods = (*before.kube.pods, *(before.image.pods if before.image else ()))
    ips = {pod.ip for pod in pods if pod.name == record.key.name}
    made_for = MARKS.made_for(row.name, str(record.key))
    return made_for and owner not in there and row.internal_ip in ips


def claimed_once(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 1: no endpoint is handed out to two pods, as far as their claims are known."""
    for request in _stored(effects):
        image = before.image or Image()
        for endpoint in _newly_claimed(before.kube, request):
            for other in image.records:
                held = before.kube.record(other.key.name)
                if held is None or held.uid != other.uid or other.key == request.record.key:
                    continue
                if other.uid in image.dismissed:
                    continue  # it is done with, and the API server does not let it go
                if endpoint in other.spec.endpoints() and endpoint in held.spec.endpoints():
                    yield f"{endpoint} of {other.key.name} was handed to {request.record.key.name}"


def foreign_untouched(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 2: a row that is not ours is never written to."""
    for effect in effects:
        if isinstance(effect, Executed) and effect.call.verb != "create":
            row = before.cloud.row(effect.call.entry_id)
            if row is not None and not owner_of(before.kube, row):
                yield f"{effect.call.verb} was sent for {row.entry_id}"


def adopted_rightly(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 2: only rows that lead to the record's own pod are adopted."""
    for request in _stored(effects):
        if request.verb != "adopt":
            continue
        for entry_id, noted in request.body:
            row = before.cloud.row(entry_id)
            record = next((r for r in before.kube.records if r.uid == noted.uid), None)
            pods = (*before.kube.pods, *(before.image.pods if before.image else ()))
            ips = {pod.ip for pod in pods if record and pod.name == record.key.name}
            if row is not None and row.internal_ip not in ips:
                yield f"{entry_id}, which leads to {row.internal_ip}, was adopted"


def claimed_first(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 3: no entry is created before the claim for it is stored."""
    for effect in effects:
        if isinstance(effect, Sent) and effect.call.verb == "create":
            records = _records(before, _uid(effect.call))
            # A claim that a person has changed since leaves its endpoints to nobody for a while.
            resting = dict(before.image.quarantine) if records and before.image else ()
            if not all(e in resting or _claims(records, e) for e in _wanted(effect.call)):
                yield f"{effect.call} was sent without a claim"


def finalizer_last(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 3: the finalizer goes only after the rows."""
    for effect in effects:
        if not isinstance(effect, Stored) or effect.request.verb != "finalizers":
            continue
        uid = effect.request.record.uid
        view = {row.entry.entry_id for row in before.image.rows} if before.image else set()
        for row in before.cloud.rows:
            unforeseen = row.entry_id in before.env.strays and row.entry_id not in view
            if owner_of(before.kube, row) == uid and not unforeseen:
                yield f"{row.entry_id} is still there"
        under_way = [before.image.call] if before.image and before.image.call else []
        answered = {token for token, _, _ in before.cloud.answers}
        for call in (*under_way, *(c for c in before.env.lost if c.token not in answered)):
            if call.verb == "create" and _uid(call) == uid:
                yield f"{call} is under way"


def status_true(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 4: status lists only addresses that reach the pod."""
    for effect in effects:
        if isinstance(effect, Stored) and effect.request.verb == "status" and not effect.stray:
            yield from _published(before, effect.request)
        if isinstance(effect, Executed) and not effect.stray and effect.call.verb != "create":
            yield from _cut_off(before, effect.call)


def _published(before: World, request: Request) -> Iterator[str]:
    """An entry that neither the truth nor what the controller saw last bears out."""
    pods = [before.kube.pod(request.record.key.name)]
    if before.image is not None:
        pods += [p for p in before.image.pods if p.name == request.record.key.name]
        pods += [before.image.pause.pod] if before.image.pause else []
    ips = {pod.ip for pod in pods if pod is not None and not pod.ended}
    seen = [row.entry for row in before.image.rows] if before.image else []
    for entry in request.body.entries:
        if entry.internal_ip not in ips:
            yield f"{entry.endpoint} was listed for {entry.internal_ip}, not an address of the pod"
        rows = [*before.cloud.rows, *seen]
        if not any(_bears_out(row, entry) for row in rows):
            yield f"{entry.endpoint} was listed without an available row"


def _cut_off(before: World, call: Call) -> Iterator[str]:
    """The controller itself takes away what status lists."""
    row = before.cloud.row(call.entry_id)
    mute = before.image.mute if before.image else ()
    for record in before.kube.records:
        if record.uid in mute:
            continue  # its status could not be written, and the row leads to nobody's pod
        for entry in record.status.entries:
            if row is not None and entry.entry_id == row.entry_id and _bears_out(row, entry):
                yield f"{call.verb} of {row.entry_id} while {record.key.name} lists it"


def nobody_cut_off(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """A row goes only when its pod's containers have ended, or somebody wants it to."""
    for effect in effects if before.env.guarded else ():
        if not isinstance(effect, Executed) or effect.call.verb == "create":
            continue
        row = before.cloud.row(effect.call.entry_id)
        owner = owner_of(before.kube, row) if row else ""
        record = next((r for r in before.kube.records if r.uid == owner), None)
        pod = before.kube.pod(record.key.name) if record else None
        if row is None or pod is None or owner in before.env.wished:
            continue
        if pod.asks and pod.ip == row.internal_ip:
            yield f"{effect.call.verb} of {row.entry_id} cut off {pod.name}"


def quarantine_kept(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 5: an endpoint is not handed to another pod before its quarantine is over."""
    for request in _stored(effects):
        for endpoint in _newly_claimed(before.kube, request):
            for used, former in before.env.used:
                if used == endpoint and former != holder(request.record):
                    yield f"{endpoint} led to {former} less than a quarantine ago"


def leads_home(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 5: a row is only made to lead to an address of its own pod, as known when decided."""
    for effect in effects:
        if isinstance(effect, Sent) and effect.call.entry is not None:
            records = _records(before, _uid(effect.call))
            names = {record.key.name for record in records}
            pods = before.image.pods if before.image else ()
            ips = {r.spec.internal_ip for r in records} | {p.ip for p in pods if p.name in names}
            if effect.call.entry.internal_ip not in ips:
                yield f"{effect.call} was sent"


def rows_once(before: World, after: World, effects: tuple[Effect, ...]) -> Iterator[str]:
    """Rule 8: an entry is never doubled."""
    seen: set[tuple[str, str, str]] = set()
    for row in after.cloud.rows:
        owner = owner_of(after.kube, row)
        if not owner or row.status is EntryStatus.DELETING:
            continue
        for endpoint in endpoints_of(row):
            mine = (owner, row.internal_ip, f"{row.internal_ports}/{endpoint.protocol}")
            if mine in seen:
                yield f"{mine} has two"
            seen.add(mine)


RULES: tuple[Rule, ...] = (
    endpoint_used_once,
    claimed_once,
    foreign_untouched,
    adopted_rightly,
    claimed_first,
    finalizer_last,
    status_true,
    nobody_cut_off,
    quarantine_kept,
    leads_home,
    rows_once,
)


def _stored(effects: tuple[Effect, ...]) -> Iterator[Request]:
    """Writes to Kubernetes of the controller that was there to make them."""
    for effect in effects:
        if isinstance(effect, Stored) and not effect.stray:
            yield effect.request


def _newly_claimed(kube: Kube, request: Request) -> list[Endpoint]:
    if request.verb == "create":
        return list(request.record.spec.endpoints())
    if request.verb != "spec":
        return []
    held = kube.record(request.record.key.name)
    had = set(held.spec.endpoints()) if held else set()
    return [endpoint for endpoint in request.body.endpoints() if endpoint not in had]


def _records(world: World, uid: str) -> list[PodDNAT]:
    """The PodDNAT with that UID, as it is and as the controller knows it."""
    records = (*world.kube.records, *(world.image.records if world.image else ()))
    return [record for record in records if record.uid == uid]


def _claims(records: list[PodDNAT], endpoint: Endpoint) -> bool:
    return any(endpoint in record.spec.endpoints() for record in records)


def _wanted(call: Call) -> list[Endpoint]:
    """The endpoints of the row that a call wants."""
    return endpoints_of(call.entry.as_row("")) if call.entry else []


def _uid(call: Call) -> str:
    return MARKS.owner(call.entry.name) if call.entry else ""


def _bears_out(row: ForwardEntry, entry: StatusEntry) -> bool:
    offset = entry.endpoint.port - row.external_ports.first
    return (
        row.entry_id == entry.entry_id
        and row.status is EntryStatus.AVAILABLE
        and row.covers(entry.endpoint)
        and row.internal_ip == entry.internal_ip
        and row.internal_ports.first + offset == entry.internal_port
    )
