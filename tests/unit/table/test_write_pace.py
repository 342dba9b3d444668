"""The pacer against tables that stay busy as real ones may: throughput and refusals, measured."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from dnatctl.table.write_pace import (
    EXPLORE_EVERY,
    FIRST_GAP_S,
    MAX_STEP_S,
    Pacer,
    TablePace,
)
from dnatctl.table.writes import DeleteRow

ROUND_TRIP = 0.03
BusyFor = Callable[[], float]


@dataclass
class Writer:
    """Sends writes to a table as its pacer says; the table refuses while it is busy.

    `bound`: the time these writes would have taken, had each been sent just when the table was
    free. Times are those of a clock of its own.
    """

    pacer: Pacer = field(default_factory=Pacer)
    now: float = 0.0
    answered: float = 0.0
    free: float = 0.0
    bound: float = 0.0
    refusals: list[int] = field(default_factory=list)

    def write(self, count: int, busy: BusyFor) -> Writer:
        for _ in range(count):
            self.refusals.append(0)
            while not self._try():
                self.refusals[-1] += 1
                assert self.refusals[-1] < 1000, "never gets through"
            settles = busy()
            self.free = self.now + settles
            self.bound += ROUND_TRIP + settles
        return self

    def _try(self) -> bool:
        self.now = max(self.now, self.answered + self.pacer.gap)
        gap, accepted = self.now - self.answered, self.now >= self.free
        self.now += ROUND_TRIP
        if accepted:
            self.pacer.accepted(gap)
            self.answered = self.now
        else:
            self.pacer.refused(gap)
        return accepted

    @property
    def efficiency(self) -> float:
        """What was reached of the bound; the last write's busy time is not waited for."""
        return (self.bound - (self.free - self.now)) / self.now

    @property
    def refusals_a_write(self) -> float:
        return sum(self.refusals) / len(self.refusals)


def steady(seconds: float) -> BusyFor:
    return lambda: seconds


def between(low: float, high: float, seed: int) -> BusyFor:
    source = random.Random(seed)
    return lambda: source.uniform(low, high)


class TestThroughput:
    @pytest.mark.parametrize("settles", [0.2, 1.0])
    def test_steady(self, settles):
        writer = Writer().write(300, steady(settles))
        assert writer.efficiency >= 0.95
        assert writer.refusals_a_write <= 0.10

    @pytest.mark.parametrize("seed", range(8))
    def test_random(self, seed):
        writer = Writer().write(300, between(0.5, 3.0, seed))
        assert writer.efficiency >= 0.85
        assert writer.refusals_a_write <= 4

    def test_relaxed(self):
        writer = Writer().write(300, steady(0.0))
        assert writer.pacer.gap == 0.0
        assert sum(writer.refusals) == 0
        assert writer.efficiency == pytest.approx(1.0)

    def test_steady_with_jitter_is_not_taken_for_random(self):
        writer = Writer().write(300, between(0.975, 1.025, seed=1))
        assert writer.efficiency >= 0.95
        assert writer.refusals_a_write <= 0.12

    @pytest.mark.parametrize("jitter", [0.002, 0.02, 0.2])
    def test_nearly_steady(self, jitter):
        writer = Writer().write(300, between(1.0, 1.0 + jitter, seed=1))
        assert writer.efficiency >= 0.92
        assert writer.refusals_a_write <= 2.5


