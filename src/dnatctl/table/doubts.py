"""What readings have said of the rows of one table, and which of it is believed.

A reading that shows a row as it was, or that lacks it, may be older than the one before it: it is
doubted until others agree (see `dnatctl.table.past`). Pure: times are handed in.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.table.index import Row
from dnatctl.table.past import AGREE, NEVER, READ_LAG_S, Doubt, Lag, Past


class Doubts:
    """The past of each row of one table, and what is in doubt about it, by its ID."""

    def __init__(self) -> None:
        self.lag = Lag()
        self._pasts: dict[str, Past] = {}
        self._doubts: dict[str, Doubt] = {}

    # --- what is known

    def became(self, old: ForwardEntry | None, entry: ForwardEntry, at: float) -> None:
        """The row is `entry` from then on, as far as is known; before it was `old`, if it was."""
        entry_id = entry.entry_id
        past = self._pasts.get(entry_id)
        if old is None or past is None:
            self._pasts[entry_id] = _known_since(at)
        elif old != entry:
            self._pasts[entry_id] = past.superseded(old, at)
            self._doubts.pop(entry_id, None)

    def forget(self, entry_id: str) -> None:
        """The row is gone."""
        self._pasts.pop(entry_id, None)
        self._doubts.pop(entry_id, None)

    def asked(self, entry_id: str, started: float) -> None:
        """The row was asked for by its ID."""
        self._pasts[entry_id] = replace(self._pasts[entry_id], asked=started)

    def last_asked(self, entry_id: str) -> float:
        """When it was last asked for by its ID; NEVER if it was not."""
        return self._pasts[entry_id].asked

    def changed(self, entry_id: str) -> float:
        """Since when it is known to be as it is."""
        return self._pasts[entry_id].changed

    def due(self) -> list[float]:
        """When a reading has to begin that may settle what is in doubt, for each row that is."""
        return [self._pasts[i].settles_at(doubt, self.lag) for i, doubt in self._doubts.items()]

    # --- what a reading shows

    def appeared(self, row: Row) -> None:
        """A reading lists a row for the first time."""
        past = self._pasts[row.entry.entry_id]
        if past.missed > row.written:
            self.lag.was_late(past.missed - row.written, past.missed)

    def is_outdated(self, row: Row, listed: ForwardEntry, started: float) -> bool:
        """Whether our last write to the row is newer than what a reading lists of it.

        A listing may lag behind an answered write: what is being deleted is then listed as it was,
        and what is being changed as leading where it led. Believed, that would end up in a status.
        """
        if row.written >= started:
            return True
        if not row.in_flux or started - row.written > self.lag.unlisted_s():
            return False
        if row.entry.status is EntryStatus.DELETING:
            return listed.status is not EntryStatus.DELETING
        return row.seen and not row.leads_like(listed)

    def is_true(self, known: Row, entry: ForwardEntry, started: float, *, unmarked: bool) -> bool:
        """Whether a listing of the row may be believed: not if it shows what may be over.

        `unmarked`: it lacks the name that makes the row ours. Somebody may have taken it off, and
        likelier it is an answer that lacks it: see docs/decisions/0031.
        """
        entry_id = entry.entry_id
        past = self._pasts[entry_id]
        if entry == known.entry:
            doubt = self._doubts.pop(entry_id, None)
            if doubt is not None and past.knows(doubt.version):
                self.lag.was_behind(doubt.last - past.over_since(doubt), started)
            return True
        if known.entry.odd_status and not entry.odd_status and entry.is_but_for_status(known.entry):
            return True
        until = started + READ_LAG_S if unmarked else NEVER
        if until == NEVER and entry not in past.former and not known.loses_status(entry):
            return True
        return self._is_proven(entry_id, entry, started, AGREE, until)

    # --- what a reading lacks

    def should_be_listed(self, row: Row, started: float) -> bool:
        """Whether a reading without the row means something: readings have had time to show it."""
        if row.written >= started:
            return False
        deleting = row.entry.status is EntryStatus.DELETING
        return row.seen or deleting or started - row.written > self.lag.unlisted_s()

    def missed(self, row: Row, started: float) -> None:
        """A reading lacks the row: that tells of the lag, if no reading has listed it before."""
        entry_id = row.entry.entry_id
        if not row.seen and started > row.written:
            self._pasts[entry_id] = replace(self._pasts[entry_id], missed=started)

    def is_gone(self, row: Row, started: float, *, asked: bool, until: float) -> bool:
        """Whether it may be believed that there is no such row, of an answer that would have it,
        were it there. `asked`: it was asked for by its ID. `until`: see `Doubt`, of one that is on
        its way out apart."""
        deleting = row.entry.status is EntryStatus.DELETING
        if not self.should_be_listed(row, started) or not (row.seen or deleting or asked):
            return False
        entry_id = row.entry.entry_id
        expected = deleting and started - self._pasts[entry_id].since > READ_LAG_S
        alone = expected or (asked and not row.seen)
        until = NEVER if deleting else until
        return self._is_proven(entry_id, None, started, 1 if alone else AGREE, until)

    def _is_proven(
        self,
        entry_id: str,
        version: ForwardEntry | None,
        started: float,
        agree: int,
        until: float,
    ) -> bool:
        """Doubt what a reading says of the row, or believe it if it was doubted often enough."""
        doubt = self._doubts.get(entry_id)
        same = doubt is not None and doubt.version == version
        doubt = doubt.again(started) if doubt and same else Doubt(version, started, until=until)
        self._doubts[entry_id] = doubt
        settled = doubt.last > self._pasts[entry_id].settles_at(doubt, self.lag)
        return doubt.count >= agree and settled


@lru_cache(maxsize=64)
def _known_since(at: float) -> Past:
    """One object for all rows that one reading shows for the first time."""
    return Past(since=at, changed=at)
