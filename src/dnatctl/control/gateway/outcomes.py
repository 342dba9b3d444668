"""What the answer to a write means: for the backlog, the view of the table, and everybody else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog

from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.control.gateway.blame import Blame
from dnatctl.control.gateway.listener import Listener, NextDoor
from dnatctl.control.gateway.mends import hindrance, is_passing, said, told
from dnatctl.control.gateway.sense import read_entry
from dnatctl.control.state.views import Views
from dnatctl.plan.case import UNFORESEEN_BELIEVED
from dnatctl.table.backlog import Backlog
from dnatctl.table.silence import UNANSWERED, Silence
from dnatctl.table.standstill import Standstill
from dnatctl.table.unready import Unready
from dnatctl.table.write_pace import TablePace
from dnatctl.table.writes import (
    CreateRow,
    DeleteRow,
    ModifyRow,
    PendingWrite,
    Recourse,
    Refusal,
    Refused,
    Write,
    in_words,
    is_done,
)

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

QUOTA_BELIEVED_S = 60.0
"""How long a table is taken for full after a refusal for quota: it may be raised any time."""

DOUBTED = 3
"""So often it is not believed of a row just made that it is gone: whoever says so may not know it
yet. With the pauses in between that is several seconds."""

_TROUBLES = frozenset({ErrorKind.THROTTLED, ErrorKind.UNKNOWN, ErrorKind.AUTH})

_FRUITLESS = frozenset({ErrorKind.BUSY, ErrorKind.RETRY, ErrorKind.GONE_OR_BUSY, ErrorKind.UNKNOWN})
"""Of a create: nothing is wrong with it as far as is known. Throttling is the account's matter."""

BARRED_PAUSE_S = 5.0
"""Pause of a whole table while the credentials are refused."""


