"""How one forward table is read: a page for new rows, or the whole, until that counts as whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import MISCOUNTED, HollowAnswers
from dnatctl.control.gateway.sense import read_entry, read_page
from dnatctl.control.state.views import Views
from dnatctl.model import EntryStatus, ForwardEntry
from dnatctl.table.reading import Collect, collect, pages
from dnatctl.table.view import Change, Pass

FIRST_TRIES = 3
"""How often the first reading of a table is repeated until two are the same. If none are, what all
of them list is taken for the table: a row that is at rest is missed by one where others move it to
a page that was read, a few of hundreds, and not by four in a row."""

SINGLE_LOOKS = 5
"""Rows that a pass misses, and such as none has listed yet, that are looked up one by one."""

ASK_TRIES = 3
"""How often a page or a row is asked for, where there are too many calls."""

T = TypeVar("T")


class HiddenRowsError(Exception):
    """No reading of a table is whole: it counts rows that it does not list."""


class TableReader:
    """Reads one table into its view, and knows where in the list new rows were found last.

    `tell` hears what a reading changed, `calls` of each call that begins; `between_pages` has the
    word before each further page of a whole reading. Readings raise CloudError and Stopped.
    """

    def __init__(
        self,
        gateway_id: str,
        views: Views,
        cloud: CloudApi,
        *,
        tell: Callable[[list[Change]], None],
        between_pages: Callable[[], None],
        calls: Callable[[str], None],
    ) -> None:
        self._gateway_id = gateway_id
        self._views = views
        self._cloud = cloud
        self._clock = views.clock
        self._tell = tell
        self._between_pages = between_pages
        self._calls = calls
        self._table = views.table(gateway_id)
        self._ends: tuple[str, ...] = ("first", "last")
        """Where in the list new rows may be found: nobody says how it is sorted."""
        self._listed: dict[str, ForwardEntry] = {}
        """Rows as they were listed last since the whole reading began that is under way."""
        self._hollow = HollowAnswers(self._clock)
        self._miscounted = MISCOUNTED
        """How many rows more are counted than listed though none is hidden, as far as is known."""

    @property
    def glances(self) -> bool:
        """Whether a page may be enough to find what is new."""
        return bool(self._ends)

    def coming(self) -> set[str]:
        """IDs of the rows that are to become usable."""
        with self._views.lock:
            entries = [row.entry for row in self._table.in_flux()]
        return {e.entry_id for e in entries if e.status is not EntryStatus.DELETING}

    def glance(self, coming: set[str], started: float) -> bool:
        """Read just the page on which new rows were last found; whether that served its purpose.

        New rows tend to stand together, at one end of the list. What stands there is there.
        """
        if not coming:
            return False
        for end in self._ends:
            entries = self._read_page(1)[1] if end == "first" else self._read_last_page()
            with self._views.lock:
                changes = self._table.merge_part(entries, started)
            self._tell(changes)
            found = coming & {entry.entry_id for entry in entries}
            if len(found) * 2 >= len(coming):
                self._ends = (end,)
                return True
        return False

    def _read_last_page(self) -> tuple[ForwardEntry, ...]:
        """As far as is known, or as the answer tells: rows that go are not seen gone at once."""
        number = pages(len(self._table))
        total, entries = self._read_page(number)
        while number > 1 and not entries:
            number = min(number - 1, pages(total))
            total, entries = self._read_page(number)
        return entries

    def whole(self, started: float, coming: set[str], *, asked: bool) -> float:
        """Read the whole table; returns when the reading that counts began (monotonic clock).

        `started`: now; `coming`: IDs of the rows that are to become usable; `asked`: somebody
        doubts the view, so that only a reading which proves absence is enough.
        Raises HiddenRowsError and EndlessTableError as well.
        """
        self._listed = {}
        collected = self._collect()
        atomic = True
        if self._table.read_once:
            atomic = self._prove(started, collected, asked=asked)
        else:
            started, collected, atomic = self._first(started, collected)
        cut = collected.surplus > max(self._miscounted, MISCOUNTED)
        reading = Pass(started, self._listed, atomic, cut)
        self._merge(reading)
        try:
            self._look_up(reading)
        except CloudError as error:
            # Who cannot be asked for one row can be for all of them, as long as nothing moves.
            short = error.kind is ErrorKind.THROTTLED
            if atomic or short or not self._prove(started, collected, asked=True):
                raise
            self._merge(Pass(started, self._listed, atomic=True))
        self._learn_hint(collected, coming)
        return started

    def _collect(self) -> Collect:
        return collect(self._read_next)

    def _read_next(self, number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        if number > 1:
            self._between_pages()
        return self._read_page(number)

    def _read_page(self, number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        read = partial(read_page, self._cloud, self._views, self._table, number)
        total, entries = self._patiently("reads a page", read)
        self._listed.update({entry.entry_id: entry for entry in entries})
        return total, entries

    def _patiently(self, doing: str, ask: Callable[[], T]) -> T:
        """The limit for calls says when to go on: what was heard so far is not asked anew."""
        wait = self._table.read_wait
        wait.begins(self._clock.monotonic())
        tries = 0
        while True:
            self._calls(doing)
            try:
                answer = ask()
            except CloudError as error:
                tries += 1
                if error.kind is not ErrorKind.THROTTLED or tries == ASK_TRIES:
                    wait.failed()
                    raise
                wait.refused(error.code)
            else:
                wait.was_answered(self._clock.monotonic(), self._clock.now())
                return answer

    def _first(self, started: float, collected: Collect) -> tuple[float, Collect, bool]:
        """The first reading decides what is free and what is there: repeat it until it is whole.
        Returns when the one that counts began, what it found, and whether it is atomic.

        One in which nothing moves is taken for whole: twice as many calls at the start would keep
        everybody waiting twice as long, and what it may have missed the next reading shows. Where
        others never stop, all that was listed is there, or was a moment ago.

        Raises HiddenRowsError if the table seems to hide rows: it counts as not read.
        """
        begun, heard = started, self._listed
        for _ in range(FIRST_TRIES):
            self._refuse_hidden(collected)
            if collected.whole or collected.quiet:
                return begun, collected, True
            begun = self._clock.monotonic()
            self._listed = {}
            again = self._collect()
            if again.same_rows(collected):
                return begun, again, True
            heard, collected = heard | self._listed, again
        self._refuse_hidden(collected)
        self._listed = heard
        return started, collected, False

    def _refuse_hidden(self, collected: Collect) -> None:
        if self._hides(collected):
            raise HiddenRowsError(f"{collected.surplus} of its rows are not listed")

    def _prove(self, started: float, collected: Collect, *, asked: bool) -> bool:
        """Whether the reading proves absence; read again if something seems absent, or is asked.

        A few rows are asked for one by one instead (`_look_up`): fewer calls than there are pages.
        Nobody waits for those of others, who may change theirs without end.
        """
        if self._hides(collected):
            return False
        if collected.whole:
            return True
        with self._views.lock:
            missing = self._table.unproven(Pass(started, self._listed, atomic=False))
        few = sum(bool(row.owner) for row in missing) <= min(SINGLE_LOOKS, len(collected.pages) - 1)
        return (asked or not few) and self._collect().same_rows(collected)

    def _hides(self, collected: Collect) -> bool:
        """Whether rows are counted that are not listed: more than usual, and not for long.

        One page may be cut short, or come again in place of the next. Then what is listed is there,
        and what is not may be. A count that stays too high is a count that is wrong.
        """
        question = (self._table.table_id, "all")
        usual = self._miscounted
        if not self._table.read_once:  # it is read anew because it moves, and so do counts
            usual = max(usual, MISCOUNTED)
        if collected.surplus > usual and not self._hollow.heard(question):
            return True
        if collected.surplus <= usual:
            self._hollow.refuted(question)
        self._miscounted = max(collected.surplus, 0)
        return False

    def _look_up(self, reading: Pass) -> None:
        """Settle the case of a few missing rows one by one: one answer each is atomic."""
        with self._views.lock:
            missing = [] if reading.atomic else self._table.unproven(reading)
            asked = [row.entry.entry_id for row in missing[:SINGLE_LOOKS]]
            asked += self._table.unlisted(reading)[:SINGLE_LOOKS]
        for entry_id in dict.fromkeys(asked):
            self._between_pages()
            started = self._clock.monotonic()
            ask = partial(read_entry, self._cloud, self._views, self._table, entry_id)
            entry = self._patiently("looks up a row", ask)
            with self._views.lock:
                changes = self._table.answered(entry_id, entry, started)
            self._tell(changes)

    def _merge(self, reading: Pass) -> None:
        with self._views.lock:
            first = not self._table.read_once
            changes = self._table.merge(reading, self._clock.monotonic())
            if first:
                self._views.pool.table_read(self._gateway_id)
        self._tell(changes)

    def _learn_hint(self, collected: Collect, coming: set[str]) -> None:
        place = collected.page_of(coming)
        if place is not None:
            last = sum(map(bool, collected.pages))
            ends = {last: ("last",), 1: ("first",)}
            self._ends = ends.get(place, ())
