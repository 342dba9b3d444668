"""Readings that are older than the one before them, and rows that readings show late."""

from __future__ import annotations

from dataclasses import replace

from dnatctl.model import NewEntry, PortRange
from dnatctl.table.departed import GONE_S, RECALLS, REMEMBERED_S
from dnatctl.table.past import FORGOTTEN_S, LONGEST_S, MARGIN, READ_LAG_S, Lag
from dnatctl.table.view import ASK_S, Table
from tests.support.steps import steps
from tests.unit.table.made import (
    AVAILABLE,
    DELETING,
    EIP,
    PENDING,
    POD_IP,
    TCP,
    reading,
    row,
    states,
    uid,
    view,
)

MINE = row("fwd-1", owner=uid(1))
NEW = replace(MINE, status=PENDING)
WANTED = NewEntry(EIP, PortRange(600, 600), POD_IP, PortRange(80, 80), TCP, MINE.name)


def made(now: float = 1.0) -> Table:
    """A row was made, and is listed."""
    table = view()
    table.created(NEW, now)
    table.merge(reading(now + 1.0, MINE), now + 1.0)
    return table


def lost(rows: int) -> Table:
    """One reading has shown so many rows, and another none of them."""
    table = view(
        *(row(f"fwd-{n}", f"{EIP}:{600 + n}", f"10.0.{n // 200}.{n % 200}:80") for n in range(rows))
    )
    read(table, 1.0)
    return table


def read(table: Table, started: float, *rows) -> int:
    """Take in a reading; how much it changed."""
    return len(table.merge(reading(started, *rows), started))


class TestAnOlderReading:
    def test_does_not_take_a_row_away(self):
        table = made()
        assert read(table, 3.0) == 0
        assert table.doubts_due() is not None, "another reading is to tell"
        assert read(table, 3.2, MINE) == 0
        assert table.doubts_due() is None
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_does_not_make_an_available_row_pending_again(self):
        table = made()
        assert read(table, 3.0, NEW) == 0
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_does_not_lead_a_row_back(self):
        table = made()
        moved = row("fwd-1", internal="10.0.0.7:80", owner=uid(1))
        table.modified(replace(moved, status=PENDING), 3.0)
        read(table, 4.0, moved)
        assert read(table, 5.0, MINE) == 0
        assert table.row("fwd-1").entry == moved

    def test_does_not_show_what_was_never_so(self):
        """What somebody changed by hand is news, and believed at once."""
        table = made()
        assert read(table, 3.0, row("fwd-1", internal="10.0.0.9:80", owner=uid(1))) == 1

    def test_does_not_let_a_row_go_that_is_still_being_deleted(self):
        table = made()
        table.deleting("fwd-1", 3.0)
        assert read(table, 4.0) == 0
        assert read(table, 4.2, replace(MINE, status=DELETING)) == 0
        assert states(table) == {"fwd-1": DELETING}

    def test_a_row_that_has_long_been_there_is_gone_when_it_is_missing_after_its_delete(self):
        table = made()
        late = 3.0 + READ_LAG_S
        table.deleting("fwd-1", late)
        assert read(table, late + 1.0) == 1

    def test_is_right_if_the_next_says_the_same(self):
        for shown in ((), (NEW,)):
            table = made()
            read(table, 3.0, *shown)
            assert read(table, 3.2, *shown) == 1

    def test_is_not_its_own_witness(self):
        table = made()
        read(table, 3.0)
        assert read(table, 3.0) == 0


class TestMostIsMissing:
    """A moment in which a backend lists nothing, or one page again and again."""

    ROWS = tuple(row(f"fwd-{n}", f"{EIP}:{600 + n}", owner=uid(1)) for n in range(6))

    def table(self) -> Table:
        return view(*self.ROWS)

    def test_nothing_is_taken_away_by_what_lasts_but_a_moment(self):
        table = self.table()
        for tenths in range(5, 150):
            assert read(table, tenths / 10, *self.ROWS[:2]) == 0
        read(table, 15.0, *self.ROWS)
        assert len(states(table)) == 6

    def test_it_is_believed_if_it_lasts_and_a_reading_is_due_then(self):
        table = self.table()
        assert read(table, 5.0) == 0
        assert table.doubts_due() == 5.0 + READ_LAG_S
        assert read(table, 5.1 + READ_LAG_S) == 6

    def test_half_of_them_or_a_single_one_may_go_at_once(self):
        table = self.table()
        assert read(table, 5.0, *self.ROWS[:3]) + read(table, 5.2, *self.ROWS[:3]) == 3
        alone = view(MINE)
        assert read(alone, 5.0) + read(alone, 5.2) == 1

    def test_what_we_take_away_ourselves_is_no_surprise(self):
        table = self.table()
        for each in self.ROWS[:5]:
            table.deleting(each.entry_id, 4.0)
        assert read(table, 5.0, self.ROWS[5]) + read(table, 5.2, self.ROWS[5]) == 5


