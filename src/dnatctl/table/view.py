"""What is known of one forward table: the rows last read, with our own later writes laid over them.

Two things change a view: a pass (a reading of the table, page by page) and the answers to our own
writes. A pass that started before a write was answered says nothing about that row. A row that a
pass does not list is gone only if the pass was atomic: pages shift while they are read, so a page
by page reading can miss rows that are there. And a reading may be older than the one before it:
what it takes back is believed when another agrees (see `dnatctl.table.doubts`). Pure: times are
handed in, nothing is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from dnatctl.model import USUAL_PORTS, Endpoint, EntryStatus, ForwardEntry, NewEntry
from dnatctl.table.departed import Departed
from dnatctl.table.doubts import Doubts
from dnatctl.table.index import Row, Rows
from dnatctl.table.past import MOST, NEVER, READ_LAG_S
from dnatctl.table.read_wait import ReadWait

__all__ = ["NEVER", "READ_LAG_S", "Change", "Pass", "Row", "Table"]

ASK_S = 3.0
"""A row that was made so long ago and that no reading lists is asked for by its ID."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of a table. `atomic`: it shows the whole table as it was at one moment. `cut`: it
    counts more rows than it lists, and more than come and go meanwhile."""

    started: float
    rows: Mapping[str, ForwardEntry]
    atomic: bool
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A row before and after a pass; either may be None."""

    before: Row | None
    after: Row | None