class TestChange:
    @pytest.mark.parametrize(("before", "after"), [(0.0, 1.0), (0.2, 2.0), (1.0, 0.2), (3.0, 0.5)])
    def test_another_busy_time_is_learned_within_five_writes(self, before, after):
        writer = Writer().write(100, steady(before))
        writer.write(1, steady(after))
        writer.write(EXPLORE_EVERY if after < before else 5, steady(after))
        start, bound = writer.now, writer.bound
        writer.write(20, steady(after))
        assert (writer.bound - bound) / (writer.now - start) >= 0.9
        assert sum(writer.refusals[-20:]) <= 10

    def test_a_table_that_grows_strict_costs_few_refusals_to_learn(self):
        writer = Writer().write(100, steady(0.0)).write(6, steady(1.0))
        assert sum(writer.refusals[-6:]) <= 30
        assert writer.pacer.gap == pytest.approx(1.0, rel=0.25)

    def test_a_table_that_relaxes_is_noticed(self):
        writer = Writer().write(100, steady(1.0)).write(4 * EXPLORE_EVERY, steady(0.0))
        assert writer.pacer.gap == 0.0
        assert sum(writer.refusals[-4 * EXPLORE_EVERY :]) == 0

    @pytest.mark.parametrize("busy", [0.05, 0.5])
    @pytest.mark.parametrize("held_up", [4.0, 12.0])
    @pytest.mark.parametrize("before", [1, 100])
    def test_one_long_wait_is_not_taken_for_the_busy_time(self, busy, held_up, before):
        """The gateway was being changed, say: the writes after it are as fast as ever."""
        writer = Writer().write(before, steady(busy)).write(1, steady(held_up))
        writer.write(1, steady(busy))
        start = writer.now
        writer.write(20, steady(busy))
        assert writer.now - start < 1.5 * 20 * busy + 1.0

    @pytest.mark.parametrize("outage", [60.0, 600.0])
    def test_an_outage_teaches_nothing(self, outage):
        writer = Writer().write(100, steady(0.5))
        before = writer.pacer.gap
        writer.write(1, steady(outage)).write(1, steady(0.5))
        assert writer.pacer.gap == pytest.approx(before, rel=0.1)
        writer.write(50, steady(0.5))
        assert sum(writer.refusals[-50:]) <= 8

    def test_an_outage_is_tried_again_at_bounded_intervals(self):
        pacer = Pacer()
        for _ in range(10):
            pacer.accepted(0.5)
        gaps = []
        for _ in range(40):
            gaps.append(pacer.gap)
            pacer.refused(pacer.gap)
        steps = [b - a for a, b in pairwise(gaps)]
        assert all(0 < step <= MAX_STEP_S for step in steps)
        assert steps[-1] == MAX_STEP_S

    def test_a_write_after_idleness_teaches_nothing(self):
        writer = Writer().write(50, steady(0.5))
        before = (writer.pacer.gap, writer.pacer.typical)
        writer.pacer.refused(0.1)
        writer.pacer.accepted_late()
        assert (writer.pacer.gap, writer.pacer.typical) == before


@pytest.mark.parametrize("idle", [0.5, 2.0, 3600.0])
@pytest.mark.parametrize("held_up", [0.0, 0.3])
class TestARefusalAfterIdleness:
    """The table has long been free of the last write; somebody else keeps it busy for a moment."""

    def test_is_tried_again_soon(self, idle, held_up):
        pace, now = TablePace(0.0), 100.0
        pace.accepted(DeleteRow, now, now)
        now = _refused_until_free(pace, now + idle, held_up)
        assert now <= 100.0 + idle + 2 * held_up + 0.1

    def test_is_not_taken_for_the_busy_time(self, idle, held_up):
        pace, now = TablePace(0.0), 100.0
        pace.accepted(DeleteRow, now, now)
        now = _refused_until_free(pace, now + idle, held_up)
        for _ in range(8):
            now = pace.next
            pace.accepted(DeleteRow, now, now)
        assert pace.next - now <= 0.1


def _refused_until_free(pace: TablePace, now: float, held_up: float) -> float:
    """A write is refused for so long, and once at least, and then accepted; returns when."""
    free = now + max(held_up, 0.001)
    while now < free:
        pace.refused(now, now)
        now = pace.next
    pace.accepted(DeleteRow, now, now)
    return now


class TestTheFirstWrites:
    def test_nothing_is_waited_for_before_anything_is_known(self):
        assert (Pacer().gap, Pacer().typical) == (0.0, 0.0)

    def test_gaps_double_until_one_is_accepted(self):
        pacer, gaps = Pacer(), []
        for _ in range(6):
            pacer.refused(pacer.gap)
            gaps.append(pacer.gap)
        assert gaps[0] == FIRST_GAP_S
        assert gaps == [FIRST_GAP_S * 2**n for n in range(6)]

    @pytest.mark.parametrize("settles", [0.1, 0.2, 0.3])
    def test_the_first_two_take_no_more_than_five_calls(self, settles):
        """So many may be made in a second where the account is limited by the second."""
        second = Writer(free=settles).write(1, steady(settles))
        assert 1 + sum(second.refusals) + 1 <= 5

    def test_but_not_for_ever(self):
        pacer = Pacer()
        for _ in range(20):
            pacer.refused(pacer.gap)
        gap = pacer.gap
        pacer.refused(gap)
        assert pacer.gap == gap + MAX_STEP_S

    def test_what_was_learned_is_told(self):
        pacer = Pacer()
        pacer.refused(0.4)
        pacer.accepted(0.8)
        assert pacer.typical == 0.8
        assert 0.4 < pacer.gap <= 0.8

    def test_a_gap_longer_than_planned_skips_the_plans_it_has_overtaken(self):
        """A write sent late and refused: shorter gaps would only be refused again."""
        writer = Writer().write(60, between(0.5, 3.0, seed=3))
        writer.pacer.refused(2.0)
        assert writer.pacer.gap > 2.0