class TestUnmarked:
    """A row of our own is listed without its name, and so as nobody's."""

    BARE = replace(MINE, name="")

    def test_it_is_ours_where_one_answer_lacks_that(self):
        table = view(MINE)
        assert read(table, 3.0, self.BARE) == 0
        assert table.doubts_due() is not None
        assert read(table, 3.0 + READ_LAG_S / 2, self.BARE) == 0, "or some, for a moment"
        assert read(table, 4.0 + READ_LAG_S / 2, MINE) == 0
        assert read(table, 4.0 + READ_LAG_S, self.BARE) == 0, "what was doubted then is over"
        assert [r.entry for r in table.owned_by(uid(1))] == [MINE]

    def test_readings_are_as_fresh_as_they_were(self):
        """An answer that lacks something is not an old one."""
        table = view(MINE)
        read(table, 3.0, self.BARE)
        read(table, 4.0, MINE)
        assert table.lag == Lag()

    def test_while_it_is_made(self):
        table = view()
        table.created(NEW, 1.0)
        assert read(table, 2.0, replace(NEW, name="")) == 0
        assert table.owned_by(uid(1))

    def test_also_before_its_create_is_answered(self):
        table = view()
        read(table, 1.0, replace(NEW, name=""))
        table.created(NEW, 2.0)
        assert [r.entry for r in table.owned_by(uid(1))] == [NEW]

    def test_while_it_goes(self):
        """Its PodDNAT's finalizer goes only after it is seen absent."""
        table = view(MINE)
        table.deleting("fwd-1", 30.0)
        assert read(table, 31.0, replace(MINE, name="", status=DELETING)) == 0
        assert table.owned_by(uid(1))

    def test_it_is_let_go_of_where_somebody_has_taken_it_off(self):
        table = view(MINE)
        read(table, 3.0, self.BARE)
        due = table.doubts_due()
        assert due == 3.0 + READ_LAG_S, "a reading is due then"
        assert read(table, due + 0.1, self.BARE) == 1
        assert table.owned_by(uid(1)) == []

    def test_another_name_is_somebodys_doing(self):
        table = view(MINE)
        assert read(table, 3.0, replace(MINE, name="mine now")) == 1
        assert table.owned_by(uid(1)) == []


class TestWhereReadingsDisagreed:
    """Then two that agree may both be old: they count when they cannot be that old."""

    def table(self) -> Table:
        table = made()
        read(table, 3.0)
        read(table, 3.2, MINE)
        return table

    def test_agreement_is_not_enough_for_a_young_row(self):
        table = self.table()
        assert sum(read(table, 4.0 + n) for n in range(5)) == 0
        assert table.doubts_due() == 1.0 + READ_LAG_S

    def test_but_when_no_reading_can_be_so_old(self):
        table = self.table()
        read(table, 4.0)
        assert read(table, 1.1 + READ_LAG_S) == 1

    def test_the_same_after_its_delete(self):
        table = self.table()
        table.deleting("fwd-1", 4.0)
        assert read(table, 5.0) + read(table, 5.2) == 0
        assert read(table, 1.1 + READ_LAG_S) == 1


class TestLag:
    def test_is_learned_from_the_worst(self):
        lag = Lag()
        lag.was_behind(15.0, 0.0)
        lag.was_late(30.0, 0.0)
        assert (lag.behind_s(), lag.unlisted_s()) == (30.0, 60.0)

    def test_is_forgotten(self):
        lag = Lag()
        lag.was_behind(100.0, 0.0)
        lag.was_behind(1.0, FORGOTTEN_S + 1.0)
        assert lag.behind_s() == READ_LAG_S

    def test_what_is_too_long_is_a_mistake_and_no_lag(self):
        lag = Lag()
        lag.was_behind(1e9, 0.0)
        assert lag.behind_s() == 2 * LONGEST_S


