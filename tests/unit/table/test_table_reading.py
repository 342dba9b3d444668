"""Readings: which pages are asked for, and what they prove."""

from __future__ import annotations

import pytest

from dnatctl.model import ForwardEntry
from dnatctl.table.reading import (
    MOST_PAGES,
    PAGE_SIZE,
    Collect,
    EndlessTableError,
    as_pass,
    collect,
)
from tests.unit.table.made import DELETING, PENDING, row


def rows(count: int, first: int = 0) -> tuple[ForwardEntry, ...]:
    return tuple(
        row(f"fwd-{n}", f"1.1.1.1:{600 + n}", f"10.0.0.{n % 250}:80")
        for n in range(first, first + count)
    )


class Cloud:
    """A table that lists its rows in pages; something may happen before a page is read."""

    def __init__(self, *entries: ForwardEntry) -> None:
        self.entries = list(entries)
        self.reads: list[int] = []
        self.meanwhile: dict[int, object] = {}

    def page(self, number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        self.reads.append(number)
        if happening := self.meanwhile.pop(len(self.reads), None):
            happening()
        start = (number - 1) * PAGE_SIZE
        return len(self.entries), tuple(self.entries[start : start + PAGE_SIZE])


def test_an_empty_table_is_one_page():
    cloud = Cloud()
    assert collect(cloud.page) == Collect(((),), (0,))
    assert cloud.reads == [1]


def test_a_full_page_may_be_the_whole_table():
    cloud = Cloud(*rows(PAGE_SIZE))
    collected = collect(cloud.page)
    assert cloud.reads == [1, 2], "the total is only a hint"
    assert collected.whole


@pytest.mark.parametrize("wrong", [-1, 1])
@pytest.mark.parametrize("count", [0, 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE])
def test_a_wrong_total_hides_no_row(count: int, wrong: int) -> None:
    cloud = Cloud(*rows(count))

    def miscounted(number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        total, entries = cloud.page(number)
        return max(total + wrong, 0), entries

    first, second = collect(miscounted), collect(miscounted)
    assert len(first.rows()) == count
    assert first.whole or first.same_rows(second)


def test_all_pages_are_read():
    cloud = Cloud(*rows(2 * PAGE_SIZE + 1))
    collected = collect(cloud.page)
    assert cloud.reads == [1, 2, 3]
    assert len(collected.rows()) == 2 * PAGE_SIZE + 1
    assert not collected.whole, "three answers are of three moments"


def test_a_table_that_grows_is_read_to_its_new_end():
    cloud = Cloud(*rows(2 * PAGE_SIZE))
    cloud.meanwhile[2] = lambda: cloud.entries.extend(rows(1, first=2 * PAGE_SIZE))
    assert len(collect(cloud.page).rows()) == 2 * PAGE_SIZE + 1
    assert cloud.reads == [1, 2, 3]


def test_a_table_that_shrinks_does_not_keep_the_reader():
    cloud = Cloud(*rows(2 * PAGE_SIZE + 1))
    cloud.meanwhile[2] = lambda: cloud.entries.__delitem__(slice(PAGE_SIZE, None))
    collect(cloud.page)
    assert cloud.reads == [1, 2]


def test_a_total_that_promises_more_than_is_listed_ends_at_an_empty_page():
    reads = []

    def lying(number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        reads.append(number)
        return 999, rows(3) if number == 1 else ()

    collected = collect(lying)
    assert reads == [1, 2]
    assert not collected.whole
    assert len(collected.rows()) == 3


@pytest.mark.parametrize("count", [PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE])
@pytest.mark.parametrize("wrong", [0, 1])
def test_a_server_that_repeats_its_last_page_beyond_the_end(count: int, wrong: int) -> None:
    cloud, last = Cloud(*rows(count)), -(-count // PAGE_SIZE)

    def clamped(number: int) -> tuple[int, tuple[ForwardEntry, ...]]:
        total, entries = cloud.page(min(number, last))
        return total + wrong, entries

    first, second = collect(clamped), collect(clamped)
    assert len(first.rows()) == count
    assert first.whole or first.same_rows(second)


def test_a_table_without_end_is_given_up():
    with pytest.raises(EndlessTableError, match=str(MOST_PAGES)):
        collect(lambda number: (1, tuple(row(f"fwd-{number}-{n}") for n in range(PAGE_SIZE))))


def test_a_page_that_lists_a_row_twice_may_lack_another():
    assert not Collect((rows(1) + rows(1),), (2,)).whole


def test_one_page_with_fewer_rows_than_its_total_is_not_the_whole_table():
    assert Collect((rows(3),), (3,)).whole
    assert not Collect((rows(3),), (4,)).whole


def test_a_row_deleted_between_two_pages_hides_another():
    """Why a paged reading proves nothing to be absent, unless a second one is the same."""
    cloud = Cloud(*rows(2 * PAGE_SIZE))
    cloud.meanwhile[2] = lambda: cloud.entries.pop(0)
    first = collect(cloud.page)
    assert f"fwd-{PAGE_SIZE}" not in first.rows(), "it is there, and was not listed"
    second = collect(cloud.page)
    assert not first.same_rows(second)
    assert collect(cloud.page).same_rows(second)


def test_the_same_rows_in_other_places_are_not_the_same_reading():
    pages = Collect((rows(2),), (2,))
    assert pages.same_rows(Collect((rows(2),), (2,)))
    assert not pages.same_rows(Collect((tuple(reversed(rows(2))),), (2,)))
    assert not pages.same_rows(Collect((rows(2),), (3,)))


def test_a_row_listed_twice_is_one_row():
    twice = Collect((rows(2), rows(1)), (3, 3))
    assert list(twice.rows()) == ["fwd-0", "fwd-1"]


def test_the_page_on_which_rows_stand_together():
    pages = Collect((rows(2), rows(2, first=2)), (4, 4))
    assert pages.page_of(["fwd-3", "fwd-2"]) == 2
    assert pages.page_of(["fwd-0"]) == 1
    assert pages.page_of(["fwd-0", "fwd-3"]) is None
    assert pages.page_of([]) is None


def test_a_reading_becomes_a_pass():
    made = as_pass(3.0, Collect((rows(1),), (1,)), atomic=True)
    assert (made.started, made.atomic, list(made.rows)) == (3.0, True, ["fwd-0"])


class TestQuiet:
    """A reading of several pages in which nothing seems to have moved."""

    def read(self, *pages: list[ForwardEntry], totals: list[int] | None = None) -> Collect:
        total = sum(map(len, pages))
        return Collect(tuple(map(tuple, pages)), tuple(totals or [total] * len(pages)))

    def test_totals_that_agree_with_what_is_listed(self):
        assert self.read([row("fwd-1")], [row("fwd-2")], []).quiet

    def test_one_that_does_not(self):
        assert not self.read([row("fwd-1")], [row("fwd-2")], totals=[2, 1]).quiet
        assert not self.read([row("fwd-1")], [row("fwd-2")], totals=[3, 3]).quiet

    def test_a_row_that_moved_from_one_page_to_the_next(self):
        assert not self.read([row("fwd-1")], [row("fwd-1")]).quiet

    def test_a_row_that_is_on_its_way(self):
        for status in (PENDING, DELETING):
            assert not self.read([row("fwd-1", status=status)], [row("fwd-2")]).quiet
