"""What one table is to be written, and what has become of it: the life of a write.

Workers say what they want written for a record; that replaces what they wanted before. The writer
takes the next write that is due (`dnatctl.table.turns`), sends it, and tells how that ended:

| outcome | what becomes of the write |
|---|---|
| `accepted`, `settled` | it has come true, or is moot: it is over |
| `busy` | the table takes no write just now: it is as due as before |
| `failed`, `barred` | no fault of its own: it is tried again, after pauses that grow |
| `refused` | another request or a change outside may help: the same, with longer pauses |
| `contested` | the row is refused until somebody, who has looked, wants it anew |
| `spared` | no write gets through just now: the table as a whole waits |
| `lost` | no answer: kept until its outcome is known, wanted or not |
| `doubted` | a lost one that nobody wants any more: waited out, never asked again |

Pure: times are handed in (monotonic clock, seconds), nothing is locked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnatctl.backoff import doubled
from dnatctl.model import NewEntry
from dnatctl.table.turns import Rank, WriteTurns, rank_of
from dnatctl.table.unready import IMPATIENT_S, PATIENCE, Unready, target_of
from dnatctl.table.vain import InVain
from dnatctl.table.view import Change
from dnatctl.table.waiting import BacklogView, Remembered
from dnatctl.table.writes import (
    CreateRow,
    DeleteRow,
    ModifyRow,
    PendingWrite,
    Recourse,
    Refusal,
    Refused,
    Write,
    effect,
)

RETRY_S = (0.5, 60.0)
"""First and longest pause before a write that failed is tried again."""

REFUSED_RETRY_S = (15.0, 300.0)
"""The same where only another request, or a change outside, would help."""

DENIED_PAUSE_S = (5.0, 60.0)
"""First and longest pause of one kind of write to a table, while RAM denies it there."""

DELETES_REMEMBERED = 1000
"""Of so many rows, the latest, it is remembered how often their delete was answered."""

LOST_S = 30.0
"""After so long no call that went unanswered can still be at work: thrice the longest timeout."""


class Backlog:
    """The wanted writes of one table."""

    def __init__(self) -> None:
        self._records: dict[str, Remembered] = {}
        self._deletes: dict[str, int] = {}
        """Answered tries by row ID. An accepted delete may come to nothing, and a PodDNAT be gone
        by then: the next one is to be no replay of it."""
        self._vain = InVain()
        self._expedited: set[str] = set()
        """PodDNATs whose deletes go first; ends with the PodDNAT, or with the last write for it."""
        self._turns = WriteTurns()
        self._held: dict[type[Write], tuple[float, int]] = {}
        self._unready = Unready()
        self._behind = ""
        """What was just refused too often, or not answered: anything else that is due goes first,
        once."""
        self.sending: PendingWrite | None = None
        self.waiting = BacklogView(self._records, self._unready, self._vain)

    def __len__(self) -> int:
        return sum(len(record.pending) for record in self._records.values())

    # --- workers

    def want(
        self, uid: str, namespace: str, writes: tuple[Write, ...], *, orphan: bool = False
    ) -> bool:
        """Replace what is wanted for that PodDNAT; returns whether there is anything to do now."""
        record = self._records.get(uid)
        if record is None:
            if not writes:
                return False
            record = self._records[uid] = Remembered()
        record.forgotten = orphan  # nobody will come to forget what is gone already
        known = {effect(old.write): old for old in record.pending}
        wanted = [self._renewed(known.get(effect(w)), uid, namespace, w, orphan) for w in writes]
        fresh = [new for new in wanted if new not in record.pending]
        kept = [old for old in record.pending if self._is_under_way(old) and old not in wanted]
        doubted = [old for old in kept if old.wanted and old.lost_at is not None]
        for old in doubted:
            old.not_before = float("-inf")  # the table may show by now what became of it
        record.pending = kept + wanted
        for pending in record.pending:
            pending.wanted = pending in wanted
            pending.looked_at = True
        return bool(fresh or doubted)

    def _renewed(
        self, old: PendingWrite | None, uid: str, namespace: str, write: Write, orphan: bool
    ) -> PendingWrite:
        """What stands for a wanted write, in place of one for the same effect.

        What is being done already is not wanted once more because its reason has a new name, and
        what was put off waits on.
        """
        if old is None:
            return PendingWrite(uid, namespace, write, orphan, self._vain.due(uid, write))
        if old.write == write or self._is_under_way(old):
            return old
        return PendingWrite(uid, namespace, write, orphan, old.not_before, old.failures)

    def expedite(self, uid: str) -> None:
        """What is wanted for that PodDNAT stands in another pod's way."""
        self._expedited.add(uid)

    def is_wanted(self, uid: str, write: Write, *, first: bool = False) -> bool:
        """Whether that is wanted for that PodDNAT already; `first`: and is expedited."""
        record = self._records.get(uid)
        known = record is not None and any(p.wanted and p.write == write for p in record.pending)
        return known and (uid in self._expedited or not first)

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone: drop what is wanted and remembered, but for what is under way."""
        self._expedited.discard(uid)
        self._vain.forget(uid)
        self.want(uid, "", ())
        if record := self._records.get(uid):
            record.forgotten = True
            self._tidy(uid)

    def call_off(self, uid: str, writes: Collection[DeleteRow]) -> None:
        """These deletes of orphans are wanted no more, if nobody else has come to want things."""
        record = self._records.get(uid)
        if record is None or not record.forgotten:
            return
        kept = tuple(p.write for p in record.pending if p.wanted and p.write not in writes)
        if kept:
            self.want(uid, "", kept, orphan=True)
        else:
            self.forget(uid)

    def unanswered(self, uid: str) -> bool:
        """Whether a write of that PodDNAT is on its way, or its outcome is unknown."""
        if self.sending is not None and self.sending.uid == uid:
            return True
        record = self._records.get(uid)
        return record is not None and any(old.lost_at is not None for old in record.pending)

    def refusals(self, uid: str) -> dict[NewEntry, Refusal]:
        """The standing refusals of that PodDNAT's rows."""
        record = self._records.get(uid)
        return self._vain.refusals(uid) | (record.refusals if record else {})

    def hindrances(self, uid: str) -> dict[str, str]:
        """What keeps rows of that PodDNAT from being deleted, by row ID."""
        record = self._records.get(uid)
        return self._vain.hindrances(uid) | (record.hindrances if record else {})

    # --- the poller

    def read(self, changes: Iterable[Change]) -> None:
        """A reading has shown rows otherwise than was known: what was asked for may be done."""
        for change in changes:
            self._vain.read(change)

    def room_made(self, rows: int, now: float) -> bool:
        """So many rows are gone: as many creates that were refused for quota need wait no longer.

        Returns whether there are any.
        """
        refused = sorted(
            (
                pending
                for record in self._records.values()
                for pending in record.pending
                if isinstance(pending.write, CreateRow)
                and (refusal := record.refusals.get(pending.write.entry)) is not None
                and refusal.why is Refused.QUOTA
            ),
            key=lambda pending: pending.not_before,
        )
        for pending in refused[:rows]:
            pending.not_before = min(pending.not_before, now)
        return bool(refused)

    # --- the writer: what is next

    def due(self, now: float) -> bool:
        """Whether anything could be sent now."""
        return any(
            self._due(pending) <= now
            for record in self._records.values()
            for pending in record.pending
        )

    def namespaces_due(self, now: float) -> set[str]:
        """The namespaces for which something could be sent now, or is being sent."""
        found = set() if self.sending is None else {self.sending.namespace}
        for record in self._records.values():
            for pending in record.pending:
                # Of thousands that wait for one namespace only the first is asked.
                if pending.namespace not in found and self._due(pending) <= now:
                    found.add(pending.namespace)
        return found

    def next_due(self) -> float | None:
        """When the first write may be sent; None if there is none."""
        return min(
            (self._due(p) for record in self._records.values() for p in record.pending),
            default=None,
        )

    def take(self, now: float) -> PendingWrite | None:
        """The next write to send, if there is one; it counts as being sent from now on."""
        behind, self._behind = self._behind, ""
        self.sending = self._turns.take(self._ready(now, behind))
        if self.sending is None and behind:
            self.sending = self._turns.take(self._ready(now))
        if self.sending is not None:
            self.sending.looked_at = False
        return self.sending

    def _ready(self, now: float, but: str = "") -> Iterator[tuple[Rank, PendingWrite]]:
        """What could be sent now, `but` that on one target."""
        for uid, record in self._records.items():
            for pending in record.pending:
                if self._due(pending) <= now and not (but and target_of(pending.write) == but):
                    yield rank_of(pending, expedited=uid in self._expedited), pending

    def attempt(self, pending: PendingWrite) -> int:
        """How many tries of that row have been answered: the next one needs another token."""
        if isinstance(pending.write, DeleteRow):
            return self._deletes.get(pending.write.entry_id, 0)
        record = self._records.get(pending.uid)
        return record.attempts[pending.write.entry] if record else 0

    # --- the writer: what was answered

    def answered(self, pending: PendingWrite) -> None:
        """The same token would be answered alike: the next try needs another one."""
        if isinstance(pending.write, DeleteRow):
            entry_id = pending.write.entry_id
            self._deletes[entry_id] = self._deletes.pop(entry_id, 0) + 1
            if len(self._deletes) > DELETES_REMEMBERED:
                del self._deletes[next(iter(self._deletes))]
        elif record := self._records.get(pending.uid):
            record.attempts[pending.write.entry] += 1

    def refusal(self, pending: PendingWrite) -> Refusal | None:
        """The standing refusal of the row; none for a delete."""
        record = self._records.get(pending.uid)
        if record is None or isinstance(pending.write, DeleteRow):
            return None
        return record.refusals.get(pending.write.entry)

    def hinder(self, pending: PendingWrite, why: str) -> bool:
        """Note what the delete of a row was answered; returns whether that is news."""
        record = self._records.get(pending.uid)
        if record is None or not isinstance(pending.write, DeleteRow):
            return False
        news = record.hindrances.get(pending.write.entry_id) != why
        record.hindrances[pending.write.entry_id] = why
        return news

    # --- the writer: how a try ended

    def accepted(self, pending: PendingWrite, now: float) -> bool:
        """The write was carried out: nothing stands against its row or its kind any more.

        Returns whether its PodDNAT is to be looked at. Where all went as was expected at the last
        look, there is nothing to do until the table shows the row as it is to be.
        """
        known = pending.looked_at or pending.failures > 0 or pending.lost_at is not None
        self._unready.accepted(target_of(pending.write), now)
        self._held.pop(type(pending.write), None)
        self.answered(pending)
        if record := self._records.get(pending.uid):
            if isinstance(pending.write, DeleteRow):
                known |= record.hindrances.pop(pending.write.entry_id, None) is not None
            else:
                known |= record.refusals.pop(pending.write.entry, None) is not None
        self._vain.accepted(pending.uid, pending.write, now)
        self._finish(pending)
        return known or isinstance(pending.write, ModifyRow)

    def settled(self, pending: PendingWrite) -> None:
        """The table is as the write makes it, or it does not matter any more."""
        self._vain.over(pending.uid, pending.write)
        self._finish(pending)

    def _finish(self, pending: PendingWrite) -> None:
        pending.lost_at = None
        self._end(pending)
        self._drop(pending)

    def busy(self, pending: PendingWrite, now: float | None = None, why: str = "") -> None:
        """No fault of the write, whose turn it is still; one that is always told so must not hold
        up others. `now`: the table takes no write; None where the account may make no call.
        """
        self._end(pending)
        pending.turned_away += 1
        over = pending.turned_away - PATIENCE
        target = target_of(pending.write)
        held = now is not None and self._unready.refused(target, why, now)
        self._behind = target if held else ""
        if now is not None and over >= 0:
            pending.not_before = max(pending.not_before, now + doubled(IMPATIENT_S, over))
        elif pending.turned_away % PATIENCE and not held:
            self._turns.again(pending.namespace)
            return
        self._to_the_end(pending)

    def spared(self, pending: PendingWrite, refusal: Refusal | None = None) -> None:
        """No write seems to get through: it is as due as before, behind the others, and one for
        another external IP or row goes next, which shows whether that is so."""
        if refusal is not None:
            self._note(pending, refusal)
        self._behind = target_of(pending.write)
        self._end(pending)
        self._to_the_end(pending)

    def _to_the_end(self, pending: PendingWrite) -> None:
        record = self._records.get(pending.uid)
        if record is None or pending not in record.pending:
            return
        record.pending.remove(pending)
        record.pending.append(pending)
        self._records[pending.uid] = self._records.pop(pending.uid)

    def failed(self, pending: PendingWrite, now: float) -> None:
        """It came to nothing for a reason that is likely to pass."""
        self._put_off(pending, RETRY_S, now)

    def barred(
        self, pending: PendingWrite, refusal: Refusal, now: float, *, kind: bool = False
    ) -> None:
        """Nothing can be written on this gateway, with these credentials, for now.

        `kind`: all writes of that kind are refused, whatever they are: one is tried now and then.
        """
        self._note(pending, refusal)
        if kind:
            _, failures = self._held.get(type(pending.write), (now, 0))
            until = now + doubled(DENIED_PAUSE_S, failures)
            self._held[type(pending.write)] = until, failures + 1
        self._put_off(pending, RETRY_S, now)

    def refused(self, pending: PendingWrite, refusal: Refusal, now: float) -> None:
        """The row itself was refused."""
        self._note(pending, refusal)
        self._put_off(pending, REFUSED_RETRY_S, now)

    def contested(self, pending: PendingWrite, refusal: Refusal) -> None:
        """Somebody has the address, or it is not clear what is wrong: who wants it looks first."""
        self._note(pending, refusal)
        self.settled(pending)

    def lost(self, pending: PendingWrite, now: float) -> None:
        """No answer: it may have been carried out, or may be yet; asked again, one may come.

        One for another external IP or row goes next: it may be that one alone that gets none.
        """
        pending.lost_at = now
        self._behind = target_of(pending.write)
        self._put_off(pending, RETRY_S, now)

    def unsent(self, pending: PendingWrite) -> None:
        """The process is to stop: it was not sent."""
        self._end(pending)

    def withdrawn(self, pending: PendingWrite, now: float) -> None:
        """Not sent: since it was taken, it or what it carries is not wanted any more."""
        if pending.lost_at is None:
            self.settled(pending)
        else:
            self._put_off(pending, RETRY_S, now)

    def doubted(self, pending: PendingWrite, generation: int, now: float) -> Recourse:
        """Nobody wants the lost write any more: to ask again could carry it out only now.

        So it is waited out: a reading is made when no call of then can still be under way.
        `generation`: that of the table.
        """
        end = (pending.lost_at or 0.0) + LOST_S
        if now >= end and pending.doubted is not None and generation > pending.doubted:
            self.settled(pending)
            return Recourse.OVER
        pending.not_before = max(end, now + 1.0)
        self._end(pending)
        if now < end:
            return Recourse.WAIT
        pending.doubted = generation
        return Recourse.READ

    # --- parts

    def _note(self, pending: PendingWrite, refusal: Refusal) -> None:
        record = self._records.get(pending.uid)
        if record is not None and not isinstance(pending.write, DeleteRow):
            entry = pending.write.entry
            record.refusals[entry] = refusal.after(record.refusals.get(entry))

    def _put_off(self, pending: PendingWrite, pause: tuple[float, float], now: float) -> None:
        pending.not_before = now + doubled(pause, pending.failures)
        pending.failures += 1
        self._end(pending)

    def _end(self, pending: PendingWrite) -> None:
        """The try is over; what nobody wants any more is not tried again, unless it was lost."""
        if self.sending is pending:
            self.sending = None
        if not pending.wanted and pending.lost_at is None:
            self._drop(pending)

    def _drop(self, pending: PendingWrite) -> None:
        record = self._records.get(pending.uid)
        if record is None or pending not in record.pending:
            return
        record.pending.remove(pending)
        self._tidy(pending.uid)

    def _due(self, pending: PendingWrite) -> float:
        held, _ = self._held.get(type(pending.write), (pending.not_before, 0))
        due = max(pending.not_before, held)
        if self._unready.held and isinstance(pending.write, CreateRow):
            return max(due, self._unready.held.get(pending.write.entry.external_ip, due))
        return due

    def _is_under_way(self, pending: PendingWrite) -> bool:
        return pending.lost_at is not None or pending is self.sending

    def _tidy(self, uid: str) -> None:
        if (record := self._records[uid]).spent:
            del self._records[uid]
            if record.forgotten:
                self._expedited.discard(uid)
