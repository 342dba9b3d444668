"""Keys that wait: for a time and for a back-off, each at most once."""

from __future__ import annotations

import pytest

from dnatctl.control.state.delays import Delays, Priority

HIGH, LOW = Priority.HIGH, Priority.LOW


@pytest.fixture
def delays() -> Delays[str]:
    return Delays()


def test_those_whose_time_has_come_are_taken_out_in_order(delays: Delays[str]) -> None:
    for key, when in (("late", 3.0), ("first", 1.0), ("second", 2.0)):
        delays.add(key, when, HIGH, backoff=False)
    assert delays.next() == 1.0
    assert delays.over(2.0) == [("first", HIGH), ("second", HIGH)]
    assert delays.over(2.0) == []
    assert delays.next() == 3.0


def test_who_is_first_of_all_is_told_so(delays: Delays[str]) -> None:
    assert delays.add("one", 2.0, HIGH, backoff=False)
    assert not delays.add("other", 3.0, HIGH, backoff=False)
    assert delays.add("other", 1.0, HIGH, backoff=False)


@pytest.mark.parametrize("times", [(1.0, 2.0), (2.0, 1.0)])
def test_of_two_times_the_earlier_counts_and_of_two_priorities_the_higher(
    delays: Delays[str], times: tuple[float, float]
) -> None:
    for when, priority in zip(times, (HIGH, LOW), strict=True):
        delays.add("key", when, priority, backoff=False)
    assert delays.over(1.0) == [("key", HIGH)]
    assert delays.next() is None


def test_a_back_off_is_waited_for_besides(delays: Delays[str]) -> None:
    delays.add("key", 1.0, HIGH, backoff=False)
    delays.add("key", 2.0, LOW, backoff=True)
    delays.cancel("key", backoff=False)
    assert delays.next() == 2.0
    delays.cancel("key", backoff=True)
    delays.cancel("key", backoff=True)
    assert delays.over(9.0) == []