class Outcomes:
    """Translates answers for the backlog of one table. Only the writer's thread calls it; `lock`
    guards the backlog.
    """

    def __init__(
        self,
        gateway_id: str,
        views: Views,
        cloud: CloudApi,
        backlog: Backlog,
        *,
        lock: threading.Lock,
        pace: TablePace,
        listener: Listener,
        next_door: NextDoor,
    ) -> None:
        self.gateway_id = gateway_id
        self._views = views
        self._clock = views.clock
        self._cloud = cloud
        self._backlog = backlog
        self._lock = lock
        self._pace = pace
        self._listener = listener
        self._next_door = next_door
        self._blame = Blame(gateway_id, views, listener)
        self._silence = Silence()
        self._standstill = Standstill()
        self._unanswered = Unready(UNANSWERED)
        """External IPs on which creates get no answer. How long they are left alone says nothing
        here: each lost write has pauses of its own."""
        self._table = views.table(gateway_id)
        self.trouble = ""
        """What the cloud answered last, where that says nothing of the write and is no passing
        matter of the table."""
        self.denied: dict[type[Write], str] = {}
        """Kinds of writes that RAM does not grant, and what it says."""

    @property
    def standstill(self) -> str:
        """What the table answers to every write, if it has long taken none; else empty."""
        return self._standstill.why

    @property
    def stood_still(self) -> float:
        """For how many seconds."""
        return self._standstill.lasted

    def resolve(self, pending: PendingWrite) -> bool:
        """Find out what became of a lost write; returns whether it needs no further try (now)."""
        with self._views.lock:
            done = is_done(self._table, pending.uid, pending.write)
        if done:
            if isinstance(pending.write, CreateRow):
                self._turned_up(pending.uid, pending.write.entry.external_ip)
            self._settled(pending)
            return True
        if pending.wanted:
            return False
        now, generation = self._clock.monotonic(), self._table.generation
        match self._end(self._backlog.doubted, pending, generation, now):
            case Recourse.READ:
                self._next_door.read_soon()
            case Recourse.OVER:
                self._tell(pending)
        return True

    def _turned_up(self, uid: str, ip: str) -> None:
        """A create was carried out, although no answer said so."""
        self._unanswered.forget(ip)
        self._blame.accepted(uid, ip)

    def unsent(self, pending: PendingWrite) -> None:
        """The process is to stop: nothing was sent."""
        self._end(self._backlog.unsent, pending)

    def withdrawn(self, pending: PendingWrite) -> None:
        """It was not sent: it, or what it carries, is not wanted any more."""
        self._end(self._backlog.withdrawn, pending, self._clock.monotonic())
        self._tell(pending)

    def lost(self, pending: PendingWrite) -> None:
        """There is no answer, or none that this program could make sense of."""
        now = self._clock.monotonic()
        self._pace.lost(type(pending.write), now)
        with self._lock:
            before = self._silence.lasts
            self._silence.unanswered(now)
            if before:  # no fault of this one
                pending.lost_at = now
                self._backlog.spared(pending)
            else:
                self._backlog.lost(pending, now)
        if self._silence.lasts and not before:
            log.warning(
                "the cloud does not answer; one write is tried now and then, for all",
                gateway=self.gateway_id,
            )
        self._next_door.read_soon()

    def heard(self) -> None:
        """The cloud has answered, whatever it was asked."""
        with self._lock:
            news = self._silence.lasts
            self._silence.heard()
        if news:
            log.info("the cloud answers again", gateway=self.gateway_id)

    def readable(self) -> None:
        """The table could not be read, and can be again: it can be written to, most likely."""
        self.heard()
        self._pace.pause(float("-inf"))

    @property
    def quiet_until(self) -> float:
        """Not before is anything to be sent, as the cloud does not answer (monotonic clock)."""
        return self._silence.until

    def _end(self, outcome: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Tell the backlog how a try ended."""
        with self._lock:
            return outcome(*args, **kwargs)

    def _settled(self, pending: PendingWrite) -> None:
        self._end(self._backlog.settled, pending)
        self._tell(pending)

    def _tell(self, pending: PendingWrite) -> None:
        if (key := self._views.records.key_of(pending.uid)) is not None:
            self._listener.changed(key)

    def accepted(self, pending: PendingWrite, entry_id: str, sent: float) -> None:
        """It was carried out; it was sent at `sent`, and its row has that ID."""
        self.heard()
        log.debug("write accepted", write=in_words(pending.write), forward_entry_id=entry_id)
        now = self._clock.monotonic()
        with self._views.lock:
            before = self._table.row(entry_id)
            match pending.write:
                case CreateRow(entry=entry):
                    self._table.created(entry.as_row(entry_id), now)
                    self._views.pool.has_grown(self.gateway_id, self._table.present)
                case ModifyRow(entry=entry):
                    self._table.modified(entry.as_row(entry_id), now)
                    self._views.unmodifiable.granted(self.gateway_id)
                case DeleteRow():
                    self._table.deleting(entry_id, now)
        self._pace.accepted(type(pending.write), sent, now)
        had_trouble, self.trouble = bool(self.trouble), ""
        self.denied.pop(type(pending.write), None)
        if self._standstill.over():
            self._listener.gateway_changed(self.gateway_id)
        if self._end(self._backlog.accepted, pending, now) or had_trouble:
            self._tell(pending)
        if isinstance(pending.write, CreateRow):
            self._unanswered.accepted(pending.write.entry.external_ip, now)
            self._blame.accepted(pending.uid, pending.write.entry.external_ip)
        if before is not None and isinstance(pending.write, ModifyRow):
            # Whoever has the address that the row led to may have waited for that.
            for key in self._views.ips.keys_at(before.entry.internal_ip):
                self._listener.changed(key)

    def failed(self, pending: PendingWrite, error: CloudError, sent: float) -> None:
        """It was refused, or no answer came."""
        passing = error.kind in (ErrorKind.BUSY, ErrorKind.RETRY)  # every table is busy at times
        (log.debug if passing else log.info)(
            "write refused",
            operation=error.operation,
            kind=error.kind,
            error_code=error.code,
            error=error.message,
            request_id=error.request_id,
            write=in_words(pending.write),
        )
        if error.kind is not ErrorKind.UNKNOWN:
            self.heard()
        self.trouble = error.text if error.kind in _TROUBLES else ""
        if error.kind is ErrorKind.DENIED and not isinstance(pending.write, ModifyRow):
            self.denied[type(pending.write)] = hindrance(error)
        with self._lock:
            if not error.kind.keeps_token:
                self._backlog.answered(pending)
            hinders = not is_passing(error.kind, pending.failures)
            news = hinders and self._backlog.hinder(pending, hindrance(error))
        if news:
            self._tell(pending)
        if isinstance(pending.write, CreateRow) and error.kind in _FRUITLESS:
            self._blame.fruitless(error)
        match error.kind:
            case ErrorKind.BUSY | ErrorKind.RETRY:
                self._busy(pending, error, sent)
            case ErrorKind.THROTTLED:
                self._end(self._backlog.busy, pending)
            case ErrorKind.UNKNOWN:
                self.lost(pending)
                self._hold_against_ip(pending, error)
            case ErrorKind.GONE:
                self._gone(pending)
            case ErrorKind.GONE_OR_BUSY:
                self._look(pending, error, sent)
            case ErrorKind.AUTH | ErrorKind.DENIED | ErrorKind.GATEWAY:
                self._barred(pending, error)
            case _:
                self._refused(pending, error)

    def _hold_against_ip(self, pending: PendingWrite, error: CloudError) -> None:
        """A create got no answer. It is its external IP, if that goes on while others are accepted.

        Whoever waits there may go elsewhere then; the write itself is waited out first.
        """
        with self._views.lock:
            away = bool(self._table.unreadable)  # nobody is answered
        if away or not isinstance(pending.write, CreateRow):
            return
        ip = pending.write.entry.external_ip
        self._unanswered.refused(ip, error.text, self._clock.monotonic())
        if self._unanswered.given_up(ip):
            self._blame.given_up(ip, error)
            self._tell(pending)

    def _busy(self, pending: PendingWrite, error: CloudError, sent: float) -> None:
        now = self._clock.monotonic()
        with self._lock:
            apart = self._backlog.waiting.is_apart(pending)
            self._backlog.busy(pending, now, said(error))
            given_up = self._backlog.waiting.is_given_up(pending)
            bad_ip = self._backlog.waiting.given_up_ip(pending)
            long = self._backlog.waiting.held_up(pending)
            news = long and self._backlog.hinder(pending, hindrance(error))
        if not apart:
            self._pace.refused(sent, now)
            if self._standstill.refused(now):
                self._stands_still(error)
        if news:
            self._tell(pending)
        if bad_ip:
            self._blame.given_up(bad_ip, error)
        if given_up:
            self._end(self._backlog.answered, pending)  # to the same token it may say so for ever
            self._unforeseen(pending, error)

    def _stands_still(self, error: CloudError) -> None:
        """The table has long taken no write. What may hold it up is looked for in its rows."""
        before = self._standstill.why
        with self._views.lock:
            held_up = [row.entry for row in self._table.foreign() if row.in_flux]
        rows = "".join(f"; {row.entry_id} (not dnatctl's) is {row.status}" for row in held_up[:1])
        self._standstill.why = said(error) + rows
        if not before:
            self._next_door.read_soon()  # rows of others are known from readings alone
        if not before or rows not in before:
            self._listener.gateway_changed(self.gateway_id)

    def _gone(self, pending: PendingWrite) -> None:
        now = self._clock.monotonic()
        if isinstance(pending.write, CreateRow):
            self._next_door.in_doubt()
            self._end(self._backlog.failed, pending, now)
            return
        if self._is_there(pending.write.entry_id):
            self._end(self._backlog.failed, pending, now)
            return
        with self._views.lock:
            young = self._table.is_young(pending.write.entry_id, now)
            if young and pending.failures < DOUBTED:
                self._end(self._backlog.failed, pending, now)
                return
            change = self._table.gone(pending.write.entry_id, now)
        self._settled(pending)
        self._next_door.changed([change] if change else [])

    def _is_there(self, entry_id: str) -> bool:
        """Whether the table knows a row that was said to be gone, or does not say."""
        try:
            return self._cloud.read_entry(self._table.table_id, entry_id) is not None
        except CloudError:
            return True

    def _look(self, pending: PendingWrite, error: CloudError, sent: float) -> None:
        """The one code that means busy and gone alike: the table tells which."""
        if isinstance(pending.write, CreateRow):
            self._busy(pending, error, sent)
            return
        entry_id, asked = pending.write.entry_id, self._clock.monotonic()
        try:
            entry = read_entry(self._cloud, self._views, self._table, entry_id)
        except CloudError:
            self._end(self._backlog.failed, pending, self._clock.monotonic())
            return
        with self._views.lock:
            changes = self._table.answered(entry_id, entry, asked)
        if any(change.after is None for change in changes):
            self._settled(pending)
            self._next_door.changed(changes)
        else:
            self._busy(pending, error, sent)

    def _may_not_modify(self) -> None:
        """Entries are replaced for a while, where they may be deleted."""
        with self._views.lock:
            news = self._views.unmodifiable.denied(self.gateway_id, self._clock.monotonic())
        if news:
            log.warning("vpc:ModifyForwardEntry is not granted", gateway=self.gateway_id)

    def _barred(self, pending: PendingWrite, error: CloudError) -> None:
        """Nothing can be written with these credentials, or on this gateway, for now."""
        if error.kind is ErrorKind.DENIED and isinstance(pending.write, ModifyRow):
            self._may_not_modify()
        now, why = self._clock.monotonic(), Refused.REJECTED
        created = pending.write.entry if isinstance(pending.write, CreateRow) else None
        match error.kind:
            case ErrorKind.GATEWAY:
                why = Refused.UNUSABLE
                if created:
                    self._blame.everything(created.external_ip, error, firm=True)
                self._next_door.in_doubt()
            case ErrorKind.DENIED:
                # The credentials work, and may be good for other tables and other kinds of writes.
                if created:
                    self._blame.everything("", error)
            case _:
                self._pace.pause(now + BARRED_PAUSE_S)
                # Nothing is wrong with what was asked; a pod is told all the same why it waits.
                refusal = self._refusal(pending, why, error) if created else None
                self._end(self._backlog.spared, pending, refusal)
                self._tell(pending)
                return
        denied = error.kind is ErrorKind.DENIED
        refusal = self._refusal(pending, why, error)
        self._end(self._backlog.barred, pending, refusal, now, kind=denied)
        self._tell(pending)

    def _refused(self, pending: PendingWrite, error: CloudError) -> None:
        """The row itself was refused: that changes what to do next."""
        match error.kind:
            case ErrorKind.QUOTA if isinstance(pending.write, CreateRow):
                until = self._clock.monotonic() + QUOTA_BELIEVED_S
                with self._views.lock:
                    self._views.pool.learn_limit(self.gateway_id, self._table.present, until)
                self._wait_long(pending, Refused.QUOTA, error)
            case ErrorKind.CONFLICT | ErrorKind.UNCLASSIFIED if self._blame.is_own(pending):
                self._settled(pending)
            case ErrorKind.CONFLICT | ErrorKind.MISMATCH:
                self._contested(pending, Refused.CONFLICT, error)
            case ErrorKind.UNCLASSIFIED | ErrorKind.QUOTA:  # what is there needs no more room
                self._unforeseen(pending, error)
            case _:
                self._wait_long(pending, Refused.REJECTED, error)

    def _unforeseen(self, pending: PendingWrite, error: CloudError) -> None:
        """A code of no table. It may be the word for an address that is taken: the table tells.

        If it does not, it is held against the endpoint, and then step by step against more.
        """
        refusal = self._refusal(pending, Refused.UNFORESEEN, error)
        count = refusal.after(self._last_refusal(pending)).count
        # One accident is nothing; a change that is refused twice makes room for another entry.
        tries = UNFORESEEN_BELIEVED - isinstance(pending.write, ModifyRow)
        if isinstance(pending.write, DeleteRow) or count > tries:
            self._wait_long(pending, Refused.UNFORESEEN, error)
            return
        if count == UNFORESEEN_BELIEVED:
            self._blame.unforeseen(pending.uid, pending.write.entry, error)
        self._contested(pending, Refused.UNFORESEEN, error)

    def _wait_long(self, pending: PendingWrite, why: Refused, error: CloudError) -> None:
        refusal = self._refusal(pending, why, error)
        self._end(self._backlog.refused, pending, refusal, self._clock.monotonic())
        self._tell(pending)

    def _contested(self, pending: PendingWrite, why: Refused, error: CloudError) -> None:
        """Somebody has the address, or it is not clear what is wrong: read the table first."""
        if isinstance(pending.write, DeleteRow):
            # No refusal of it is noted: who looks would want it again at once.
            self._end(self._backlog.failed, pending, self._clock.monotonic())
            return
        if (key := self._views.records.key_of(pending.uid)) is not None:
            self._views.wait_for_reading(self.gateway_id, key)
        self._end(self._backlog.contested, pending, self._refusal(pending, why, error))
        self._next_door.read_soon()
        self._tell(pending)

    def _refusal(self, pending: PendingWrite, why: Refused, error: CloudError) -> Refusal:
        before = self._last_refusal(pending)
        rows = len(self._table) if why is Refused.QUOTA else None
        text = told(error, before.message if before else "", self.gateway_id, rows)
        return Refusal(why, 1, self._table.generation, text)

    def _last_refusal(self, pending: PendingWrite) -> Refusal | None:
        with self._lock:
            return self._backlog.refusal(pending)
