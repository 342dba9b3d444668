"""What one table is to be written, and which write is next.

Workers say what they want written for a record; that replaces what they wanted before. Order: what
blocks somebody else first, then creates and changes, then deletes, then orphans; within that the
namespaces take turns, so that one that asks for a thousand pods does not hold up one that asks for
five. Every fourth write goes to a lower class that waits, each in its turn, so that none starves.

What has been sent is kept until its outcome is known, wanted or not: that holds for a write whose
answer was lost as well. Pure: times are handed in, nothing is locked.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass, field, replace
from enum import IntEnum

from dnatctl.model import EntryStatus, NewEntry
from dnatctl.plan.values import CreateRow, DeleteRow, ModifyRow, Refusal, Refused, Write
from dnatctl.table.view import Table

LOWER_CLASS_EVERY = 4

PATIENCE = 8
"""Refusals in a row, for no fault of its own, after which a wish lets others go first."""


class Rank(IntEnum):
    """The order of writes."""

    BLOCKING = 0
    EXPOSE = 1
    RELEASE = 2
    ORPHAN = 3


@dataclass(slots=True, eq=False)
class Wish:
    """One wanted write, with the history of its tries.

    `not_before` is a time on the monotonic clock. `lost_at`: when it was sent without an answer, so
    that its outcome is unknown; None otherwise. `wanted`: a worker still wants it. `doubted`: the
    generation of the table at which an unwanted one was last looked for.
    """

    uid: str
    namespace: str
    write: Write
    orphan: bool = False
    not_before: float = float("-inf")
    failures: int = 0
    lost_at: float | None = None
    wanted: bool = True
    doubted: int | None = None
    turned_away: int = 0


@dataclass(slots=True)
class _Record:
    """What is remembered of one PodDNAT. `forgotten`: it is gone, and only wishes matter still."""

    wishes: list[Wish] = field(default_factory=list)
    attempts: Counter[NewEntry | str] = field(default_factory=Counter)
    refusals: dict[NewEntry, Refusal] = field(default_factory=dict)
    hindrances: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False

    @property
    def spent(self) -> bool:
        """Whether there is nothing left to remember."""
        remembered = self.attempts or self.refusals or self.hindrances
        return not self.wishes and (self.forgotten or not remembered)


class Wishes:
    """The wanted writes of one table."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._expedited: set[str] = set()
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._sent = 0
        self._held: dict[type[Write], tuple[float, int]] = {}
        self.sending: Wish | None = None

    def want(
        self, uid: str, namespace: str, writes: tuple[Write, ...], *, orphan: bool = False
    ) -> bool:
        """Replace what is wanted for that PodDNAT; returns whether there is anything to do now."""
        record = self._records.get(uid)
        if record is None:
            if not writes:
                return False
            record = self._records[uid] = _Record()
        known = {_effect(wish.write): wish for wish in record.wishes}
        wanted = [self._renewed(known.get(_effect(w)), uid, namespace, w, orphan) for w in writes]
        fresh = [wish for wish in wanted if all(wish is not old for old in record.wishes)]
        kept = [
            wish
            for wish in record.wishes
            if self._is_under_way(wish) and all(wish is not other for other in wanted)
        ]
        doubted = [wish for wish in kept if wish.wanted and wish.lost_at is not None]
        for wish in kept:
            wish.wanted = False
        for wish in doubted:
            wish.not_before = float("-inf")  # the table may show by now what became of it
        for wish in wanted:
            wish.wanted = True
        record.wishes = kept + wanted
        return bool(fresh or doubted)

    def _renewed(
        self, old: Wish | None, uid: str, namespace: str, write: Write, orphan: bool
    ) -> Wish:
        """The wish for a write, in place of one for the same effect.

        What is being done already is not wanted once more because its reason has a new name, and
        what was put off waits on.
        """
        if old is None:
            return Wish(uid, namespace, write, orphan)
        if old.write == write or self._is_under_way(old):
            return old
        return Wish(uid, namespace, write, orphan, old.not_before, old.failures)

    def room_made(self, rows: int, now: float) -> bool:
        """So many rows are gone: as many creates that were refused for quota need wait no longer.

        Returns whether there are any.
        """
        refused = sorted(
            (
                wish
                for record in self._records.values()
                for wish in record.wishes
                if isinstance(wish.write, CreateRow)
                and (refusal := record.refusals.get(wish.write.entry)) is not None
                and refusal.why is Refused.QUOTA
            ),
            key=lambda wish: wish.not_before,
        )
        for wish in refused[:rows]:
            wish.not_before = min(wish.not_before, now)
        return bool(refused)

    def expedite(self, uid: str) -> None:
        """What is wanted for that PodDNAT stands in another pod's way."""
        self._expedited.add(uid)

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone: drop what is wanted and remembered, but for what is under way."""
        self._expedited.discard(uid)
        self.want(uid, "", ())
        if record := self._records.get(uid):
            record.forgotten = True
            self._tidy(uid)

    def drop(self, wish: Wish) -> None:
        """The wish has come true, or is not to be tried again until somebody wants it anew."""
        record = self._records.get(wish.uid)
        if record is not None and wish in record.wishes:
            record.wishes.remove(wish)
            if isinstance(wish.write, DeleteRow):
                del record.attempts[wish.write.entry_id]  # an ID is never given twice
            self._tidy(wish.uid)

    def done(self, wish: Wish) -> None:
        """The try is over; what nobody wants any more is not tried again, unless it was lost."""
        if self.sending is wish:
            self.sending = None
        if not wish.wanted and wish.lost_at is None:
            self.drop(wish)

    def put_back(self, wish: Wish) -> None:
        """The table was busy. A row that is always told so must not hold up its namespace."""
        self.done(wish)
        wish.turned_away += 1
        record = self._records.get(wish.uid)
        if record is None or wish not in record.wishes or wish.turned_away % PATIENCE:
            return
        record.wishes.remove(wish)
        record.wishes.append(wish)
        self._records[wish.uid] = self._records.pop(wish.uid)

    def unanswered(self, uid: str) -> bool:
        """Whether a write of that PodDNAT is on its way, or its outcome is unknown."""
        if self.sending is not None and self.sending.uid == uid:
            return True
        record = self._records.get(uid)
        return record is not None and any(wish.lost_at is not None for wish in record.wishes)

    def attempt(self, wish: Wish) -> int:
        """How many tries of that row have been answered: the next one needs another token."""
        record = self._records.get(wish.uid)
        return record.attempts[_subject(wish.write)] if record else 0

    def answered(self, wish: Wish) -> None:
        """A try was answered, for good or ill: the same token would be answered alike."""
        if record := self._records.get(wish.uid):
            record.attempts[_subject(wish.write)] += 1

    def refusals(self, uid: str) -> dict[NewEntry, Refusal]:
        """The standing refusals of that PodDNAT's rows."""
        record = self._records.get(uid)
        return dict(record.refusals) if record else {}

    def hindrances(self, uid: str) -> dict[str, str]:
        """What keeps rows of that PodDNAT from being deleted, by row ID."""
        record = self._records.get(uid)
        return dict(record.hindrances) if record else {}

    def hinder(self, wish: Wish, why: str) -> bool:
        """Note what the delete of a row was answered; returns whether that is news."""
        record = self._records.get(wish.uid)
        if record is None or not isinstance(wish.write, DeleteRow):
            return False
        news = record.hindrances.get(wish.write.entry_id) != why
        record.hindrances[wish.write.entry_id] = why
        return news

    def refuse(self, wish: Wish, refusal: Refusal | None) -> None:
        """Note a refusal, or with None that the write was accepted."""
        record = self._records.get(wish.uid)
        if record is None:
            return
        if isinstance(wish.write, DeleteRow):
            record.hindrances.pop(wish.write.entry_id, None)
            return
        if refusal is None:
            record.refusals.pop(wish.write.entry, None)
        else:
            record.refusals[wish.write.entry] = refusal

    def hold(self, kind: type[Write], pause: tuple[float, float], now: float) -> None:
        """Writes of that kind are refused, whatever they are: one is tried now and then."""
        first, longest = pause
        _, failures = self._held.get(kind, (now, 0))
        until = now + min(first * 2.0 ** min(failures, 16), longest)
        self._held[kind] = until, failures + 1

    def release(self, kind: type[Write]) -> None:
        """A write of that kind was accepted."""
        self._held.pop(kind, None)

    def _due(self, wish: Wish) -> float:
        held, _ = self._held.get(type(wish.write), (wish.not_before, 0))
        return max(wish.not_before, held)

    def __len__(self) -> int:
        return sum(len(record.wishes) for record in self._records.values())

    def due(self, now: float) -> bool:
        """Whether anything could be sent now."""
        return any(
            self._due(wish) <= now for record in self._records.values() for wish in record.wishes
        )

    def next_due(self) -> float | None:
        """When the first wish may be sent; None if there is none."""
        return min(
            (self._due(wish) for record in self._records.values() for wish in record.wishes),
            default=None,
        )

    def take(self, now: float) -> Wish | None:
        """The next write to send, if there is one; it counts as being sent from now on."""
        ready: dict[Rank, dict[str, Wish]] = defaultdict(dict)
        for record in self._records.values():
            for wish in record.wishes:
                if self._due(wish) <= now:
                    ready[self._rank(wish)].setdefault(wish.namespace, wish)
        if not ready:
            return None
        ranks = sorted(ready)
        self._sent += 1
        turn, others = divmod(self._sent, LOWER_CLASS_EVERY)
        chosen = ranks[0]
        if others == 0 and len(ranks) > 1 and chosen is not Rank.BLOCKING:
            chosen = ranks[1 + turn % (len(ranks) - 1)]
        self.sending = self._fairly(ready[chosen])
        return self.sending

    def _is_under_way(self, wish: Wish) -> bool:
        return wish.lost_at is not None or wish is self.sending

    def _tidy(self, uid: str) -> None:
        if self._records[uid].spent:
            del self._records[uid]

    def _rank(self, wish: Wish) -> Rank:
        if wish.uid in self._expedited and isinstance(wish.write, DeleteRow):
            return Rank.BLOCKING
        if wish.orphan:
            return Rank.ORPHAN
        return Rank.RELEASE if isinstance(wish.write, DeleteRow) else Rank.EXPOSE

    def _fairly(self, by_namespace: dict[str, Wish]) -> Wish:
        """The namespace whose last turn was longest ago."""
        for namespace in by_namespace:
            if namespace not in self._turns:
                self._turns[namespace] = None
                self._turns.move_to_end(namespace, last=False)
        chosen = next(namespace for namespace in self._turns if namespace in by_namespace)
        self._turns.move_to_end(chosen)
        return by_namespace[chosen]


def _subject(write: Write) -> NewEntry | str:
    """What tries are counted by: the row to be, or the ID of the one to go."""
    return write.entry_id if isinstance(write, DeleteRow) else write.entry


def _effect(write: Write) -> Write:
    """The write without the intent: what it does to the table."""
    return write if isinstance(write, DeleteRow) else replace(write, intent="")


def is_done(table: Table, wish: Wish) -> bool:
    """Whether the table is as the write makes it; without its row no write can matter."""
    match wish.write:
        case CreateRow(entry=entry):
            return table.holds(wish.uid, entry)
        case ModifyRow(entry_id=entry_id, entry=entry):
            row = table.row(entry_id)
            return row is None or row.leads_as(entry)
        case DeleteRow(entry_id=entry_id):
            row = table.row(entry_id)
            return row is None or row.entry.status is EntryStatus.DELETING
