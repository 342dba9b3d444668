"""Abstract forward table: one write at a time, unique addresses, tokens, rows that settle late.

As strict as the vendor's documents allow it to be
(https://help.aliyun.com/document_detail/36058.html for the rules of entries,
https://help.aliyun.com/knowledge_detail/36569.html for tokens).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from dnatctl.cloud.errors import ErrorKind
from dnatctl.model import EntryStatus, ForwardEntry, NewEntry

Outcome = str | ErrorKind
"""What a call is answered: the ID of the row, or why it was refused."""


class Call(NamedTuple):
    """A write to the table, as it travels."""

    verb: str
    entry_id: str
    entry: NewEntry | None
    token: str

    def __str__(self) -> str:
        if self.entry is None:
            return f"{self.verb} {self.entry_id}"
        new = self.entry
        what = f"{new.external_ip}:{new.external_ports}/{new.protocol}"
        return f"{self.verb} {self.entry_id}{what} to {new.internal_ip}:{new.internal_ports}"


class Cloud(NamedTuple):
    """The table. `answers`: tokens with the call they came with, and its answer. `behind`: what a
    backend lists that follows no more for now; None while all follow.

    `hidden`: rows that listings do not show yet. `elsewhere`: internal addresses that a row of
    another table of the VPC has, if the cloud lets only one table have them: it does not say.
    """

    rows: tuple[ForwardEntry, ...] = ()
    answers: tuple[tuple[str, Call, Outcome], ...] = ()
    hidden: frozenset[str] = frozenset()
    serial: int = 0
    elsewhere: tuple[tuple[str, int], ...] = ()
    behind: tuple[ForwardEntry, ...] | None = None

    @property
    def in_flux(self) -> bool:
        """Whether a row has not settled."""
        return any(row.status is not EntryStatus.AVAILABLE for row in self.rows)

    def row(self, entry_id: str) -> ForwardEntry | None:
        """The row with that ID."""
        return next((row for row in self.rows if row.entry_id == entry_id), None)

    def listed(self) -> tuple[ForwardEntry, ...]:
        """What a reading shows."""
        return tuple(row for row in self.rows if row.entry_id not in self.hidden)

    def with_row(self, entry_id: str, row: ForwardEntry | None) -> Cloud:
        """With the row of that ID in place of the one there was."""
        kept = [r for r in self.rows if r.entry_id != entry_id] + ([row] if row else [])
        hidden = self.hidden if row else self.hidden - {entry_id}
        rows = tuple(sorted(kept, key=lambda r: r.entry_id))
        return self._replace(rows=rows, hidden=hidden)


def execute(cloud: Cloud, call: Call) -> tuple[Cloud, Outcome]:
    """Carry out a call; the table afterwards, and the answer."""
    for token, earlier, outcome in cloud.answers:
        if token == call.token:
            return cloud, outcome if earlier == call else ErrorKind.MISMATCH
    after, outcome = _first(cloud, call)
    return after._replace(answers=(*after.answers, (call.token, call, outcome))), outcome


def _first(cloud: Cloud, call: Call) -> tuple[Cloud, Outcome]:
    """The call is the first with its token."""
    if cloud.in_flux:
        return cloud, ErrorKind.GONE_OR_BUSY if call.verb == "delete" else ErrorKind.BUSY
    old = cloud.row(call.entry_id)
    if call.verb != "create" and old is None:
        return cloud, ErrorKind.GONE
    if call.entry is None:
        assert old is not None
        return cloud.with_row(old.entry_id, replace(old, status=EntryStatus.DELETING)), old.entry_id
    held = (call.entry.internal_ip, call.entry.internal_ports.first) in cloud.elsewhere
    if held or any(_clash(row, call.entry) for row in cloud.rows if row is not old):
        return cloud, ErrorKind.CONFLICT
    serial = cloud.serial + (old is None)
    entry_id = old.entry_id if old else f"fwd-{serial}"
    made = call.entry.as_row(entry_id)
    return cloud.with_row(entry_id, made)._replace(serial=serial), entry_id


def _clash(row: ForwardEntry, new: NewEntry) -> bool:
    """Whether both take the same external, or lead to the same internal address."""
    if row.protocol not in (None, new.protocol):
        return False
    external = row.external_ip == new.external_ip and row.external_ports.overlaps(
        new.external_ports
    )
    internal = row.internal_ip == new.internal_ip and row.internal_ports.overlaps(
        new.internal_ports
    )
    return external or internal


def settle(cloud: Cloud, entry_id: str) -> Cloud:
    """The cloud finishes its work on a row."""
    row = cloud.row(entry_id)
    assert row is not None
    if row.status is EntryStatus.DELETING:
        return cloud.with_row(entry_id, None)
    return cloud.with_row(entry_id, replace(row, status=EntryStatus.AVAILABLE))