class Table(Rows):
    """The view of one gateway's forward table.

    `owner_of` tells whose a row is (by mark or by the ledger of adopted rows). `vacated` is told of
    each row that is gone.
    """

    def __init__(
        self,
        gateway_id: str,
        owner_of: Callable[[ForwardEntry], str],
        vacated: Callable[[Row], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.gateway_id = gateway_id
        self.table_id = ""
        self.generation = 0
        self.first_read = NEVER
        """When it was read for the first time since the start, until a reading that began so much
        later that it lists whatever was made before the start: from then on NEVER."""
        self._shown: set[tuple[str, Endpoint]] = set()
        """Until then: endpoints that rows were listed for, by owner."""
        self.unreadable = ""
        """Why the last try to read it failed; empty if it did not."""
        self.read_wait = ReadWait()
        self._owner_of = owner_of
        self._vacated = vacated
        self._doubts = Doubts()
        self.lag = self._doubts.lag
        self._departed = Departed()
        self._overlooked: dict[str, float] = {}
        """Rows of others that passes lack which prove nothing, and since which one."""

    @property
    def read_once(self) -> bool:
        """Whether the table has been read whole since the start."""
        return self.generation > 0

    @property
    def caught_up(self) -> bool:
        """Whether what was made before the start would have been listed."""
        return self.read_once and self.first_read == NEVER

    @property
    def present(self) -> int:
        """How many rows there are, without those of others that the latest passes lack."""
        return len(self._rows) - len(self._overlooked)

    @property
    def present_foreign(self) -> int:
        """How many rows of others there are; see `present`."""
        return self.foreign_count() - len(self._overlooked)

    # --- what our own writes were answered

    def created(self, entry: ForwardEntry, now: float) -> None:
        """A create was accepted: the row exists, whether or not a listing shows it yet."""
        known = self._rows.get(entry.entry_id)
        seen = known is not None and known.seen
        if known is not None and seen:  # under the name that it was made with, whatever is listed
            if not (known.owner or known.leads_like(entry)):
                return  # a row of somebody else's: the answer names another than was made
            entry = replace(known.entry, name=known.entry.name or entry.name)
        self._change(Row(entry, self._owner_of(entry), written=now, seen=seen), now)

    def modified(self, entry: ForwardEntry, now: float) -> None:
        """A modify was accepted; `entry` is the row as it will be."""
        known = self._rows.get(entry.entry_id)
        seen = known is None or known.seen
        self._change(Row(entry, self._owner_of(entry), written=now, seen=seen), now)

    def deleting(self, entry_id: str, now: float) -> None:
        """A delete was accepted: the row is on its way out, but there until seen absent."""
        if row := self._rows.get(entry_id):
            entry = replace(row.entry, status=EntryStatus.DELETING)
            self._change(replace(row, entry=entry, written=now), now)
            self._departed.deleted(entry_id, now)

    def gone(self, entry_id: str, now: float) -> Change | None:
        """The cloud said by itself that there is no such row."""
        self._departed.gone(entry_id, now)
        row = self._rows.get(entry_id)
        if row is None:
            return None
        self._drop(row)
        return Change(row, None)

    def is_young(self, entry_id: str, now: float) -> bool:
        """Whether the row was made so lately that no reading needs to have listed it yet."""
        row = self._rows.get(entry_id)
        return row is not None and not row.seen and now - row.written <= self.lag.unlisted_s()

    def recall(self, uid: str, new: NewEntry, now: float) -> bool:
        """Whether a create of `new` that was refused, as if an address were taken, met an own row.

        One of that PodDNAT, given up because readings lacked it; then it is there after all. Where
        the table shows another one in the way, that is it.
        """
        met = self._departed.recalled(uid, new, self._rows.values())
        for row in met:
            self.lag.was_late(self.lag.unlisted_s(), now)
            self._change(replace(row, written=now, seen=False), now)
        return bool(met)

    def vanished(self) -> list[Row]:
        """The gateway is gone, and the table with it; returns the rows there were.

        If it is there again after all, its table is as one that was never read.
        """
        rows = self.rows()
        for row in rows:
            self._drop(row)
        self.generation = 0
        return rows

    def reowned(self, entry_id: str) -> None:
        """The ledger of adopted rows has changed: look up again whose the row is."""
        if row := self._rows.get(entry_id):
            self._put(replace(row, owner=self._owner_of(row.entry)))

    # --- readings

    def merge(self, reading: Pass, now: float) -> list[Change]:
        """Take in a whole pass; returns what changed by it."""
        if not self.read_once:
            self.first_read = now
        elif reading.started - self.first_read >= READ_LAG_S:
            self.hides_nothing()
        changes = self._merge_listed(reading.rows.values(), reading.started)
        self._departed.forget_given_up(reading.started)
        missing = [row for i, row in self._rows.items() if i not in reading.rows]
        most = self._are_most(missing)
        until = reading.started + READ_LAG_S if most else NEVER
        for row in missing:
            changes += self._missed(row, reading.started, proves=reading.atomic, until=until)
        if not (reading.atomic or reading.cut):
            changes += self._overlook(missing, reading.started)
        self.generation += 1
        return changes

    def may_hide(self, uid: str, endpoints: Iterable[Endpoint]) -> bool:
        """Whether rows for these of that owner may be there that no reading has listed so far, as
        they were made just before the start: not those that were listed once, and are gone since.
        """
        if not self.read_once or self.first_read == NEVER:
            return False
        return not all((uid, endpoint) in self._shown for endpoint in endpoints)

    def hides_nothing(self) -> None:
        """There is no more than was listed, whenever that was."""
        self.first_read = NEVER
        self._shown.clear()

    def merge_part(self, rows: Iterable[ForwardEntry], started: float) -> list[Change]:
        """Take in some rows: they show what is there, and nothing about what is not."""
        return self._merge_listed(rows, started)

    def answered(self, entry_id: str, entry: ForwardEntry | None, started: float) -> list[Change]:
        """Take in what was answered to a question about one row: as it is, or that it is not."""
        row = self._rows.get(entry_id)
        if row is not None:
            self._doubts.asked(entry_id, started)
        if entry is not None:
            return self._merge_listed([entry], started, listed=False)
        return self._missed(row, started, proves=True, asked=True) if row else []

    def unproven(self, reading: Pass) -> list[Row]:
        """Rows that a pass misses and that only an atomic one could call gone.

        Own ones come first, and of these those that are to go: somebody waits for that.
        """
        missing = [
            row
            for i, row in self._rows.items()
            if i not in reading.rows and self._doubts.should_be_listed(row, reading.started)
        ]
        return sorted(missing, key=lambda row: (not row.owner, not row.in_flux))

    def unlisted(self, reading: Pass) -> list[str]:
        """IDs of rows that were made and that no reading has listed: they are to be asked for.

        Those that were not asked for yet, or longest ago, come first.
        """
        asked = [
            i
            for i, row in self._rows.items()
            if not row.seen
            and i not in reading.rows
            and reading.started - row.written > (ASK_S if row.in_flux else self.lag.unlisted_s())
        ]
        return sorted(asked, key=self._doubts.last_asked)

    def unsettled(self, since: float) -> list[Row]:
        """Own rows that the cloud has been at work on since then, or for longer."""
        return [row for row in self.in_flux() if self._doubts.changed(row.entry.entry_id) <= since]

    def doubts_due(self) -> float | None:
        """When a reading has to begin that may settle what is in doubt; None if nothing is."""
        times = [since + READ_LAG_S for since in self._overlooked.values()]
        return min([*times, *self._doubts.due()], default=None)

    def _merge_listed(
        self, rows: Iterable[ForwardEntry], started: float, *, listed: bool = True
    ) -> list[Change]:
        changes = []
        self._departed.forget(started, self.lag.unlisted_s())
        for entry in rows:
            entry_id = entry.entry_id
            known = self._rows.get(entry_id)
            self._show(entry)
            if self._departed.hides(entry_id, known=known is not None):
                continue
            if known is None:
                after = Row(entry, self._owner_of(entry))
                self._change(after, started)
                changes.append(Change(None, after))
                continue
            changes += self._listed(known, entry, started, listed=listed)
        return changes

    def _show(self, entry: ForwardEntry) -> None:
        if self.first_read == NEVER or entry.protocol is None:
            return
        if (uid := self._owner_of(entry)) and len(entry.external_ports) <= USUAL_PORTS:
            ip, protocol = entry.external_ip, entry.protocol
            self._shown |= {(uid, Endpoint(ip, port, protocol)) for port in entry.external_ports}

    def _listed(
        self, known: Row, entry: ForwardEntry, started: float, *, listed: bool
    ) -> list[Change]:
        """Take in that a row we know is listed so."""
        self._overlooked.pop(entry.entry_id, None)
        seen = known.seen or listed
        if seen and not known.seen:
            self._doubts.appeared(known)
        if self._doubts.is_outdated(known, entry, started):
            self._put(replace(known, seen=seen))
            return []
        unmarked = self._is_unmarked(known, entry)
        if not self._doubts.is_true(known, entry, started, unmarked=unmarked):
            return []
        after = Row(entry, self._owner_of(entry), known.written, seen)
        if known.entry == entry and known.owner == after.owner:
            if not known.seen:
                self._put(after)
            return []
        self._change(after, started)
        return [Change(known, after)]

    def _is_unmarked(self, known: Row, entry: ForwardEntry) -> bool:
        """Whether a row of our own is listed without the name that makes it ours."""
        return bool(known.owner) and not entry.name and self._owner_of(entry) != known.owner

    def _are_most(self, missing: Iterable[Row]) -> bool:
        """Whether more is missing at once than anybody but us takes away. One row is no measure."""
        lost = sum(map(_stays, missing))
        return lost > max(1, MOST * sum(map(_stays, self._rows.values())))

    def _missed(
        self,
        row: Row,
        started: float,
        *,
        proves: bool,
        asked: bool = False,
        until: float = NEVER,
    ) -> list[Change]:
        """Take in that a row was not listed. `proves`: the answer would have it, were it there."""
        self._doubts.missed(row, started)
        if not (proves and self._doubts.is_gone(row, started, asked=asked, until=until)):
            return []
        if row.entry.status is not EntryStatus.DELETING:
            self._departed.give_up(row, started)
        self._drop(row)
        return [Change(row, None)]

    def _overlook(self, missing: Iterable[Row], started: float) -> list[Change]:
        """Take in that a pass lacks rows which does not prove that they are gone.

        A row of another's that passes lack for long is. Whoever writes to a long table without
        pause leaves no pass that proves anything, and each row would have to be asked for. Were one
        there after all, a create that it is in the way of is refused.
        """
        changes = []
        for row in missing:
            if row.owner:
                continue
            since = self._overlooked.setdefault(row.entry.entry_id, started)
            if started - since >= READ_LAG_S:
                self._drop(row)
                changes.append(Change(row, None))
        return changes

    # --- rows

    def _change(self, row: Row, at: float) -> None:
        """Take in a row as it is from then on, as far as is known."""
        old = self._rows.get(row.entry.entry_id)
        self._doubts.became(old.entry if old else None, row.entry, at)
        self._put(row)

    def _drop(self, row: Row) -> None:
        self._doubts.forget(row.entry.entry_id)
        self._overlooked.pop(row.entry.entry_id, None)
        self._remove(row)
        self._vacated(row)


def _stays(row: Row) -> bool:
    """Whether it has been listed, and is on its way out by nobody's doing that is known."""
    return row.seen and row.entry.status is not EntryStatus.DELETING


def why_unread(table: Table | None) -> str:
    """What to tell of a table that has not been read."""
    if table is not None and table.unreadable:
        return f"its forward table cannot be read: {table.unreadable}"
    return "its forward table has not been read yet"
