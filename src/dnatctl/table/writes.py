"""What is written to a forward table, and what the cloud may answer to it: the words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from dnatctl.model import EntryStatus, NewEntry
from dnatctl.table.view import Table


@dataclass(frozen=True, slots=True)
class CreateRow:
    """Create this row; `intent` tells this write from an earlier one for the same row."""

    gateway_id: str
    entry: NewEntry
    intent: str


@dataclass(frozen=True, slots=True)
class ModifyRow:
    """Make the row with that ID lead where `entry` says."""

    gateway_id: str
    entry_id: str
    entry: NewEntry
    intent: str


@dataclass(frozen=True, slots=True)
class DeleteRow:
    """Delete the row with that ID."""

    gateway_id: str
    entry_id: str


Write = CreateRow | ModifyRow | DeleteRow


def in_words(write: Write) -> str:
    """The write in one line, for the log."""
    if isinstance(write, DeleteRow):
        return f"delete {write.entry_id}"
    entry = write.entry
    leads = (
        f"{entry.external_ip}:{entry.external_ports}/{entry.protocol} -> "
        f"{entry.internal_ip}:{entry.internal_ports}"
    )
    what = f"modify {write.entry_id}" if isinstance(write, ModifyRow) else "create"
    return f"{what}: {leads}"


class Refused(StrEnum):
    """Why the cloud refused a row, as far as it changes what to do next."""

    CONFLICT = "conflict"
    QUOTA = "quota"
    UNUSABLE = "unusable"
    """The gateway or the EIP cannot be used; another one may do."""
    REJECTED = "rejected"
    UNFORESEEN = "unforeseen"
    """With a code of no table: of the row, the EIP, the gateway or the account, nobody knows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The last refusal of a row: how many times running, and at which generation of the table.

    `message`: the vendor's code and words, with the ID of the first such request.
    """

    why: Refused
    count: int
    generation: int
    message: str

    def after(self, before: Refusal | None) -> Refusal:
        """The same, counted on from the one before it if that was of the same kind."""
        if before is None or before.why is not self.why:
            return self
        return replace(self, count=before.count + self.count)


@dataclass(slots=True, eq=False)
class PendingWrite:
    """A wanted write, with the history of its tries; kept by `dnatctl.table.backlog`.

    `not_before` is a time on the monotonic clock. `lost_at`: when it was sent without an answer, so
    that its outcome is unknown; None otherwise. `wanted`: a worker still wants it. `doubted`: the
    generation of the table at which an unwanted one was last looked for. `turned_away`: how often
    the table was busy. `looked_at`: its PodDNAT was looked at since it was last taken
    up to be sent.
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
    looked_at: bool = field(default=False, compare=False)


class Recourse(Enum):
    """What to do about a write whose answer was lost and that nobody wants any more."""

    WAIT = "wait"
    """A call of then may be at work still."""
    READ = "read"
    """It is not: what the table shows in a reading from now on is the outcome."""
    OVER = "over"
    """The table has been read since, and does not show it."""


def effect(write: Write) -> Write:
    """The write without the intent: what it does to the table."""
    return write if isinstance(write, DeleteRow) else replace(write, intent="")


def is_done(table: Table, uid: str, write: Write) -> bool:
    """Whether the table is as that PodDNAT's write makes it; without its row none can matter."""
    match write:
        case CreateRow(entry=entry):
            return table.holds(uid, entry)
        case ModifyRow(entry_id=entry_id, entry=entry):
            row = table.row(entry_id)
            return row is None or row.leads_as(entry)
        case DeleteRow(entry_id=entry_id):
            row = table.row(entry_id)
            if row is None or row.entry.status is EntryStatus.DELETING:
                return True
            return row.owner != uid
