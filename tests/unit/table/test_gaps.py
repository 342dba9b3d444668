"""Which gaps are tried: of all there are, those that cost least."""

from __future__ import annotations

from itertools import pairwise, starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.table.gaps import Busy, plan_gaps, price_of

PRICE = 0.03

TIMES = st.one_of(
    st.floats(0, 4),
    st.integers(0, 40).map(lambda n: n / 10),  # that some are the same
)
WIDTHS = st.one_of(st.just(0.0), st.floats(1e-9, 1e-6), st.floats(0, 3))
BELIEFS = st.lists(st.builds(lambda low, w: Busy(low, low + w), TIMES, WIDTHS), max_size=48)
SHARES = st.floats(0.005, 0.2)


def points(belief: list[Busy]) -> list[float]:
    """All that may be tried: the ends of the intervals, and forty in between."""
    bottom, top = min(b.low for b in belief), max(b.high for b in belief)
    between = (bottom + (top - bottom) / 40 * n for n in range(1, 40))
    return sorted({*between, *(b.high for b in belief)})


def over_by(belief: list[Busy], t: float) -> float:
    """The probability that it is over, with each interval as likely as the others."""

    def one(busy: Busy) -> float:
        if t >= busy.high:
            return 1.0
        return (t - busy.low) / (busy.high - busy.low) if t > busy.low else 0.0

    return sum(map(one, belief)) / len(belief)


class Costs:
    """What gaps cost, hop by hop; between two points the probability is a straight line."""

    def __init__(self, belief: list[Busy], share: float) -> None:
        self.grid = points(belief)
        self._over = [over_by(belief, t) for t in self.grid]
        self._price = price_of(belief, share)

    def hop(self, i: int, k: int) -> float:
        """To try at point k where point i came too early: the time that it is over and nobody
        knows, and the price of another try. `i`: -1 for the first."""
        before = self._over[i] if i >= 0 else 0.0
        idle = sum(
            (self.grid[n + 1] - self.grid[n]) * ((self._over[n] + self._over[n + 1]) / 2 - before)
            for n in range(max(i, 0), k)
        )
        return idle + self._price * (1 - self._over[k])

    def of(self, gaps: list[float]) -> float:
        at = [self.grid.index(gap) for gap in gaps]
        return sum(starmap(self.hop, pairwise([-1, *at])))

    def least(self) -> float:
        """Those of the best of all subsets of the points, by going through each hop there is."""
        last = len(self.grid) - 1
        after = {last: 0.0}
        for i in range(last - 1, -2, -1):
            after[i] = min(self.hop(i, k) + after[k] for k in range(i + 1, last + 1))
        return after[-1]


class TestPlans:
    def test_nothing_believed_nothing_waited_for(self):
        assert plan_gaps([], PRICE) == [0.0]
        assert plan_gaps([Busy(0.0, 0.001)], PRICE) == [0.0]

    @pytest.mark.parametrize(
        "belief",
        [
            [Busy(0.9, 1.0)],
            [Busy(0.0, 4.0)],
            [Busy(0.5, 0.6), Busy(2.9, 3.0)],
            [Busy(1.0, 1.0), Busy(2.0, 2.0)],
        ],
    )
    def test_gaps_rise_to_the_longest_that_was_needed(self, belief):
        gaps = plan_gaps(belief, PRICE)
        assert gaps == sorted(set(gaps))
        assert gaps[-1] == pytest.approx(max(busy.high for busy in belief))
        assert gaps[0] > 0

    def test_two_busy_times_are_tried_just_when_each_would_be_over(self):
        assert plan_gaps([Busy(1.0, 1.0), Busy(2.0, 2.0)], PRICE) == [1.0, 2.0]

    def test_a_steady_time_known_well_is_not_probed(self):
        assert plan_gaps([Busy(0.99, 1.0)], PRICE) == [1.0]

    def test_of_a_time_spread_evenly_the_gaps_come_ever_closer(self):
        gaps = plan_gaps([Busy(0.5, 3.0)], PRICE)
        hops = [b - a for a, b in pairwise(gaps)]
        assert len(hops) > 3
        assert all(later <= earlier + 1e-9 for earlier, later in pairwise(hops))


class TestBest:
    @given(belief=BELIEFS, share=SHARES)
    def test_no_others_cost_less(self, belief: list[Busy], share: float):
        gaps = plan_gaps(belief, share)
        if gaps == [0.0]:
            assert not belief or max(busy.high for busy in belief) <= 0.002
            return
        assert gaps == sorted(set(gaps)), "each comes later than the one before"
        assert set(gaps) <= set(points(belief))
        assert gaps[-1] == max(busy.high for busy in belief)
        costs = Costs(belief, share)
        assert costs.of(gaps) == pytest.approx(costs.least(), rel=1e-6, abs=1e-9)
