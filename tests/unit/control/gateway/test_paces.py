"""Poller and writer of one table together, in simulated time: how long who waits is kept waiting,
and what that costs in calls."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.model import NewEntry
from dnatctl.objects import Key
from dnatctl.table.read_pace import FAST_S, FEWEST_READS
from dnatctl.table.writes import DeleteRow
from tests.unit.control.gateway.simulated import Simulated, SimulatedTable
from tests.unit.table.made import EIP, GATEWAY, row, uid

SMALL, LARGE, FLOOD = 12, 120, 400


def burst(settles: float, pods: int, **table: object) -> Simulated:
    it = Simulated(lambda: settles, **table)
    before = it.cloud.reads
    it.ask(pods)
    it.settle()
    it.cloud.reads -= before
    return it


def of_ten_nine(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.9)]


@pytest.mark.parametrize("pods", [SMALL, LARGE])
@pytest.mark.parametrize("settles", [1.0, 2.0, 4.0])
def test_rows_that_come_slowly_are_seen_before_the_next_one_is(settles, pods):
    it = burst(settles, pods)
    assert of_ten_nine(it.delays()) <= settles
    assert of_ten_nine(it.delays()[: pods * 9 // 10]) <= settles / 2, "most of them at once"
    assert it.cloud.reads <= 1.1 * pods


def test_those_of_half_a_second_within_half_a_second():
    it = burst(0.5, LARGE)
    assert of_ten_nine(it.delays()) <= 0.5


@pytest.mark.parametrize("settles", [0.05, 0.1, 0.2, 0.3])
def test_one_read_serves_several_that_come_fast(settles):
    it = burst(settles, LARGE)
    assert it.cloud.reads <= 0.25 * LARGE
    assert of_ten_nine(it.delays()) <= 4 * (settles + it.cloud.write_s) + 0.1, "of five rows"


@pytest.mark.parametrize("settles", [0.05, 0.1, 0.3, 1.0])
def test_the_one_row_of_another_namespace_is_seen_as_soon_as_it_is_usable(settles):
    """However many rows are written meanwhile for those who take all they can."""
    it = Simulated(lambda: settles)
    it.ask(FLOOD, "flood")
    waits = []
    for n in range(8):
        it.run(1.0)
        asked = it.clock.monotonic()
        it.ask(1, "other")
        it.run_until(lambda number=FLOOD + n + 1: it.seen(number))
        waits.append(it.clock.monotonic() - asked)
    assert it.writer.backlog() > 0, "all that time"
    turn = settles + it.cloud.write_s
    assert max(waits[2:]) <= 2 * turn + 0.05, "a turn of the flood, and its own"
    it.settle()
    assert it.cloud.reads <= FEWEST_READS * FLOOD + 2 * len(waits) or settles > FAST_S


def test_rows_that_settle_long_after_the_table_takes_the_next_write():
    it = burst(2.0, LARGE, strict=False)
    assert of_ten_nine(it.delays()) <= 2.0
    assert it.cloud.reads <= 0.3 * LARGE


@pytest.mark.parametrize("settles", [0.1, 0.5, 2.0])
def test_one_pod_at_a_time_waits_for_nothing_but_its_row(settles):
    """Once a few rows have settled: two round trips and 50 ms besides."""
    it = Simulated(lambda: settles)
    waits = []
    for n in range(20):
        asked = it.clock.monotonic()
        it.ask(1)
        it.settle()
        waits.append(it.clock.monotonic() - asked - settles)
        assert n < 1 or waits[-1] < settles + 0.5
        it.run(5.0)
    assert of_ten_nine(waits[5:]) <= 2 * it.cloud.write_s + 0.05


def test_a_random_busy_time_costs_three_calls_an_entry():
    draw = random.Random(1)
    it = Simulated(lambda: draw.uniform(0.5, 3.0))
    before = it.cloud.reads
    it.ask(LARGE)
    it.settle()
    assert (it.cloud.refused + it.cloud.reads - before) / LARGE <= 3.6
    assert of_ten_nine(it.delays()) <= 5.0


class UnderALimit(SimulatedTable):
    """A table whose writes wait for their turn, so many a second, once they are handed over."""

    rate = 5.0
    next_at = 0.0

    def create_entry(self, table: str, new: NewEntry, token: str, guard: Any = None) -> str:
        self.clock.advance(max(self.next_at - self.clock.monotonic(), 0.0))
        self.next_at = self.clock.monotonic() + 1 / self.rate
        if guard is not None:
            guard()  # asked when the call has its turn
        return super().create_entry(table, new, token, guard)


def test_waiting_for_a_turn_is_not_taken_for_the_time_that_the_table_is_busy():
    """Else each try is too early, is refused, and the next one waits for its turn again."""
    it = Simulated(lambda: 0.3, make=UnderALimit)
    it.ask(60)
    it.settle()
    assert it.cloud.refused <= 12
    assert max(it.cloud.available.values()) - it.begun <= 60 * 0.35 * 1.15


def old_rows(it: Simulated, count: int, namespace: str = "flood") -> list[str]:
    """Rows that have been there for long."""
    ids = [f"fwd-old-{n}" for n in range(count)]
    for n, entry_id in enumerate(ids, 10_000):
        it.stored(it.record(n, Key(namespace, f"pod-{n}"), n))
        ip = f"10.1.{n // 200}.{n % 200 + 1}"
        it.cloud.rows[entry_id] = row(entry_id, f"{EIP}:{n}", f"{ip}:80", owner=uid(n))
        it.cloud.available[entry_id] = 0.0
    it.poller.read_soon()
    it.run(1.0)
    return ids


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_new_row_is_seen_beside_hundreds_that_somebody_else_has_deleted(newest_first):
    """Which can be seen gone only where the whole table is read, page by page."""
    it = Simulated(lambda: 0.1, newest_first=newest_first)
    for n, entry_id in enumerate(old_rows(it, 1000), 10_000):
        it.writer.want(uid(n), "flood", (DeleteRow(GATEWAY, entry_id),))
    it.run(1.0)
    waits = []
    for n in range(8):
        asked = it.clock.monotonic()
        it.ask(1, "other")
        it.run_until(lambda number=n + 1: it.seen(number))
        waits.append(it.clock.monotonic() - asked)
        it.run(1.0)
    assert it.writer.backlog() > 0, "all that time"
    assert of_ten_nine(waits) <= 4 * (0.1 + it.cloud.write_s)


@pytest.mark.parametrize(("whose", "within"), [("other", 5.0), ("flood", 20.0)])
def test_rows_that_go_are_seen_gone_beside_hundreds_that_come(whose, within):
    """Which are looked at on their page all the time."""
    it = Simulated(lambda: 0.5)
    old = list(enumerate(old_rows(it, 500, whose), 10_000))
    it.ask(FLOOD, "flood")
    table, gone = it.views.table(GATEWAY), it.cloud.gone
    for n, entry_id in old[:4]:
        it.writer.want(uid(n), whose, (DeleteRow(GATEWAY, entry_id),))
        it.run_until(lambda deleted=entry_id: deleted in gone)
        it.run_until(lambda deleted=entry_id: table.row(deleted) is None)
        assert it.clock.monotonic() - gone[entry_id] <= within
    assert it.writer.backlog() > 0, "all that time"


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_new_row_is_seen_while_a_long_table_is_read_for_one_that_goes(newest_first, monkeypatch):
    """Now and then one of another namespace goes: the whole table is read for it, twice."""
    it = Simulated(lambda: 0.1, newest_first=newest_first)
    old, waits, told = old_rows(it, 1000), [], {}
    monkeypatch.setattr(it.heard, "changed", lambda key: told.setdefault(key, it.clock.monotonic()))
    for n in range(20):
        it.writer.want(uid(10_000 + n), "flood", (DeleteRow(GATEWAY, old[n]),))
        it.run(0.2 + 0.1 * (n % 7))
        asked = it.clock.monotonic()
        it.ask(1, "other")
        it.run_until(lambda number=n + 1: it.seen(number))
        waits.append(told[Key("other", f"pod-{n + 1}")] - asked)
    assert of_ten_nine(waits) <= 0.1 + 2 * it.cloud.write_s + 0.15
    it.run(30.0)
    assert not [i for i in old[:20] if it.views.table(GATEWAY).row(i)], "all are seen gone"


def test_a_new_row_is_seen_however_often_a_long_table_is_in_doubt():
    """As after each write of somebody whose writes are not answered."""
    it = Simulated(lambda: 0.1)
    old_rows(it, 500)
    waits, began, before = [], it.clock.monotonic(), it.cloud.reads

    def doubted_until(seen: Callable[[], object]) -> None:
        it.run_until(lambda: it.poller.read_soon() or seen(), every=0.05)

    for n in range(12):
        asked = it.clock.monotonic()
        it.ask(1, "other")
        doubted_until(lambda number=n + 1: it.seen(number))
        waits.append(it.clock.monotonic() - asked)
        doubted_until(lambda end=asked + 1.0: it.clock.monotonic() > end)
    assert statistics.median(waits) <= 0.1 + 2 * it.cloud.write_s + 0.1
    assert it.cloud.reads - before <= 10 * (it.clock.monotonic() - began)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_new_row_in_a_long_table_is_found_with_two_pages_at_most(newest_first):
    """Wherever the list has its new rows: the whole table need not be read to learn that."""
    it = Simulated(lambda: 1.0, newest_first=newest_first)
    old_rows(it, 500)
    before = it.cloud.reads
    it.ask(1)
    it.run(0.9)
    looked = it.cloud.reads
    it.settle()
    assert it.cloud.reads - looked <= 4, "looks that find it in flux or usable"
    assert it.cloud.reads - before <= 8


class OneStuck(SimulatedTable):
    """A table that takes no delete of one of its rows, as that does not settle."""

    stuck = ""

    def delete_entry(self, table: str, entry_id: str, token: str, guard: Any = None) -> None:
        if entry_id == self.stuck:
            self.refused += 1
            self.clock.advance(self.write_s)
            raise CloudError(Operation.DELETE, ErrorKind.BUSY)
        super().delete_entry(table, entry_id, token, guard)


def test_a_row_that_never_settles_holds_up_no_other_for_long():
    """Each third create waited for eight tries of its delete, ever longer: 46 s for 20 of them."""
    it = Simulated(lambda: 0.02, OneStuck, strict=False)
    (it.cloud.stuck,) = old_rows(it, 1)
    it.writer.want(uid(10_000), "flood", (DeleteRow(GATEWAY, it.cloud.stuck),))
    it.ask(20)
    it.settle()
    began = it.clock.monotonic()
    it.ask(20)
    it.run_until(lambda: it.cloud.made == 40, every=1.0)
    assert it.clock.monotonic() - began <= 20 * it.cloud.write_s + 2.0


BAD = "203.0.113.66"


class OneShut(SimulatedTable):
    """A table that makes no row on one external IP, and calls that busy."""

    def create_entry(self, table: str, new: NewEntry, token: str, guard: Any = None) -> str:
        if new.external_ip == BAD:
            self.refused += 1
            self.clock.advance(self.write_s)
            raise CloudError(Operation.CREATE, ErrorKind.BUSY, code="EipInBinding")
        return super().create_entry(table, new, token, guard)


@pytest.mark.parametrize("whose", ["games", "other"])
def test_an_external_ip_that_takes_no_row_holds_up_no_other_for_long(whose):
    """Each create on it had eight tries, ever further apart: 55 to 99 s for six on another IP."""
    it = Simulated(lambda: 0.3, OneShut)
    it.ask(2)
    it.settle()
    it.ask(10, on=BAD)
    it.run(0.5)
    began = it.clock.monotonic()
    it.ask(20, whose)
    it.run_until(lambda: it.cloud.made == 22, every=1.0)
    alone = 20 * (0.3 + it.cloud.write_s)
    assert it.clock.monotonic() - began <= alone + 3.0
    it.ask(20, whose)
    began = it.clock.monotonic()
    it.run_until(lambda: it.cloud.made == 42, every=1.0)
    assert it.clock.monotonic() - began <= alone * 1.2, "the table is as fast as ever"
    before = it.cloud.refused
    it.run(50.0)
    assert it.cloud.refused - before <= 12, "tried for all that are on it, now and then"
