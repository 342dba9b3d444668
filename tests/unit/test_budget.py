"""So many at once, so many a second in the long run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.budget import UNUSED, Budget

BUDGET = Budget(at_once=5, a_second=2.0)


def uses(budget: Budget, times: list[float]) -> list[float]:
    """At which of these times something was due, where it is asked for at each."""
    paid_off, done = UNUSED, []
    for now in times:
        if budget.due(paid_off, now) <= now:
            paid_off = budget.used(paid_off, now)
            done.append(now)
    return done


def test_after_a_quiet_time_so_many_are_due_at_once() -> None:
    assert uses(BUDGET, [0.0] * 20 + [1000.0] * 20) == [0.0] * 5 + [1000.0] * 5


def test_then_each_has_to_wait_for_its_time() -> None:
    paid_off = UNUSED
    for _ in range(5):
        paid_off = BUDGET.used(paid_off, 0.0)
    assert BUDGET.due(paid_off, 0.0) == pytest.approx(0.5, abs=1e-5)
    in_advance = BUDGET.used(paid_off, 0.0)
    assert BUDGET.due(in_advance, 0.0) == pytest.approx(1.0, abs=1e-5)


def test_sums_of_floats_take_nothing_away() -> None:
    assert len(uses(Budget(at_once=25, a_second=1 / 300), [0.1] * 40)) == 25


@given(
    st.integers(1, 50),
    st.floats(0.01, 100.0),
    st.lists(st.floats(0.0, 1000.0), max_size=300).map(sorted),
)
def test_no_span_of_time_sees_more(at_once: int, a_second: float, times: list[float]) -> None:
    done = uses(Budget(at_once, a_second), times)
    for first, began in enumerate(done):
        for last in range(first, len(done)):
            span = done[last] - began
            assert last - first + 1 <= at_once + span * a_second + 1e-6 * len(done) + 1e-9
