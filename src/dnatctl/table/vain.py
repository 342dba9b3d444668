"""Writes that the cloud accepts again and again and never does: how often, and when to ask anew.

A write came to nothing if it is wanted once more after it was accepted, and no reading has shown
the table as it says in between. What a reading has shown done and somebody undid is another matter.
Pure: times are handed in (monotonic clock, seconds), nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dnatctl.backoff import doubled
from dnatctl.model import EntryStatus, NewEntry
from dnatctl.table.view import Change
from dnatctl.table.writes import CreateRow, DeleteRow, Refusal, Refused, Write, effect

BELIEVED = 2
"""Once may be an accident: what is accepted so often and not done is told."""

AGAIN_S = (5.0, 300.0)
"""First and longest pause before it is asked for again; the second time is at once."""

_NOT_MADE = "the cloud has accepted it again and again, and it is not there"
_NOT_CHANGED = "the cloud has accepted the change again and again, and has not carried it out"
_THERE = "the cloud has accepted that again and again, and it is there still"
_ASKED = "; it is asked for ever less often; ask the vendor about it"


@dataclass(slots=True)
class _Tries:
    count: int
    last: float


class InVain:
    """Accepted writes that no reading has shown done yet, by the UID of their PodDNAT."""

    def __init__(self) -> None:
        self._tries: dict[str, dict[Write, _Tries]] = {}

    def accepted(self, uid: str, write: Write, now: float) -> None:
        """The cloud says that it will do, or has done, what was asked."""
        tries = self._tries.setdefault(uid, {}).setdefault(effect(write), _Tries(0, now))
        tries.count, tries.last = tries.count + 1, now

    def over(self, uid: str, write: Write) -> None:
        """It was answered otherwise, or does not matter any more."""
        self._forget(uid, effect(write))

    def forget(self, uid: str) -> None:
        """The PodDNAT is gone; deletes that were accepted for it may come to nothing all the same.

        Those are forgotten when their rows are.
        """
        for write in [w for w in self._tries.get(uid, ()) if not isinstance(w, DeleteRow)]:
            self._forget(uid, write)

    def read(self, change: Change) -> None:
        """A reading shows a row otherwise than was known."""
        row = change.after or change.before
        if row is None or (change.after and change.after.entry.status is not EntryStatus.AVAILABLE):
            return
        for write in list(self._tries.get(row.owner, ())):
            mine = not isinstance(write, CreateRow) and write.entry_id == row.entry.entry_id
            if change.after is None:
                done = mine
            elif isinstance(write, DeleteRow):
                done = False
            else:
                done = row.leads_as(write.entry) and (mine or isinstance(write, CreateRow))
            if done:
                self._forget(row.owner, write)

    def due(self, uid: str, write: Write) -> float:
        """When it may be asked for again; minus infinity: at once."""
        tries = self._tries.get(uid, {}).get(effect(write))
        if tries is None or tries.count < BELIEVED:
            return float("-inf")
        return tries.last + doubled(AGAIN_S, tries.count - BELIEVED)

    def is_told(self, uid: str, write: Write) -> bool:
        """Whether it has come to nothing too often for an accident."""
        tries = self._tries.get(uid, {}).get(effect(write))
        return tries is not None and tries.count >= BELIEVED

    def refusals(self, uid: str) -> dict[NewEntry, Refusal]:
        """Rows of that PodDNAT that are as good as refused."""
        return {
            write.entry: Refusal(Refused.REJECTED, 1, 0, _why(write))
            for write in self._told(uid)
            if not isinstance(write, DeleteRow)
        }

    def hindrances(self, uid: str) -> dict[str, str]:
        """Rows of that PodDNAT that are not deleted, by ID, with what to tell."""
        return {w.entry_id: _why(w) for w in self._told(uid) if isinstance(w, DeleteRow)}

    def _told(self, uid: str) -> Iterator[Write]:
        return (write for write in self._tries.get(uid, ()) if self.is_told(uid, write))

    def _forget(self, uid: str, write: Write) -> None:
        tries = self._tries.get(uid, {})
        tries.pop(write, None)
        if not tries:
            self._tries.pop(uid, None)


def _why(write: Write) -> str:
    if isinstance(write, DeleteRow):
        return _THERE + _ASKED
    return (_NOT_MADE if isinstance(write, CreateRow) else _NOT_CHANGED) + _ASKED
