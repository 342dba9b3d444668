"""One table's readings: how many pages each takes, and what it may be believed to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import BELIEVED_S, MISCOUNTED
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.reader import (
    ASK_TRIES,
    FIRST_TRIES,
    SINGLE_LOOKS,
    HiddenRowsError,
    TableReader,
)
from dnatctl.control.state.views import Views
from dnatctl.model import ForwardEntry
from dnatctl.table.view import READ_LAG_S, Change, Pass, Row
from tests.support.clock import FakeClock
from tests.unit.pool.made import offer
from tests.unit.table.made import AVAILABLE, GATEWAY, MARKS, PENDING, row, states, uid

THROTTLED = CloudError(Operation.READ_TABLE, ErrorKind.THROTTLED)


class Cloud:
    """Lists `rows`, 50 a page; `refusals` come first, `befall` happens before each page."""

    def __init__(self) -> None:
        self.rows: list[ForwardEntry] = []
        self.refusals: list[Exception] = []
        self.befall: Callable[[int], None] = lambda _: None
        self.busy: list[Exception] = []
        """Of questions about single rows."""
        self.asked: list[Any] = []
        self.listed = self.page
        self.miscount = 0

    def read_page(self, _table: str, number: int) -> Any:
        self.befall(number)
        if self.refusals:
            raise self.refusals.pop()
        self.asked.append(number)
        page = self.listed(number)
        return SimpleNamespace(total=len(self.rows) + self.miscount, entries=tuple(page))

    def page(self, number: int) -> list[ForwardEntry]:
        return self.rows[(number - 1) * 50 : number * 50]

    def read_entry(self, _table: str, entry_id: str) -> ForwardEntry | None:
        if self.busy:
            raise self.busy.pop()
        self.asked.append(entry_id)
        return next((row for row in self.rows if row.entry_id == entry_id), None)


class Reads:
    """A table and who reads it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.views = Views(MARKS, [offer()], 60.0, self.clock)
        self.table = self.views.table(GATEWAY)
        self.cloud = Cloud()
        self.told: list[Change] = []
        self.between = 0
        cloud: Any = self.cloud
        self.reader = TableReader(
            GATEWAY,
            self.views,
            cloud,
            tell=self.told.extend,
            between_pages=self._between_pages,
            calls=lambda _: None,
        )

    def _between_pages(self) -> None:
        self.between += 1

    def whole(self, *, asked: bool = False) -> list[Any]:
        """The table is read whole; what was asked for."""
        self.clock.advance(1.0)
        self.cloud.asked.clear()
        self.reader.whole(self.clock.monotonic(), self.reader.coming(), asked=asked)
        return list(self.cloud.asked)

    def glance(self) -> tuple[bool, list[Any]]:
        """A page is read; whether that was enough, and what was asked for."""
        self.clock.advance(1.0)
        self.cloud.asked.clear()
        enough = self.reader.glance(self.reader.coming(), self.clock.monotonic())
        return enough, list(self.cloud.asked)


@pytest.fixture
def it() -> Reads:
    return Reads()


def rows(count: int, *, ours: bool = False) -> list[ForwardEntry]:
    return [
        row(f"fwd-{n}", f"1.1.1.1:{600 + n}", f"10.0.0.{n + 1}:80", owner=uid(n) if ours else "")
        for n in range(count)
    ]


OURS = row("fwd-ours", owner=uid(1), status=PENDING)


