"""Reading a table that changes while it is read: when a reading may be believed.

Pages have no snapshot (DescribeForwardTableEntries has PageNumber and PageSize only): a row deleted
elsewhere moves others to pages already read. So a reading of several pages proves what is there but
not what is absent, unless a second reading right after it is the same page for page, or the row is
asked for by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.table.view import Pass

PAGE_SIZE = 50

MOST_PAGES = 2000
"""Far more than any table has: 100,000 rows, where the quota is 100 unless it was raised."""


class EndlessTableError(Exception):
    """Pages come and come, each with rows that none before had."""


@dataclass(frozen=True, slots=True)
class Collect:
    """All pages of a table, read one after the other: entries and the total each page told."""

    pages: tuple[tuple[ForwardEntry, ...], ...]
    totals: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether one answer held the whole table, and all say so.

        One that lists a row twice may lack another instead.
        """
        rows = len({entry.entry_id for entry in self.pages[0]})
        alone = rows == len(self.pages[0]) and not any(self.pages[1:])
        return alone and all(total == rows for total in self.totals)

    @property
    def quiet(self) -> bool:
        """Whether nothing moved while it was read, as far as it shows.

        All totals are the number of rows, none is listed twice, none is in flux. A row can be
        missing all the same, if others deleted one and made one between two answers.
        """
        rows = [entry for page in self.pages for entry in page]
        number = len({entry.entry_id for entry in rows})
        at_rest = all(entry.status is EntryStatus.AVAILABLE for entry in rows)
        return at_rest and number == len(rows) and set(self.totals) == {number}

    @property
    def surplus(self) -> int:
        """How many rows more are counted than listed: by the lowest count, as rows come and go."""
        return min(self.totals) - len(self.rows())

    def same_rows(self, other: Collect) -> bool:
        """Whether both list the same rows in the same places."""
        return self.totals == other.totals and self._ids() == other._ids()

    def rows(self) -> dict[str, ForwardEntry]:
        """All entries by ID."""
        return {entry.entry_id: entry for page in self.pages for entry in page}

    def page_of(self, entry_ids: Iterable[str]) -> int | None:
        """The one page (from 1) that lists all of these; None if there is no such page."""
        wanted = set(entry_ids)
        for number, page in enumerate(self.pages, 1):
            if wanted and wanted <= {entry.entry_id for entry in page}:
                return number
        return None

    def _ids(self) -> list[list[str]]:
        return [[entry.entry_id for entry in page] for page in self.pages]


def pages(rows: int) -> int:
    """How many pages so many rows take: one at least."""
    return max(1, -(-rows // PAGE_SIZE))


ReadPage = Callable[[int], tuple[int, tuple[ForwardEntry, ...]]]
"""Reads one page (from 1): the total number of rows, and the rows of the page."""


def collect(read_page: ReadPage) -> Collect:
    """Read all pages: until one is short, and there are as many rows as the latest total says.

    The total is a hint: it may be wrong, so a full page is followed by another one whatever it
    says. A page with no row that is new is the end, as an empty one is: beyond the last page a
    server may answer with that one once more. Raises EndlessTableError.
    """
    pages: list[tuple[ForwardEntry, ...]] = []
    totals: list[int] = []
    known: set[str] = set()
    while len(pages) < MOST_PAGES:
        total, entries = read_page(len(pages) + 1)
        new = {entry.entry_id for entry in entries} - known
        known |= new
        pages.append(entries if new else ())
        totals.append(total)
        if not new or (len(entries) < PAGE_SIZE and len(known) >= total):
            return Collect(tuple(pages), tuple(totals))
    raise EndlessTableError(f"it lists no end after {MOST_PAGES} pages")


def as_pass(started: float, collected: Collect, *, atomic: bool) -> Pass:
    """What the collected pages say of the table."""
    return Pass(started, collected.rows(), atomic)
