"""When a table is read: when somebody waits for what it would show, and seldom otherwise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.control.gateway.first_reads import FirstReads
from dnatctl.table.read_pace import (
    FEWEST_READS,
    KICK_SPACING_S,
    LOOK_SPACING_S,
    MOST_LEISURE,
    MOST_READS,
    PATIENCE_S,
    PROBES,
    Facts,
    earned,
    leisure,
    next_read,
    page_look,
    read_cost,
    whole_look,
)
from dnatctl.table.settling import Unsettled

NEVER = float("-inf")
GAMES = ("games",)
AT_REST = Facts(
    now=100.0,
    rows=10,
    unsettled=(),
    cost=1,
    whole=1,
    more=(),
    strict=True,
    last_read=90.0,
    last_pass=80.0,
    asked=False,
    leisure=30.0,
    credit=1.0,
)


def rows(*written: float, settles: float = 0.6, namespace: str = "games") -> tuple[Unsettled, ...]:
    """Rows that were written then and are expected to settle after so long."""
    return tuple(Unsettled(at, at + settles, at + settles, namespace) for at in written)


class TestManyLongTables:
    """Fifty tables of 400 rows, of each of which nine pages are read every 240 s."""

    LONG = replace(AT_REST, rows=400, whole=16, leisure=240.0)
    TABLES, PAGES, READ_IN = 50, 9, 20.0
    """`READ_IN`: in so many seconds all have been read for the first time, one after the other."""

    def passes(self, seconds: float) -> list[list[float]]:
        """When each of them is read whole at rest, from its first reading on."""
        turns = FirstReads()
        found = []
        for n in range(self.TABLES):
            turn, at = turns.turn(f"ngw-{n}"), self.READ_IN * n / self.TABLES
            times = [at]
            while at < seconds:
                facts = replace(self.LONG, last_pass=at, turn=turn, settled=self.READ_IN)
                at = max(next_read(facts), at)
                times.append(at)
            found.append(times)
        return found

    def test_they_are_not_read_in_the_same_minute_for_ever(self):
        times = [at for each in self.passes(2000.0) for at in each[1:]]
        busiest = max(sum(at <= one < at + 60.0 for one in times) for at in times if at < 1900.0)
        even = self.TABLES * 60.0 / self.LONG.leisure
        assert busiest <= even * 1.25

    def test_what_others_do_is_found_as_soon_as_before_for_hardly_more_calls(self):
        seconds = 2400.0
        for each in self.passes(seconds):
            pauses = [later - at for at, later in pairwise(each)]
            assert pauses[0] <= MOST_LEISURE * self.LONG.leisure
            assert max(pauses[1:]) <= self.LONG.leisure
            assert len(pauses) <= 2 + seconds / self.LONG.leisure * 1.05

    def test_a_start_that_takes_long_costs_no_reading_more(self, monkeypatch):
        """Twenty tables under five calls a second, say."""
        monkeypatch.setattr(self, "READ_IN", 43.0)
        within = self.READ_IN + self.LONG.leisure
        times = [at for each in self.passes(within) for at in each[1:]]
        assert sum(at <= within for at in times) <= self.TABLES * 1.05

    def test_nor_are_they_read_again_while_others_wait_for_their_first_reading(self):
        first = min(each[1] for each in self.passes(400.0))
        assert first > self.READ_IN

    def test_who_waits_for_a_row_does_not_wait_for_the_turn(self):
        facts = replace(self.LONG, last_pass=99.0, turn=0.9, unsettled=rows(99.5))
        assert next_read(facts) == pytest.approx(100.1)


def at_any_time() -> st.SearchStrategy[Facts]:
    moments = st.sampled_from([NEVER, 0.0, 80.0, 99.5, 100.0])
    return st.builds(
        Facts,
        now=st.just(100.0),
        rows=st.sampled_from([0, 10, 400]),
        unsettled=st.lists(moments.filter(lambda at: at > 0), max_size=3).map(
            lambda times: rows(*sorted(times))
        ),
        cost=st.sampled_from([1, 16]),
        whole=st.sampled_from([1, 16]),
        more=st.sampled_from([(), GAMES, ("others",)]),
        strict=st.booleans(),
        last_read=moments,
        last_pass=moments,
        asked=st.booleans(),
        leisure=st.just(30.0),
        credit=st.floats(-1.0, 20.0),
        saved=st.floats(0.0, 20.0),
        doubts=st.sampled_from([None, 99.0, 101.0]),
        turn=st.sampled_from([None, 0.0, 0.9]),
        settled=st.just(50.0),
    )


@given(at_any_time())
def test_whatever_is_waited_for_the_next_reading_has_its_time(facts):
    """Also where a write waits and nothing of ours is in flux: somebody else's row may be."""
    assert next_read(facts) <= max(facts.now, facts.last_pass) + MOST_LEISURE * facts.leisure
    looks = (whole_look(facts), page_look(facts))
    assert (min(looks) < inf) is bool(facts.unsettled)


