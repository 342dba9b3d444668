"""What is known of one forward table: the rows last read, with our own later writes laid over them.

Two things change a view: a pass (a reading of the table, page by page) and the answers to our own
writes. A pass that started before a write was answered says nothing about that row. A row that a
pass does not list is gone only if the pass was atomic: pages shift while they are read, so a page
by page reading can miss rows that are there. Pure: times are handed in, nothing is locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dnatctl.model import Endpoint, EntryStatus, ForwardEntry, NewEntry, Protocol

READ_LAG_S = 20.0
"""How long listings may lag behind an answered write, in seconds: a row that was made may be
missing, one that was changed or deleted may be shown as it was."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of a table. `atomic`: it shows the whole table as it was at one moment."""

    started: float
    rows: Mapping[str, ForwardEntry]
    atomic: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its owner: the UID of a PodDNAT, or empty for a foreign one.

    `written`: when our last write to it was answered; `seen`: a reading has listed it since.
    """

    entry: ForwardEntry
    owner: str
    written: float = float("-inf")
    seen: bool = True

    @property
    def in_flux(self) -> bool:
        """Whether the cloud is still working on it."""
        return self.entry.status is not EntryStatus.AVAILABLE

    def leads_as(self, new: NewEntry) -> bool:
        """Whether it takes the traffic that `new` would take, and to the same place."""
        entry = self.entry
        return entry == replace(new.as_row(entry.entry_id), status=entry.status, name=entry.name)


@dataclass(frozen=True, slots=True)
class Change:
    """A row before and after a pass; either may be None."""

    before: Row | None
    after: Row | None


class Table:
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
        self.gateway_id = gateway_id
        self.table_id = ""
        self.generation = 0
        self.first_read = float("-inf")
        self._owner_of = owner_of
        self._vacated = vacated
        self._rows: dict[str, Row] = {}
        self._by_owner: dict[str, set[str]] = defaultdict(set)
        self._by_internal_ip: dict[str, set[str]] = defaultdict(set)
        self._by_external: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._wide: set[str] = set()
        self._deleted: dict[str, float] = {}

    @property
    def read_once(self) -> bool:
        """Whether the table has been read whole since the start."""
        return self.generation > 0

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[Row]:
        """All rows."""
        return list(self._rows.values())

    def row(self, entry_id: str) -> Row | None:
        """The row with that ID."""
        return self._rows.get(entry_id)

    def owned_by(self, uid: str) -> list[Row]:
        """The rows that belong to the PodDNAT with that UID."""
        return [self._rows[i] for i in sorted(self._by_owner.get(uid, ()))]

    def holds(self, uid: str, new: NewEntry) -> bool:
        """Whether that PodDNAT has a row on the endpoints of `new`."""
        wanted = (new.external_ip, new.external_ports, new.protocol)
        return any(
            (row.entry.external_ip, row.entry.external_ports, row.entry.protocol) == wanted
            for row in self.owned_by(uid)
        )

    def owners(self) -> list[str]:
        """The UIDs of all PodDNATs that own a row here."""
        return [uid for uid, ids in self._by_owner.items() if uid and ids]

    def foreign_count(self) -> int:
        """How many rows are not ours."""
        return len(self._by_owner.get("", ()))

    def covering(self, endpoint: Endpoint) -> list[Row]:
        """The rows that take traffic to `endpoint`, ranges and `Any` rows included."""
        ids = self._by_external.get((endpoint.ip, endpoint.port), set()) | self._wide
        return [r for i in sorted(ids) if (r := self._rows[i]).entry.covers(endpoint)]

    def any_row_on(self, ip: str) -> bool:
        """Whether an IP mapping (`Any`) takes the whole address, which bars every other row."""
        return any(
            (e := self._rows[i].entry).external_ip == ip and e.protocol is None for i in self._wide
        )

    def holding(self, ip: str, port: int, protocol: Protocol) -> list[Row]:
        """The rows that lead to that internal address: the cloud allows one a table."""
        ids = self._by_internal_ip.get(ip, ())
        return [
            r
            for i in sorted(ids)
            if (r := self._rows[i]).entry.protocol in (None, protocol)
            and port in r.entry.internal_ports
        ]

    def leading_to(self, ip: str) -> list[Row]:
        """The rows whose internal IP is `ip`."""
        return [self._rows[i] for i in sorted(self._by_internal_ip.get(ip, ()))]

    def in_flux(self) -> list[Row]:
        """Own rows that the cloud was still working on when last heard of."""
        return [r for r in self._rows.values() if r.owner and r.in_flux]

    # --- what our own writes were answered

    def created(self, entry: ForwardEntry, now: float) -> None:
        """A create was accepted: the row exists, whether or not a listing shows it yet."""
        known = self._rows.get(entry.entry_id)
        seen = known is not None and known.seen
        if known is not None and seen:
            entry = known.entry
        self._put(Row(entry, self._owner_of(entry), written=now, seen=seen))

    def modified(self, entry: ForwardEntry, now: float) -> None:
        """A modify was accepted; `entry` is the row as it will be."""
        known = self._rows.get(entry.entry_id)
        seen = known is None or known.seen
        self._put(Row(entry, self._owner_of(entry), written=now, seen=seen))

    def deleting(self, entry_id: str, now: float) -> None:
        """A delete was accepted: the row is on its way out, but there until seen absent."""
        if row := self._rows.get(entry_id):
            entry = replace(row.entry, status=EntryStatus.DELETING)
            self._put(replace(row, entry=entry, written=now))
            self._deleted[entry_id] = now

    def gone(self, entry_id: str) -> Change | None:
        """The cloud said by itself that there is no such row."""
        row = self._rows.get(entry_id)
        if row is None:
            return None
        self._drop(row)
        return Change(row, None)

    def vanished(self) -> list[Row]:
        """The gateway is gone, and the table with it; returns the rows there were."""
        rows = self.rows()
        for row in rows:
            self._drop(row)
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
        changes = self._merge_listed(reading.rows.values(), reading.started)
        for row in list(self._rows.values()):
            listed = row.entry.entry_id in reading.rows
            if reading.atomic and not listed and _should_be_listed(row, reading, now):
                self._drop(row)
                changes.append(Change(row, None))
        self.generation += 1
        return changes

    def merge_part(self, rows: Iterable[ForwardEntry], started: float) -> list[Change]:
        """Take in some rows: they show what is there, and nothing about what is not."""
        return self._merge_listed(rows, started)

    def unproven(self, reading: Pass) -> list[str]:
        """IDs of rows that a pass misses and that only an atomic one could call gone."""
        return [
            i
            for i, row in self._rows.items()
            if i not in reading.rows and _should_be_listed(row, reading, reading.started)
        ]

    def _merge_listed(self, rows: Iterable[ForwardEntry], started: float) -> list[Change]:
        changes = []
        self._deleted = {i: at for i, at in self._deleted.items() if started - at <= READ_LAG_S}
        for entry in rows:
            known = self._rows.get(entry.entry_id)
            if known is None and entry.entry_id in self._deleted:
                continue  # as it was: an ID is never given twice
            if known is not None and _is_news_to(known, entry, started):
                self._put(replace(known, seen=True))
                continue
            after = Row(entry, self._owner_of(entry), known.written if known else float("-inf"))
            if known is None or known.entry != entry or known.owner != after.owner:
                changes.append(Change(known, after))
                self._put(after)
            elif not known.seen:
                self._put(after)
        return changes

    # --- indexes

    def _put(self, row: Row) -> None:
        old = self._rows.get(row.entry.entry_id)
        if old is not None:
            self._unindex(old)
        entry = row.entry
        self._rows[entry.entry_id] = row
        self._by_owner[row.owner].add(entry.entry_id)
        self._by_internal_ip[entry.internal_ip].add(entry.entry_id)
        self._external_index(entry).add(entry.entry_id)

    def _drop(self, row: Row) -> None:
        del self._rows[row.entry.entry_id]
        self._unindex(row)
        self._vacated(row)

    def _unindex(self, row: Row) -> None:
        entry = row.entry
        _discard(self._by_owner, row.owner, entry.entry_id)
        _discard(self._by_internal_ip, entry.internal_ip, entry.entry_id)
        if len(entry.external_ports) == 1:
            _discard(
                self._by_external, (entry.external_ip, entry.external_ports.first), entry.entry_id
            )
        else:
            self._wide.discard(entry.entry_id)

    def _external_index(self, entry: ForwardEntry) -> set[str]:
        if len(entry.external_ports) == 1:
            return self._by_external[(entry.external_ip, entry.external_ports.first)]
        return self._wide


def _discard(index: dict[Any, set[str]], key: object, entry_id: str) -> None:
    index[key].discard(entry_id)
    if not index[key]:
        del index[key]


def _is_news_to(row: Row, listed: ForwardEntry, started: float) -> bool:
    """Whether our last write to the row is newer than what a reading lists of it.

    A listing may lag behind an answered write: what is being deleted is then listed as it was, and
    what is being changed as leading where it led. Believed, that would end up in a status.
    """
    if row.written >= started:
        return True
    if not row.in_flux or started - row.written > READ_LAG_S:
        return False
    if row.entry.status is EntryStatus.DELETING:
        return listed.status is not EntryStatus.DELETING
    return row.seen and replace(listed, status=row.entry.status, name=row.entry.name) != row.entry


def _should_be_listed(row: Row, reading: Pass, now: float) -> bool:
    """Whether a reading that lacks the row means that it is gone: it is no news to the listings."""
    if row.written >= reading.started:
        return False
    deleting = row.entry.status is EntryStatus.DELETING
    return row.seen or deleting or now - row.written > READ_LAG_S