class TestTheFirst:
    def test_pages_in_which_nothing_moved_are_read_once(self, it):
        it.cloud.rows = rows(120)
        assert it.whole() == [1, 2, 3]
        assert len(it.table) == 120

    def test_pages_with_a_row_in_flux_are_read_until_two_readings_agree(self, it):
        it.cloud.rows = [*rows(119), row("fwd-last", status=PENDING)]
        assert it.whole() == [1, 2, 3, 1, 2, 3]

    def test_the_reading_that_agreed_is_the_one_that_counts(self, it):
        it.cloud.rows = [*rows(119), row("fwd-last", status=PENDING)]
        it.cloud.befall = lambda _: it.clock.advance(1.0)
        began = it.clock.monotonic()
        assert it.reader.whole(began, set(), asked=False) == began + 3.0

    def test_of_a_table_that_never_stands_still_all_that_was_listed_is_there(self, it):
        """Others write to it without end: each reading misses what moves to an earlier page."""
        it.cloud.rows = rows(500)
        at_rest = {entry.entry_id for entry in it.cloud.rows[400:]}

        def befall(number: int) -> None:
            """A row of the first ones goes, and another comes as the last."""
            it.cloud.rows.pop(number)
            it.cloud.rows.append(row(f"fwd-new-{len(it.cloud.asked)}", status=PENDING))

        it.cloud.befall = befall
        assert it.whole() == [*range(1, 12)] * (1 + FIRST_TRIES)
        assert it.table.read_once
        assert at_rest <= set(states(it.table))

    def test_who_waits_has_the_word_before_each_further_page(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        assert it.between == 2


class TestThrottling:
    def test_a_page_is_asked_for_again_and_not_all_of_them(self, it):
        it.cloud.rows = rows(120)
        refusals = [THROTTLED] * (ASK_TRIES - 1)
        it.cloud.befall = lambda number: it.cloud.refusals.extend(refusals) or refusals.clear()
        assert it.whole() == [1, 2, 3]
        assert it.table.read_once

    def test_but_not_for_ever(self, it):
        it.cloud.refusals = [THROTTLED] * ASK_TRIES
        with pytest.raises(CloudError):
            it.whole()

    def test_what_else_is_refused_is_not_asked_for_again(self, it):
        it.cloud.refusals = [CloudError(Operation.READ_TABLE, ErrorKind.RETRY)]
        with pytest.raises(CloudError):
            it.whole()
        it.whole()
        assert it.table.read_once


class TestAbsence:
    def test_one_page_proves_it(self, it):
        it.cloud.rows = rows(2)
        it.whole()
        it.cloud.rows.pop()
        it.whole()
        assert it.whole() == [1]
        assert list(states(it.table)) == ["fwd-0"]

    def test_of_several_pages_a_few_rows_are_asked_for_one_by_one(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.pop(7)
        for _ in range(2):
            assert it.whole() == [1, 2, 3, "fwd-7"]
        assert "fwd-7" not in states(it.table)

    def test_for_more_than_there_are_pages_all_are_read_twice(self, it):
        it.cloud.rows = rows(120, ours=True)
        it.whole()
        del it.cloud.rows[7:10]
        for _ in range(2):
            assert it.whole() == [1, 2, 3, 1, 2, 3]
        assert len(it.table) == 117

    def test_for_more_than_a_few_too(self, it):
        it.cloud.rows = rows(500, ours=True)
        it.whole()
        del it.cloud.rows[7 : 7 + SINGLE_LOOKS + 1]
        for _ in range(2):
            assert it.whole() == [*range(1, 11)] * 2
        assert len(it.table) == 500 - SINGLE_LOOKS - 1

    def test_of_rows_of_others_only_a_few_are_asked_for(self, it):
        it.cloud.rows = rows(500)
        it.whole()
        del it.cloud.rows[:20]
        assert it.whole() == [*range(1, 11), *(f"fwd-{n}" for n in range(SINGLE_LOOKS))]

    def test_own_rows_are_asked_for_before_those_of_others(self, it):
        """A neighbour that changes its rows without end kept a release waiting for ever."""
        it.cloud.rows = [*rows(120), ours := row("fwd-ours", "1.1.1.1:9", owner=uid(1))]
        it.whole()
        it.cloud.rows.remove(ours)
        it.table.deleting("fwd-ours", it.clock.monotonic())
        for turn in range(2):
            del it.cloud.rows[:20]
            it.cloud.rows += [
                row(f"fwd-{turn}-{n}", f"1.1.1.2:{20 * turn + n + 1}") for n in range(20)
            ]
            assert "fwd-ours" in it.whole()
        assert "fwd-ours" not in states(it.table)

    def test_where_no_single_row_can_be_asked_for_all_are_read_twice(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.pop(7)
        for _ in range(2):
            it.cloud.busy = [CloudError(Operation.READ_TABLE, ErrorKind.REJECTED)]
            assert it.whole() == [1, 2, 3, 1, 2, 3]
        assert "fwd-7" not in states(it.table)

    def test_one_that_stands_on_another_page_by_now_is_there(self, it):
        it.cloud.rows = rows(120)
        it.whole()

        def befall(number: int) -> None:
            if number == 2:
                it.cloud.rows.append(it.cloud.rows.pop(60))
                it.cloud.rows.append(it.cloud.rows.pop(0))

        it.cloud.befall = befall
        for _ in range(2):
            it.whole()
        assert set(states(it.table)) == {f"fwd-{n}" for n in range(120)}

    def test_too_many_calls_are_no_reason_to_read_all_of_it_anew(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.pop(7)
        it.whole()
        it.cloud.busy = [THROTTLED] * (ASK_TRIES - 1)
        assert it.whole() == [1, 2, 3, "fwd-7"]

    def test_and_where_somebody_doubts_the_view(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        assert it.whole() == [1, 2, 3]
        assert it.whole(asked=True) == [1, 2, 3, 1, 2, 3]

    def test_while_others_change_the_table_each_missing_row_is_looked_up(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.pop(7)

        def befall(number: int) -> None:
            """Whatever stood at the head of page 2 is on page 1 by now."""
            if number == 2:
                it.cloud.rows.append(it.cloud.rows.pop(0))

        it.cloud.befall = befall
        for _ in range(2):
            assert "fwd-7" in it.whole()
        assert set(states(it.table)) == {f"fwd-{n}" for n in range(120) if n != 7}


class TestWhatIsCountedAndNotListed:
    """A page comes again in place of the next, or is cut short."""

    @pytest.fixture(
        params=[
            pytest.param((120, lambda cloud, _: cloud.page(1)), id="again"),
            pytest.param((120, lambda cloud, number: cloud.page(number)[:30]), id="short"),
            pytest.param((9, lambda cloud, number: cloud.page(number)[:6]), id="few"),
        ]
    )
    def count(self, it, request) -> int:
        count, listed = request.param
        it.cloud.rows = rows(count)
        it.hidden = lambda number: listed(it.cloud, number)
        return count

    def test_is_not_gone(self, it, count):
        it.whole()
        it.cloud.listed = it.hidden
        for _ in range(int(BELIEVED_S) - 1):
            it.whole(asked=True)
        assert len(it.table) == count
        it.cloud.listed = it.cloud.page
        it.whole()
        assert set(states(it.table)) == {f"fwd-{n}" for n in range(count)}

    def test_goes_where_it_is_said_to_be_gone_by_itself(self, it, count):
        it.whole()
        it.cloud.listed = it.hidden
        gone = next(row for row in it.cloud.rows if row not in it.hidden(1))
        it.cloud.rows.remove(gone)
        for _ in range(2):
            assert gone.entry_id in it.whole()
        assert set(states(it.table)) == {f"fwd-{n}" for n in range(count)} - {gone.entry_id}

    def test_is_not_taken_for_free_at_the_first_reading(self, it, count):
        it.cloud.listed = it.hidden
        if count > MISCOUNTED:
            with pytest.raises(HiddenRowsError, match="are not listed"):
                it.whole()
            assert not it.table.read_once
        it.cloud.listed = it.cloud.page
        it.whole()
        assert len(it.table) == count

    def test_is_believed_in_the_end(self, it, count):
        it.cloud.miscount = MISCOUNTED + 1
        for _ in range(int(BELIEVED_S)):
            with pytest.raises(HiddenRowsError):
                it.whole()
        it.whole()
        assert len(it.table) == count

    def test_one_that_is_believed_hides_no_rows_of_others_that_are_gone(self, it):
        it.cloud.rows = rows(120)
        it.cloud.miscount = MISCOUNTED + 1
        for _ in range(int(BELIEVED_S)):
            with pytest.raises(HiddenRowsError):
                it.whole()
        it.whole()
        del it.cloud.rows[:20]
        it.whole()
        it.clock.advance(READ_LAG_S)
        it.whole()
        assert len(it.table) == 100
        assert it.table.doubts_due() is None

    def test_a_count_that_was_always_too_high_hides_nothing(self, it, count):
        it.cloud.miscount = MISCOUNTED
        it.whole()
        del it.cloud.rows[-3:]
        for _ in range(5):
            asked = it.whole()
        assert len(it.table) == count - 3
        assert not [one for one in asked if isinstance(one, str)]


class TestAGlance:
    def test_who_waits_for_nothing_reads_nothing(self, it):
        assert it.glance() == (False, [])

    @pytest.mark.parametrize(("at", "page"), [(0, 1), (120, 3)])
    def test_new_rows_are_found_at_one_end_and_sought_there_from_then_on(self, it, at, page):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.insert(at, OURS)
        it.whole()
        enough, asked = it.glance()
        assert (enough, asked[-1]) == (True, page)
        assert it.glance() == (True, [page])
        it.cloud.rows[at] = replace(it.cloud.rows[at], status=AVAILABLE)
        it.glance()
        assert states(it.table)["fwd-ours"] is AVAILABLE
        assert it.told[-1].after.entry.status is AVAILABLE

    def test_rows_that_stand_in_the_middle_are_not_sought_at_the_ends(self, it):
        it.cloud.rows = rows(120)
        it.whole()
        it.cloud.rows.insert(60, OURS)
        it.whole()
        it.whole()
        assert not it.reader.glances

    def test_it_says_nothing_of_what_is_not_there(self, it):
        it.cloud.rows = rows(3)
        it.whole()
        it.cloud.rows = [OURS]
        it.reader.glance({"fwd-ours"}, it.clock.monotonic() + 1.0)
        assert len(states(it.table)) == 4

    def test_a_last_page_that_is_gone_is_sought_before_it(self, it):
        it.cloud.rows = [*rows(100), OURS]
        it.whole()
        it.cloud.rows = [*it.cloud.rows[2:100], it.cloud.rows[100]]
        assert it.glance() == (True, [1, 3, 2])


class Id(str):
    """An ID that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Id.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_rows_that_are_missing_are_not_compared_each_with_each(it, monkeypatch):
    """A table may lack all that it had."""
    it.whole()
    ids = [Id(f"fwd-{n}") for n in range(100)]
    others = [Id(f"fwd-{n}") for n in range(100)]
    missing = [Row(replace(OURS, entry_id=one), uid(1)) for one in ids]
    monkeypatch.setattr(it.table, "unproven", lambda _: missing)
    monkeypatch.setattr(it.table, "unlisted", lambda _: list(others))
    it.reader._look_up(Pass(1.0, {}, atomic=False))
    assert Id.compared <= len(ids)
    assert it.cloud.asked[-SINGLE_LOOKS:] == ids[:SINGLE_LOOKS]
