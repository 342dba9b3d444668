"""When to look at a row again: as its like have settled."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dnatctl.table.settling import (
    EXPLORE_EVERY,
    FIRST_LOOK_S,
    LONGEST_LOOK_S,
    FluxWatch,
    Settling,
    next_look,
)
from dnatctl.table.view import Row
from tests.unit.table.made import DELETING, PENDING, row, uid

NOTHING = [0.0]


def look_until_settled(settling: Settling, settles: float) -> tuple[int, float]:
    """Looks at one more row; returns how many there were, and how late the last one was."""
    looks, low = 0, 0.0
    while True:
        age = next_look(settling.plan(NOTHING), low)
        looks += 1
        if age >= settles:
            settling.settled(low, age, NOTHING)
            return looks, age - settles
        low = age
        assert looks < 50, "no end of it"


class TestLooks:
    def test_the_first_ones_are_ever_further_apart_but_never_far(self):
        ages = [0.0]
        for _ in range(30):
            ages.append(next_look(NOTHING, ages[-1]))
        steps = [b - a for a, b in pairwise(ages)]
        assert steps[0] == FIRST_LOOK_S
        assert steps[-1] == LONGEST_LOOK_S
        assert steps == pytest.approx(sorted(steps))

    @pytest.mark.parametrize("settles", [0.04, 0.2, 1.0, 2.0, 10.0])
    def test_a_steady_time_is_known_after_a_few_rows(self, settles):
        settling = Settling()
        for _ in range(8):
            look_until_settled(settling, settles)
        looks, late = zip(*(look_until_settled(settling, settles) for _ in range(40)), strict=True)
        assert sum(looks) <= 46
        assert max(late) <= max(0.05 * settles, FIRST_LOOK_S)

    def test_rows_that_settle_faster_are_noticed(self):
        settling = Settling()
        for _ in range(10):
            look_until_settled(settling, 2.0)
        for _ in range(3 * EXPLORE_EVERY):
            look_until_settled(settling, 0.5)
        assert look_until_settled(settling, 0.5)[1] <= 0.2

    def test_rows_that_settle_later_are_looked_at_ever_less_often(self):
        settling = Settling()
        for _ in range(10):
            look_until_settled(settling, 0.2)
        looks, _ = look_until_settled(settling, 20.0)
        assert looks <= 16

    def test_what_nobody_looked_at_in_time_teaches_nothing(self):
        settling = Settling()
        settling.settled(0.0, 60.0, NOTHING)
        settling.settled(0.01, 2.0, [2.0])
        assert settling.plan([1.5]) == [1.5]
        for _ in range(8):
            look_until_settled(settling, 1.0)
        before = settling.plan(NOTHING)
        settling.settled(0.0, 5.0, NOTHING)
        assert settling.plan(NOTHING) == before

    def test_until_something_is_known_writes_tell_when_to_look(self):
        assert next_look(Settling().plan([0.4, 0.9]), 0.5) == 0.9


class TestWatch:
    def flux(self, *written: float, status=PENDING) -> list[Row]:
        return [
            Row(row(f"fwd-{n}", owner=uid(n), status=status), uid(n), written=at)
            for n, at in enumerate(written)
        ]

    def test_rows_stand_in_the_order_of_their_writes(self):
        found = FluxWatch().unsettled(self.flux(12.0, 11.0), NOTHING, 13.0)
        assert [each.written for each in found] == [11.0, 12.0]
        assert [each.due for each in found] == [11.0 + FIRST_LOOK_S, 12.0 + FIRST_LOOK_S]

    def test_a_look_that_finds_it_in_flux_is_followed_by_a_later_one(self):
        watch, flux = FluxWatch(), self.flux(10.0)
        watch.unsettled(flux, NOTHING, 10.0)
        watch.was_read(10.4, flux, NOTHING)
        assert watch.unsettled(flux, NOTHING, 10.5)[0].due > 10.5

    def test_a_page_tells_of_rows_that_come_and_not_of_those_that_go(self):
        for status, again in ((PENDING, True), (DELETING, False)):
            watch, flux = FluxWatch(), self.flux(10.0, status=status)
            (first,) = watch.unsettled(flux, NOTHING, 10.0)
            watch.was_read(10.4, flux, NOTHING, whole=False)
            assert (watch.unsettled(flux, NOTHING, 10.5)[0].due > first.due) == again

    def test_a_row_written_anew_is_a_new_one(self):
        watch, flux = FluxWatch(), self.flux(10.0)
        watch.unsettled(flux, NOTHING, 10.0)
        watch.was_read(12.0, flux, NOTHING)
        (found,) = watch.unsettled(self.flux(20.0), NOTHING, 20.0)
        assert found.due == 20.0 + FIRST_LOOK_S

    def test_one_found_in_flux_at_the_start_is_looked_at_ever_less_often(self):
        watch, flux = FluxWatch(), self.flux(float("-inf"))
        now, looks = 100.0, 0
        while now < 130.0:
            now = watch.unsettled(flux, NOTHING, now)[0].due
            watch.was_read(now, flux, NOTHING)
            looks += 1
        assert looks <= 20

    def test_what_is_learned_of_rows_that_come_is_not_believed_of_those_that_go(self):
        watch = FluxWatch()
        for at in range(0, 100, 10):
            flux, now, settled = self.flux(float(at)), float(at), False
            while not settled:
                now = watch.unsettled(flux, NOTHING, now)[0].due
                settled = now >= at + 2.0
                watch.was_read(now, [] if settled else flux, NOTHING)
        (coming,) = watch.unsettled(self.flux(200.0), NOTHING, 200.0)
        (going,) = watch.unsettled(self.flux(300.0, status=DELETING), NOTHING, 300.0)
        assert coming.surely == pytest.approx(202.0, abs=0.1)
        assert going.due == 300.0 + FIRST_LOOK_S
