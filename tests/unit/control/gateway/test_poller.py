"""The poller's steps: when it reads, whom it tells, and what it makes of failures."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from dnatctl.cloud.api import Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.first_reads import AT_ONCE, LONGEST_S, FirstReads
from dnatctl.control.gateway.poller import ERROR_PAUSE_S, LOOK_S, REST_S, TURN_S, TablePoller
from dnatctl.objects import Adopted
from dnatctl.table.read_pace import KICK_SPACING_S
from tests.unit.control.gateway.made import LOBBY, AtWork
from tests.unit.table.made import EIP, GATEWAY, row


@pytest.fixture
def it() -> AtWork:
    return AtWork()


def failing(it: AtWork, error: Exception) -> None:
    def read_page(table: str, number: int) -> Any:
        raise error

    it.cloud.read_page = read_page


def read(it: AtWork) -> None:
    """The table is read once more."""
    before = it.views.table(GATEWAY).generation
    it.poller.read_soon()
    while it.views.table(GATEWAY).generation == before:
        it.clock.advance(max(it.poller.step() or 0.0, 0.1))


def test_it_reads_when_it_is_asked_to_and_then_waits(it):
    read(it)
    waits = it.poller.step()
    assert LOOK_S < waits <= REST_S


def test_a_fault_of_its_own_is_told_like_one_of_the_clouds(it, capsys):
    failing(it, IndexError("tuple index out of range"))
    it.poller.read_soon()
    it.poller.step()
    assert "IndexError" in it.poller.unreadable
    assert it.poller.failing == 1


def test_an_adopted_row_is_struck_when_two_readings_miss_it(it):
    """One may miss what is there, and what was adopted is not forgotten for that."""
    table = it.views.table(GATEWAY)
    table.vanished()
    it.views.adopt({"fwd-9": Adopted("uid-9", "", GATEWAY), "fwd-8": Adopted("uid-8", "", "ngw-2")})
    read(it)
    assert set(it.views.adopted) == {"fwd-8", "fwd-9"}
    assert it.gateways.busy() != ""
    it.clock.advance(KICK_SPACING_S)
    it.poller.step()
    assert table.generation == 2, "the second one follows at once"
    assert set(it.views.adopted) == {"fwd-8"}
    assert it.gateways.remains.take().unlisted == {GATEWAY: {"fwd-9"}}


def test_whom_a_new_row_concerns_is_told(it):
    record = it.stored(it.record())
    it.cloud.rows = {"fwd-1": row("fwd-1", owner=record.uid)}
    read(it)
    assert LOBBY in it.heard.changes


def test_whom_a_row_that_is_gone_makes_room_for_is_told(it):
    it.cloud.rows = {"fwd-1": row("fwd-1")}
    read(it)
    it.cloud.rows = {}
    for _ in range(3):
        read(it)
    assert it.heard.rooms == 1


def test_long_tables_that_were_read_together_are_not_read_together_again():
    rows = [row(f"fwd-{n}", f"{EIP}:{600 + n}", f"10.0.1.{n}:80") for n in range(60)]
    again = []
    for others in range(3):
        it, turns = AtWork(), FirstReads()
        for n in range(others):
            turns.turn(f"ngw-other-{n}")
        it.cloud.rows = {entry.entry_id: entry for entry in rows}
        it.views.tables.clear()
        it.gateways._first_reads = turns
        poller = it.gateways._make_threads(GATEWAY).poller
        poller.step()
        first = poller.last_pass
        while poller.last_pass == first:
            it.clock.advance(max(poller.step() or 0.0, 0.1))
        again.append(poller.last_pass - first)
    assert max(again) <= 2 * 60.0 + REST_S
    assert min(abs(one - other) for one, other in combinations(again, 2)) > REST_S


class TestFailures:
    def test_a_bug_costs_one_reading_and_not_the_thread(self, it):
        failing(it, LookupError("a bug"))
        assert it.poller.step() == ERROR_PAUSE_S[0]

    def test_it_reads_again_after_pauses_that_grow(self, it):
        failing(it, CloudError(Operation.CREATE, ErrorKind.THROTTLED))
        pauses = []
        for _ in range(8):
            pauses.append(it.poller.step() or 0.0)
            it.clock.advance(pauses[-1])
        first, longest = ERROR_PAUSE_S
        assert (pauses[0], pauses[-1]) == (first, longest)
        assert it.poller.failing == 8
        del it.cloud.read_page
        read(it)
        it.poller.step()
        assert it.poller.failing == 0

    def test_those_who_ask_meanwhile_do_not_shorten_them(self, it):
        """A cloud that cannot be reached loses an answer for each of a thousand pods."""
        failing(it, CloudError(Operation.READ_TABLE, ErrorKind.RETRY))
        it.poller.step()
        for _ in range(100):
            it.poller.read_soon()
            assert 0 < it.poller.step() <= ERROR_PAUSE_S[0]
        assert it.poller.failing == 1

    def test_but_a_write_that_is_answered_does(self, it):
        failing(it, CloudError(Operation.READ_TABLE, ErrorKind.RETRY))
        it.poller.step()
        del it.cloud.read_page
        it.poller.nudge()
        it.poller.step()
        assert it.poller.failing == 0

    def test_a_table_that_is_not_there_is_missing(self, it):
        failing(it, CloudError(Operation.CREATE, ErrorKind.GATEWAY))
        it.poller.step()
        assert it.poller.missing

    def test_it_ends_with_the_process(self, it):
        failing(it, Stopped())
        assert it.poller.step() is None


class TestTheFirstReading:
    """A gateway serves as soon as its own table is read."""

    def unread(self, it: AtWork, turns: FirstReads) -> TablePoller:
        it.views.tables.clear()
        it.gateways._first_reads = turns
        return it.gateways._make_threads(GATEWAY).poller

    def test_a_table_waits_while_another_is_read_for_the_first_time(self, it):
        turns = FirstReads()
        poller = self.unread(it, turns)
        assert turns.begin("ngw-2", it.clock.monotonic())
        assert poller.step() == TURN_S
        assert not it.views.table(GATEWAY).read_once
        turns.end("ngw-2", it.clock.monotonic(), read=False)
        poller.step()
        assert it.views.table(GATEWAY).read_once

    def test_once_one_is_read_a_few_are_read_at_a_time(self, it):
        turns = FirstReads()
        self.unread(it, turns).step()
        others = [turns.begin(f"ngw-{n}", 0.0) for n in range(2, 3 + AT_ONCE)]
        assert others == [True] * AT_ONCE + [False]

    def test_a_reading_that_fails_holds_up_no_other(self, it):
        turns = FirstReads()
        poller = self.unread(it, turns)
        failing(it, CloudError(Operation.CREATE, ErrorKind.UNKNOWN))
        poller.step()
        assert turns.begin("ngw-2", 0.0)
        assert not turns.begin("ngw-3", 0.0), "the first one has the limit for calls for itself"

    def test_nor_does_one_that_is_not_answered(self, it):
        turns = FirstReads()
        assert turns.begin("ngw-2", it.clock.monotonic())
        it.clock.advance(LONGEST_S)
        self.unread(it, turns).step()
        assert it.views.table(GATEWAY).read_once

    def test_one_that_left_and_came_back_is_read_beside_its_old_reading(self, it):
        """The first reading of a long table goes on after its gateway has left the file."""
        turns = FirstReads()
        old = self.unread(it, turns)
        new = it.gateways._make_threads(GATEWAY).poller
        read_page = it.cloud.read_page

        def meanwhile(*page: object) -> object:
            it.cloud.read_page = read_page
            it.clock.advance(LONGEST_S)
            new.step()
            return read_page(*page)

        it.cloud.read_page = meanwhile
        assert old.step() is not None
        assert turns.begin("ngw-2", it.clock.monotonic()), "both turns are over"

    def test_no_table_has_its_turn_again_until_all_are_read(self):
        turns = FirstReads()
        turns.begin("ngw-1", 100.0)
        assert turns.settled(103.0) == 103.0
        turns.end("ngw-1", 104.0, read=True)
        turns.begin("ngw-2", 104.0)
        turns.end("ngw-2", 120.0, read=False)
        assert turns.settled(130.0) == 104.0

    def test_what_it_proves_of_claims_that_were_there_before_it_counts(self, it):
        poller = self.unread(it, FirstReads())
        offered_before = it.record(port=900)
        it.views.record_changed(None, offered_before)
        it.cloud.rows["fwd-1"] = row("fwd-1", "1.1.1.1:900", owner=offered_before.uid)
        (endpoint,) = offered_before.spec.endpoints()
        assert not it.views.pool.contains(GATEWAY, endpoint)
        poller.step()
        assert it.views.pool.contains(GATEWAY, endpoint)