class TestListedLate:
    def test_a_row_is_asked_for_by_its_id_and_usable_before_it_is_listed(self):
        table = view()
        table.created(NEW, 1.0)
        assert table.unlisted(reading(1.0 + ASK_S)) == []
        asked = 1.1 + ASK_S
        assert table.unlisted(reading(asked)) == ["fwd-1"]
        assert table.answered("fwd-1", None, asked) == [], "that may be late as well"
        assert len(table.answered("fwd-1", MINE, asked + 0.1)) == 1
        assert states(table) == {"fwd-1": AVAILABLE}
        assert read(table, asked + 1.0) + read(table, asked + 2.0) == 0, "still not listed"

    def test_all_get_their_turn(self):
        table = view()
        rows = [row(f"fwd-{n}", f"{EIP}:{600 + n}", f"10.0.0.{n}:80", uid(n)) for n in range(3)]
        for entry in rows:
            table.created(replace(entry, status=PENDING), 1.0)
        first = table.unlisted(reading(10.0))[0]
        table.answered(first, None, 10.0)
        assert table.unlisted(reading(11.0))[-1] == first

    def test_how_late_is_learned(self):
        table = view()
        table.created(NEW, 1.0)
        read(table, 16.0)
        read(table, 17.0, MINE)
        assert table.lag.unlisted_s() == 30.0

    def test_a_row_given_up_is_there_if_its_address_is_taken(self):
        table = view()
        table.created(NEW, 1.0)
        late = 2.0 + READ_LAG_S
        assert len(table.answered("fwd-1", None, late)) == 1
        assert not table.recall(uid(2), WANTED, late)
        assert table.recall(uid(1), WANTED, late)
        assert states(table) == {"fwd-1": PENDING}
        assert table.answered("fwd-1", None, late + READ_LAG_S + 1.0) == [], "more patience"

    def test_but_not_if_another_row_has_it(self):
        table = view()
        table.created(NEW, 1.0)
        late = 2.0 + READ_LAG_S
        table.answered("fwd-1", None, late)
        read(table, late + 1.0, row("fwd-2"))
        assert not table.recall(uid(1), WANTED, late + 2.0)

    def test_nor_for_ever(self):
        table = view()
        table.created(NEW, 1.0)
        late = 2.0 + READ_LAG_S
        table.answered("fwd-1", None, late)
        read(table, late + REMEMBERED_S)
        assert table.recall(uid(1), WANTED, late + REMEMBERED_S)
        table.answered("fwd-1", None, later := late + REMEMBERED_S + 1000.0)
        read(table, later + REMEMBERED_S + 0.1)
        assert not table.recall(uid(1), WANTED, later + REMEMBERED_S + 0.1)

    def test_nor_without_end(self):
        table = view()
        table.created(NEW, 0.0)
        now, recalled = 0.0, 0
        for _ in range(RECALLS + 3):
            now += 1000.0
            table.answered("fwd-1", None, now)
            recalled += table.recall(uid(1), WANTED, now)
        assert recalled == RECALLS

    def test_thousands_that_are_gone_at_once_cost_no_more_than_one_by_one(self):
        """While they are taken in, everybody else waits."""
        few, many = lost(100), lost(400)
        later = 2.0 + READ_LAG_S
        assert steps(lambda: read(many, later)) < 5 * steps(lambda: read(few, later))
        assert states(many) == {}

    def test_what_the_cloud_said_is_gone_stays_gone(self):
        table = made()
        table.gone("fwd-1", 3.0)
        assert read(table, 4.0, MINE) + read(table, 3.0 + GONE_S, MINE) == 0
        assert states(table) == {}
        assert not table.recall(uid(1), WANTED, 4.0 + GONE_S)

    def test_unless_it_is_listed_when_no_listing_can_be_so_old(self):
        """It was a backend that was behind, or a slip: an entry must not lead on unseen."""
        table = made()
        table.gone("fwd-1", 3.0)
        assert read(table, 3.1 + GONE_S, MINE) == 1
        assert states(table) == {"fwd-1": AVAILABLE}

    def test_where_listings_were_found_to_be_further_behind_it_takes_longer(self):
        table = made()
        table.lag.was_behind(GONE_S, 3.0)
        table.gone("fwd-1", 3.0)
        assert read(table, 3.1 + GONE_S, MINE) == 0
        assert read(table, 3.1 + MARGIN * GONE_S, MINE) == 1
