"""The memory of a controller process as a value: what a step needs, in one canonical form.

Two memories that nothing can tell apart have the same image: times that are over are all alike,
generations of the table are told only by how long ago they were, as far as that matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

from dnatctl.control.gateway.remains import Vanished
from dnatctl.control.gateway.sweeper import Sweeper
from dnatctl.control.sight.look import Basis, Lookout
from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler, Undecided
from dnatctl.model import Endpoint, ForwardEntry, NewEntry, Protocol
from dnatctl.objects import Adopted, Key, PodDNAT, PodDNATSpec
from dnatctl.plan.case import CONFLICTS_BELIEVED
from dnatctl.plan.mend import READINGS_BETWEEN
from dnatctl.plan.values import Deletion, Step, WorkloadAnswer
from dnatctl.pool import Pool
from dnatctl.table.backlog import Backlog
from dnatctl.table.departed import RECALLS, GivenUp
from dnatctl.table.orphans import Orphan, _Sighting
from dnatctl.table.past import AGREE, Doubt, Past
from dnatctl.table.view import READ_LAG_S, Row, Table
from dnatctl.table.waiting import Remembered
from dnatctl.table.writes import PendingWrite, Refusal, Write
from tests.model.cloud import Call, Outcome
from tests.model.kube import PodState, key

GATEWAY = "ngw-1"
EIP = "47.0.0.1"

NEVER = float("-inf")
LATEST = 100
EARLIER = LATEST - 1
"""Generations of a table that has been read: the present one, and all those before it."""

LONG_AGO_S = 1000.0
WRITTEN_AGO_S = 2.0
READ_AGO_S = 1.0
"""When a write that a listing may lag behind was answered, and when a reading under way began."""


class PendingImage(NamedTuple):
    uid: str
    namespace: str
    write: Write
    orphan: bool
    postponed: bool
    failures: int
    turned_away: int
    lost_at: float | None
    wanted: bool
    doubted: int | None


class RememberedImage(NamedTuple):
    uid: str
    pending: tuple[PendingImage, ...]
    attempts: tuple[tuple[NewEntry, int], ...]
    refusals: tuple[tuple[NewEntry, Refusal], ...]
    forgotten: bool


class BacklogImage(NamedTuple):
    """What `Backlog` remembers. `sending`: UID and place of a write, or one that has no place.
    `deletes`: answered tries of rows that are there.
    """

    records: tuple[RememberedImage, ...] = ()
    expedited: tuple[str, ...] = ()
    sending: tuple[str, int] | PendingImage | None = None
    deletes: tuple[tuple[str, int], ...] = ()


class Pause(NamedTuple):
    """A worker in the middle of its work: it has asked for a pod, or decided.

    `basis`: what the caches held when it asked.
    """

    name: str
    pod: PodState | None
    record: PodDNAT | None
    basis: Basis = ("", "", "")
    step: Step | None = None


LineImage = tuple[tuple[str, Protocol], int, tuple[int, ...], frozenset[int], frozenset[int]]
LookImage = tuple[str, Basis]


class TableImage(NamedTuple):
    """What a table remembers of the past of its rows. `young`: rows made, and changed, lately, and
    when. `behind`: a reading was older than one before it.
    """

    young: frozenset[tuple[str, bool, float]] = frozenset()
    former: tuple[tuple[str, tuple[ForwardEntry, ...]], ...] = ()
    doubts: tuple[tuple[str, ForwardEntry | None, int, float], ...] = ()
    gone: frozenset[str] = frozenset()
    given_up: tuple[tuple[Row, int], ...] = ()
    behind: bool = False


class Image(NamedTuple):
    """`call` and `answer`: a write to the table under way, and the answer on its way back.

    `reading`: the rows of a reading that is being taken in. `contests`: the order of claims to the
    endpoints that several claim.
    """

    pods: tuple[PodState, ...] = ()
    records: tuple[PodDNAT, ...] = ()
    read: bool = False
    first_read: float = NEVER
    shown: frozenset[tuple[str, Endpoint]] = frozenset()
    rows: tuple[Row, ...] = ()
    deleted: frozenset[str] = frozenset()
    table: TableImage = TableImage()
    reading: tuple[ForwardEntry, ...] | None = None
    claims: tuple[tuple[str, str, PodDNATSpec, bool], ...] = ()
    contests: tuple[tuple[tuple[str, Endpoint], int], ...] = ()
    unused: frozenset[Endpoint] = frozenset()
    quarantine: tuple[tuple[Endpoint, float], ...] = ()
    lines: tuple[LineImage, ...] = ()
    dismissed: frozenset[str] = frozenset()
    retired: frozenset[Endpoint] = frozenset()
    noted: frozenset[Endpoint] = frozenset()
    adopted: tuple[tuple[str, Adopted], ...] = ()
    made: frozenset[str] = frozenset()
    going: frozenset[str] = frozenset()
    backlog: BacklogImage = BacklogImage()
    call: Call | None = None
    answer: Outcome | None = None
    looks: tuple[LookImage, ...] = ()
    workloads: tuple[tuple[str, tuple[float, str, WorkloadAnswer]], ...] = ()
    deletions: tuple[tuple[str, tuple[float, str, Deletion]], ...] = ()
    served: tuple[tuple[str, tuple[str, str]], ...] = ()
    doubted: tuple[tuple[str, PodDNAT | None, float], ...] = ()
    mute: frozenset[str] = frozenset()
    sightings: tuple[tuple[Orphan, float, int], ...] = ()
    urgent: tuple[str, ...] = ()
    vanished: tuple[tuple[str, Key], ...] = ()
    pause: Pause | None = None
    leader: bool = True


# --- table


def freeze_table(table: Table, now: float, *, reading: bool) -> tuple[Row, ...]:
    """The rows; of the times, only what can still matter."""
    return tuple(
        Row(row.entry, row.owner, _written(row, now, reading=reading), row.seen)
        for row in sorted(table.rows(), key=lambda row: row.entry.entry_id)
    )


def _written(row: Row, now: float, *, reading: bool) -> float:
    if reading and row.written >= now - READ_AGO_S:
        return now
    if (row.in_flux or not row.seen) and now - row.written <= READ_LAG_S:
        return now - WRITTEN_AGO_S
    return NEVER


def freeze_pasts(table: Table, now: float, listed: Iterable[ForwardEntry]) -> TableImage:
    """What is remembered of the rows that are there, and of those that were."""
    pasts, then = table._doubts._pasts.items(), now - WRITTEN_AGO_S
    made = {(i, False, then) for i, past in pasts if now - past.since <= READ_LAG_S}
    changed = {(i, True, then) for i, past in pasts if now - past.changed <= READ_LAG_S}
    known = {row.entry_id for row in listed} | table._rows.keys()
    given_up = sorted(table._departed._given_up.items())
    return TableImage(
        young=frozenset(made | changed),
        former=tuple(sorted((i, past.former) for i, past in pasts if past.former)),
        doubts=tuple(
            (i, d.version, min(d.count, AGREE), d.until if d.until > now else NEVER)
            for i, d in sorted(table._doubts._doubts.items())
        ),
        gone=frozenset(table._departed._gone.keys() & known),
        given_up=tuple(
            (replace(given.row, written=NEVER), min(given.times, RECALLS + 1))
            for _, given in given_up
        ),
        behind=bool(table.lag.behind),
    )


def _load_pasts(table: Table, image: TableImage, now: float) -> None:
    former, times = dict(image.former), {(i, changed): at for i, changed, at in image.young}
    long_ago = now - LONG_AGO_S
    table._doubts._pasts = {
        i: Past(times.get((i, False), long_ago), times.get((i, True), long_ago), former.get(i, ()))
        for i in table._rows
    }
    last = now - READ_AGO_S
    table._doubts._doubts = {
        i: Doubt(version, last, count, until) for i, version, count, until in image.doubts
    }
    table._departed._gone = dict.fromkeys(image.gone, now)
    if image.behind:
        table.lag.was_behind(0.0, now)  # by less than is thought of every reading anyway
    table._departed._given_up = {
        row.entry.entry_id: GivenUp(row, now, times) for row, times in image.given_up
    }


def freeze_deleted(table: Table, now: float, listed: Iterable[ForwardEntry]) -> frozenset[str]:
    """Rows whose delete was answered, as long as a reading may list them."""
    known = {row.entry.entry_id for row in table.rows()} | {row.entry_id for row in listed}
    deleted = table._departed._deleted.items()
    return frozenset(i for i, at in deleted if i in known and now - at <= READ_LAG_S)


def freeze_first_read(table: Table, now: float) -> float:
    """When the table was first read, until a later reading lists what was before."""
    due = now - table.first_read > READ_LAG_S
    return now - LONG_AGO_S if due and table.first_read > NEVER else table.first_read


def freeze_shown(table: Table, first_read: float) -> frozenset[tuple[str, Endpoint]]:
    """What rows have shown themselves, as long as that makes a difference."""
    return frozenset(table._shown if first_read > NEVER else ())


def freeze_made(views: Views, first_read: float) -> frozenset[str]:
    """PodDNATs that this process created, as long as that makes a difference."""
    return frozenset(views.records._made if first_read > NEVER else ())


def load_table(table: Table, image: Image, now: float) -> None:
    """The reverse of the functions above."""
    table.table_id = "ftb-1"
    table.generation = LATEST if image.read else 0
    table.first_read = image.first_read
    table._shown = set(image.shown)
    table._departed._deleted = dict.fromkeys(image.deleted, now - WRITTEN_AGO_S)
    for row in image.rows:
        table._put(row)
    _load_pasts(table, image.table, now)


def generation(value: int, table: Table, memory: int = 1) -> int:
    """A remembered generation of a table, which is at LATEST: how long ago, up to `memory`."""
    return LATEST - min(max(table.generation - value, 0), memory)


# --- backlog


def freeze_backlog(backlog: Backlog, table: Table, now: float) -> BacklogImage:
    """All pending writes, with the order they are in."""
    records = tuple(
        RememberedImage(
            uid,
            tuple(_freeze_pending(pending, table, now) for pending in record.pending),
            tuple((entry, count) for entry, count in record.attempts.items() if count),
            tuple((e, _freeze_refusal(r, table)) for e, r in record.refusals.items()),
            record.forgotten,
        )
        for uid, record in backlog._records.items()
        if record.pending or record.refusals or any(record.attempts.values())
    )
    deletes = tuple(each for each in sorted(backlog._deletes.items()) if table.row(each[0]))
    sending = _sending(backlog, table, now)
    return BacklogImage(records, tuple(sorted(backlog._expedited)), sending, deletes)


def _freeze_pending(pending: PendingWrite, table: Table, now: float) -> PendingImage:
    return PendingImage(
        uid=pending.uid,
        namespace=pending.namespace,
        write=pending.write,
        orphan=pending.orphan,
        postponed=pending.not_before > now,
        failures=pending.failures,
        turned_away=pending.turned_away,
        lost_at=pending.lost_at,
        wanted=pending.wanted,
        doubted=None if pending.doubted is None else generation(pending.doubted, table),
    )


def _freeze_refusal(refusal: Refusal, table: Table) -> Refusal:
    memory = READINGS_BETWEEN if refusal.count >= CONFLICTS_BELIEVED else 1
    read = generation(refusal.generation, table, memory)
    return Refusal(refusal.why, refusal.count, read, refusal.message)


def _sending(backlog: Backlog, table: Table, now: float) -> tuple[str, int] | PendingImage | None:
    pending = backlog.sending
    if pending is None:
        return None
    record = backlog._records.get(pending.uid)
    if record is not None:
        for place, other in enumerate(record.pending):
            if other is pending:
                return pending.uid, place
    return _freeze_pending(pending, table, now)


def load_backlog(backlog: Backlog, image: BacklogImage, *, all_due: bool) -> None:
    """The reverse of `freeze_backlog`. `all_due`: the pauses of all postponed writes are over."""
    for frozen in image.records:
        backlog._records[frozen.uid] = Remembered(
            pending=[_load_pending(pending, all_due=all_due) for pending in frozen.pending],
            attempts=Counter(dict(frozen.attempts)),
            refusals=dict(frozen.refusals),
            forgotten=frozen.forgotten,
        )
    backlog._expedited = set(image.expedited)
    backlog._deletes = dict(image.deletes)
    sending = image.sending
    if isinstance(sending, PendingImage):
        backlog.sending = _load_pending(sending, all_due=all_due)
    elif sending is not None:
        backlog.sending = backlog._records[sending[0]].pending[sending[1]]


def _load_pending(image: PendingImage, *, all_due: bool) -> PendingWrite:
    return PendingWrite(
        uid=image.uid,
        namespace=image.namespace,
        write=image.write,
        orphan=image.orphan,
        not_before=float("inf") if image.postponed and not all_due else NEVER,
        failures=image.failures,
        turned_away=image.turned_away,
        lost_at=image.lost_at,
        wanted=image.wanted,
        doubted=image.doubted,
    )


# --- pool and retired endpoints


def freeze_claims(pool: Pool) -> tuple[tuple[str, str, PodDNATSpec, bool], ...]:
    """All claims, provisional ones included."""
    claims = pool._claims._by_uid.values()
    return tuple(sorted(((c.uid, c.created, c.spec, c.leaving) for c in claims), key=_first))


def _first(claim: tuple[str, str, PodDNATSpec]) -> str:
    return claim[0]


def freeze_contests(pool: Pool) -> tuple[tuple[tuple[str, Endpoint], int], ...]:
    """Who claimed first, where several claim an endpoint: which place, not which number."""
    claims = pool._claims
    contested = {e for e in claims._claimants if len(claims._claimants.at(e)) > 1}
    since = {claim: number for claim, number in claims._since.items() if claim[1] in contested}
    places = {number: place for place, number in enumerate(sorted({0, *since.values()}))}
    return tuple(sorted((claim, places[number]) for claim, number in since.items()))


def freeze_lines(pool: Pool) -> tuple[LineImage, ...]:
    """In which order ports are to be handed out."""
    lines = pool._gateways[GATEWAY]._lines
    return tuple(
        (
            name,
            line._fresh,
            tuple(line._after_fresh()),
            frozenset(line._unused),
            frozenset(line._first_use),
        )
        for name, line in sorted(lines.items())
    )


def freeze_unused(pool: Pool) -> frozenset[Endpoint]:
    """Claimed endpoints that there may have been a row for."""
    return frozenset(pool._claims._unused)


def freeze_quarantine(pool: Pool, now: float) -> tuple[tuple[Endpoint, float], ...]:
    """Endpoints in quarantine, and until when."""
    return tuple(sorted((e, u) for e, u in pool._quarantine._until.items() if u > now))


def load_pool(pool: Pool, image: Image) -> None:
    """The reverse of the functions above."""
    for uid, created, spec, leaving in image.claims:
        pool.claim(uid, created, spec, NEVER, leaving=leaving)
    pool._dismissed = set(image.dismissed)
    pool._claims._since = dict(image.contests)
    for endpoint in pool._claims._claimants:
        pool._claims._compare(endpoint)
    pool._claims._unused = set(image.unused)
    pool._claims._sequence = len(image.contests) if image.read else None
    gateway = pool._gateways[GATEWAY]
    gateway._lines.clear()
    for (ip, protocol), fresh, returned, unused, first_use in image.lines:
        line = gateway.line(ip, protocol)
        line._fresh = fresh
        line._unused, line._first_use = set(unused), set(first_use)
        line._returned.update(dict.fromkeys(returned))
    for endpoint, until in image.quarantine:
        pool._quarantine._set(endpoint, until)
    pool._quarantine._retired, pool._quarantine._noted = set(image.retired), set(image.noted)


# --- what the lookout and the sweeper remember


def freeze_looks(lookout: Lookout) -> tuple[LookImage, ...]:
    """Pods that are confirmed for as long as the caches hold what they hold now."""
    confirmed = sorted(lookout._confirmed.items())
    return tuple((name.name, basis) for name, basis in confirmed if basis == lookout._basis(name))


def freeze_deletions(
    lookout: Lookout, records: Mapping[Key, PodDNAT], now: float
) -> tuple[tuple[str, tuple[float, str, Deletion]], ...]:
    """Why records that there are were deleted; when it was asked matters to nobody any more."""
    return tuple(
        (name.name, (NEVER, uid, _untimed(deletion, now)))
        for name, (_, uid, deletion) in sorted(lookout._deletions.items())
        if name in records and records[name].uid == uid
    )


def _untimed(deletion: Deletion, now: float) -> Deletion:
    """What may be told by now might have been told always."""
    return replace(deletion, told_from=NEVER) if deletion.told_from <= now else deletion


def freeze_served(
    lookout: Lookout, records: Mapping[Key, PodDNAT]
) -> tuple[tuple[str, tuple[str, str]], ...]:
    """Which pods fixed records were for."""
    return tuple(
        (name.name, served)
        for name, served in sorted(lookout._served.items())
        if name in records and records[name].uid == served[0]
    )


def load_looks(lookout: Lookout, image: Image) -> None:
    """The reverse of `freeze_looks`."""
    lookout._confirmed = {key(name): basis for name, basis in image.looks}
    lookout._workloads = {key(name): known for name, known in image.workloads}
    lookout._deletions = {key(name): known for name, known in image.deletions}
    lookout._served = {key(name): known for name, known in image.served}


def freeze_doubted(
    reconciler: Reconciler, now: float
) -> tuple[tuple[str, PodDNAT | None, float], ...]:
    """Names whose last write may have been carried out, with the PodDNAT it was for, and the time
    of its end if that is to come."""
    doubted = reconciler._doubted.items()
    return tuple(
        sorted((k.name, d.seen.record, d.until if d.until > now else NEVER) for k, d in doubted)
    )


def freeze_mute(reconciler: Reconciler, records: Mapping[Key, PodDNAT]) -> frozenset[str]:
    """PodDNATs that there are whose status was refused."""
    return frozenset(reconciler._statuses.mute & {record.uid for record in records.values()})


def load_doubted(reconciler: Reconciler, image: Image) -> None:
    """The reverse of the two above; nothing else of what was seen then is asked for."""
    reconciler._statuses.mute = set(image.mute)
    for name, record, until in image.doubted:
        seen: Any = SimpleNamespace(key=key(name), record=record)
        reconciler._doubted[key(name)] = Undecided(seen, until)


def freeze_sightings(sweeper: Sweeper, table: Table) -> dict[str, Any]:
    """Orphans seen so far: the parts of an image."""
    sweeper.take_in()
    sightings = tuple(
        (
            Orphan(s.orphan.gateway_id, s.orphan.entry_id, s.orphan.uid, EARLIER),
            s.first,
            generation(s.generation, table),
        )
        for _, s in sorted(sweeper._sightings._seen.items())
    )
    return {
        "sightings": sightings,
        "urgent": tuple(sorted(sweeper._sightings._urgent)),
        "vanished": tuple(sorted((uid, gone.key) for uid, gone in sweeper._vanished.items())),
    }


def load_sightings(sweeper: Sweeper, image: Image) -> None:
    """The reverse of `freeze_sightings`."""
    for orphan, first, seen in image.sightings:
        sweeper._sightings._seen[orphan.entry_id] = _Sighting(orphan, first, seen)
    sweeper._sightings._urgent = set(image.urgent)
    sweeper._vanished = {uid: Vanished(name, NEVER) for uid, name in image.vanished}
