"""Many pods of a namespace are told one after the other; each comes once for it."""

from __future__ import annotations

from dnatctl.control.people.sparing import BUDGET, KEPT_S, Sparing
from dnatctl.objects import Key

AT_ONCE = BUDGET.at_once


def pods(count: int, namespace: str = "games") -> list[Key]:
    return [Key(namespace, str(n)) for n in range(count)]


def test_the_first_are_told_at_once_and_the_others_in_turn() -> None:
    sparing = Sparing()
    waits = [sparing.wait(key, 0.0) for key in pods(AT_ONCE + 40)]
    assert waits[:AT_ONCE] == [0.0] * AT_ONCE
    assert waits[AT_ONCE:] == sorted(set(waits[AT_ONCE:])), "each has a time of its own"
    assert waits[-1] <= 40 / BUDGET.a_second + 1e-6
    assert sparing.wait(Key("others", "a"), 0.0) == 0


def test_who_comes_at_its_time_is_told_and_who_comes_before_waits_on() -> None:
    sparing = Sparing()
    *_, last = pods(AT_ONCE + 40)
    waits = {key: sparing.wait(key, 0.0) for key in pods(AT_ONCE + 40)}
    assert sparing.wait(last, 0.5) == waits[last] - 0.5
    assert sparing.wait(last, waits[last]) == 0
    assert sparing.wait(last, 1000.0) == 0, "the next thing is another one"


def test_times_that_nobody_comes_for_are_forgotten() -> None:
    sparing = Sparing()
    for key in pods(1000):
        sparing.wait(key, 0.0)
    for n in range(1000):
        sparing.wait(Key(str(n), "a"), 1000 / BUDGET.a_second + KEPT_S + n)
    assert len(sparing._times) < 10
    assert len(sparing._paid_off) <= AT_ONCE + 10