class TestAtRest:
    def test_a_table_at_rest_is_looked_over_at_leisure(self):
        assert next_read(AT_REST) == 110.0, "30 s after the last whole reading, not the last page"

    def test_writes_to_come_are_no_reason_to_read(self):
        assert next_read(replace(AT_REST, more=GAMES)) == 110.0

    def test_a_table_never_read_is_read_now(self):
        assert next_read(replace(AT_REST, last_pass=NEVER, last_read=NEVER)) == NEVER

    def test_asked_means_at_once_but_not_in_a_rush(self):
        asked = replace(AT_REST, asked=True)
        assert next_read(asked) < asked.now
        again = replace(asked, last_read=99.9, last_pass=99.9)
        assert next_read(again) == pytest.approx(99.9 + KICK_SPACING_S)

    def test_a_long_table_is_not_read_all_the_time_however_often_that_is_asked(self):
        asked = replace(AT_REST, asked=True, whole=40, last_pass=99.0)
        assert next_read(asked) == pytest.approx(99.0 + 40 * KICK_SPACING_S)
        assert next_read(replace(asked, unsettled=rows(99.5))) == pytest.approx(100.1)


class TestLeisure:
    def test_a_page_is_read_every_so_often(self):
        assert leisure(50, 30.0, 240.0, writing=False) == 30.0
        assert leisure(51, 30.0, 240.0, writing=False) == 60.0
        assert leisure(51, 30.0, 240.0, writing=True) == 120.0

    def test_and_a_table_however_long_before_everything_is_looked_at_again(self):
        assert leisure(5000, 30.0, 240.0, writing=True) == 240.0
        assert leisure(5000, 30.0, 20.0, writing=False) == 30.0

    @pytest.mark.parametrize(("tables", "rows"), [(20, 500), (20, 50), (50, 50), (10, 1000)])
    def test_what_tables_at_rest_cost(self, tables, rows):
        """Less than the third part of the calls that are allowed, usually 300 a minute."""
        pages = tables * -(-rows // 50)
        assert pages * 60.0 / leisure(rows, 30.0, 240.0, writing=False) <= 100


class TestAfterTheLastWrite:
    def test_read_just_when_it_has_settled_as_it_usually_does(self):
        assert next_read(replace(AT_REST, unsettled=rows(99.5))) == pytest.approx(100.1)

    def test_the_last_one_is_read_in_time_whether_or_not_that_is_earned(self):
        facts = replace(AT_REST, unsettled=rows(99.5, 99.8), credit=0.0)
        assert next_read(facts) == pytest.approx(99.8 + 0.6)

    def test_never_later_than_at_rest(self):
        facts = replace(AT_REST, unsettled=rows(99.5, settles=60.0))
        assert next_read(facts) == 110.0

    def test_looks_are_some_way_apart(self):
        facts = replace(AT_REST, unsettled=rows(NEVER), last_read=99.95)
        assert next_read(facts) == pytest.approx(99.95 + LOOK_SPACING_S)


class TestWhileWriting:
    def facts(self, *written: float, **known: object) -> Facts:
        return replace(AT_REST, unsettled=rows(*written), more=GAMES, **known)

    def test_a_row_has_settled_once_a_strict_table_takes_the_next_write(self):
        assert next_read(self.facts(98.0, 98.2)) == pytest.approx(98.2)

    def test_that_says_nothing_where_the_table_takes_writes_at_any_time(self):
        assert next_read(self.facts(99.0, 99.1, strict=False)) == pytest.approx(99.6)

    def test_nor_once_the_table_has_been_read_since(self):
        assert next_read(self.facts(99.0, 99.1, last_read=99.2)) == pytest.approx(99.6)

    def test_the_last_one_is_read_when_it_has_settled_for_sure(self):
        early = Unsettled(99.0, 99.3, 99.9)
        facts = replace(AT_REST, unsettled=(early,), more=GAMES)
        assert next_read(facts) == pytest.approx(99.9), "the next write tells before that, or then"

    def test_while_nothing_is_known_the_next_write_is_waited_for(self):
        unknown = Unsettled(99.0, 99.1, inf)
        facts = replace(AT_REST, unsettled=(unknown,), more=GAMES)
        assert next_read(facts) == pytest.approx(99.0 + PATIENCE_S)
        assert next_read(replace(facts, strict=False)) == pytest.approx(99.1)

    def test_a_read_that_is_not_earned_waits_but_not_for_ever(self):
        assert next_read(self.facts(99.0, 99.1, credit=0.9)) == pytest.approx(99.0 + PATIENCE_S)

    def test_a_dear_read_has_to_be_earned_whole(self):
        assert next_read(self.facts(99.0, 99.1, cost=2, credit=1.9)) > 105.0
        assert next_read(self.facts(99.0, 99.1, cost=2, credit=2.0)) < 100.0


class TestBesideSomebodyElse:
    """Another namespace has writes without end, and none of the reads is earned."""

    def facts(self, *unsettled: Unsettled, **known: object) -> Facts:
        return replace(AT_REST, unsettled=unsettled, more=("flood",), credit=0.0, **known)

    def test_who_has_nothing_more_to_come_does_not_wait_for_the_writes_of_others(self):
        (mine,), (theirs,) = rows(99.0), rows(99.5, namespace="flood")
        assert next_read(self.facts(mine, theirs)) == 99.5, "which the table took, so mine is done"
        assert next_read(self.facts(mine)) == pytest.approx(99.6)
        assert next_read(self.facts(theirs)) == pytest.approx(99.5 + PATIENCE_S)

    def test_of_several_rows_the_last_is_waited_for(self):
        first, last = rows(99.0, 99.5)
        (theirs,) = rows(99.8, namespace="flood")
        assert next_read(self.facts(first, last, theirs)) == 99.8

    def test_who_waits_for_a_row_that_comes_does_not_wait_for_those_that_go(self):
        """Which takes the whole table to be read, twice."""
        (mine,), (theirs,) = rows(99.0), rows(98.0, namespace="flood")
        going = replace(theirs, going=True)
        facts = self.facts(going, mine, whole=40)
        assert next_read(facts) == pytest.approx(99.6)
        assert whole_look(facts) > 110.0

    def test_who_waits_for_one_that_goes_does_not_have_the_table_read_all_the_time(self):
        (mine,) = rows(99.0)
        facts = self.facts(replace(mine, going=True), whole=40, last_read=98.9, last_pass=98.9)
        assert next_read(facts) == whole_look(facts) == pytest.approx(98.9 + 40 * LOOK_SPACING_S)

    def test_nor_does_it_wait_for_ever_as_others_are_looked_at(self):
        """Each look at those that come is one at a page only, and uses up what is earned."""
        (gone,) = rows(60.0)
        gone = replace(gone, going=True)
        facts = self.facts(gone, rows=500, whole=20, leisure=240.0, last_read=99.9)
        assert whole_look(facts) < facts.now
        facts = replace(facts, more=GAMES)
        assert facts.now < whole_look(facts) == 80.0 + 20 * PATIENCE_S
        assert whole_look(replace(facts, saved=19.9)) > facts.now
        assert whole_look(replace(facts, saved=20.0)) < facts.now

    def test_a_long_table_is_read_no_more_often_than_its_pages_allow(self):
        facts = self.facts(*rows(99.0), cost=20, whole=20, last_read=98.9)
        assert next_read(facts) == pytest.approx(98.9 + 20 * LOOK_SPACING_S)


class TestWhatAWriteEarns:
    def test_rows_that_come_slowly_are_worth_a_read_each(self):
        assert earned(0.5, 0.1) == earned(2.0, 0.1) == MOST_READS

    def test_one_read_serves_several_that_come_fast(self):
        assert earned(0.0, 0.0) == earned(0.3, 0.1) == FEWEST_READS

    def test_where_writes_are_refused_less_is_left_for_reading(self):
        assert earned(2.0, 2.0) == pytest.approx(PROBES - 2.0)
        assert earned(2.0, 9.0) == FEWEST_READS


@pytest.mark.parametrize(
    ("rows", "whole", "pages"),
    [
        (0, False, 1),
        (50, True, 1),
        (51, False, 1),
        (51, True, 4),
        (1000, True, 40),
        (1000, False, 1),
    ],
)
def test_what_a_read_costs(rows, whole, pages):
    assert read_cost(rows, whole=whole) == pages
