"""Rows that have left a table, or that were asked to: what a listing of them is worth.

A listing may lag behind, and whoever said that a row is gone may have been wrong. So each is
remembered for a while, together with how it went: by a delete of ours that was accepted, by the
cloud's own word, or because readings lacked it. Pure: times are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dnatctl.model import NewEntry
from dnatctl.table.index import Row

RECALLS = 3
"""How often a row that was given up may be taken for there after all."""

GONE_S = 60.0
"""What the cloud itself said is gone, and lists so long after, is there: whoever said so was wrong,
or listings are further behind than anybody thought."""

REMEMBERED_S = 3600.0
"""How long a row is remembered that was given up."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A row that was taken for gone because readings lacked it, and how often it was."""

    row: Row
    at: float
    times: int


class Departed:
    """Rows that have left one table, by ID."""

    def __init__(self) -> None:
        self._deleted: dict[str, float] = {}
        self._gone: dict[str, float] = {}
        self._given_up: dict[str, GivenUp] = {}

    def deleted(self, entry_id: str, now: float) -> None:
        """A delete of ours was accepted."""
        self._deleted[entry_id] = now

    def gone(self, entry_id: str, now: float) -> None:
        """The cloud said by itself that there is no such row."""
        self._gone[entry_id] = now
        self._given_up.pop(entry_id, None)

    def give_up(self, row: Row, now: float) -> None:
        """Nobody was told that the row is gone: remember it, in case it is not."""
        before = self._given_up.get(row.entry.entry_id)
        times = before.times + 1 if before else 1
        self._given_up[row.entry.entry_id] = GivenUp(row, now, times)

    def forget(self, started: float, patience: float) -> None:
        """Let go of what no reading that begins from now on may list out of date. `patience`: how
        long, in seconds, listings are thought to be behind at most."""
        self._deleted = {i: at for i, at in self._deleted.items() if started - at <= patience}
        since = started - max(GONE_S, patience)
        self._gone = {i: at for i, at in self._gone.items() if at >= since}

    def forget_given_up(self, now: float) -> None:
        """Once in a reading, and not for each row: thousands may be gone at once."""
        self._given_up = {i: g for i, g in self._given_up.items() if now - g.at <= REMEMBERED_S}

    def hides(self, entry_id: str, *, known: bool) -> bool:
        """Whether a row that is listed is to be taken for one that was: an ID is never given twice.
        `known`: the view has the row still, on its way out."""
        return entry_id in self._gone or (not known and entry_id in self._deleted)

    def recalled(self, uid: str, new: NewEntry, present: Iterable[Row]) -> list[Row]:
        """Rows of that PodDNAT that were given up, and that a create of `new` must have met, as it
        was refused: none where one that is `present` stands in its way."""
        met = [
            given.row
            for given in self._given_up.values()
            if given.row.owner == uid and given.row.clashes(new) and given.times <= RECALLS
        ]
        return [] if met and any(row.clashes(new) for row in present) else met
