"""A name whose claim changes again and again has to wait; one edit does not."""

from __future__ import annotations

from dnatctl.control.worker.damping import CHANGES_A_MINUTE, MINUTE_S, Damper
from dnatctl.objects import Key

A, B = Key("games", "a"), Key("games", "b")


def test_a_few_changes_are_not_held_up():
    damper = Damper()
    for n in range(CHANGES_A_MINUTE):
        assert damper.hold(A, float(n)) is None
        damper.took(A, float(n))
    held = damper.hold(A, 10.0)
    assert (held.left, held.problem.reason) == (0, "ChangesTooOften")
    assert held.retry_in == MINUTE_S - 10.0
    assert damper.hold(B, 10.0) is None


def test_in_the_long_run_there_are_so_many_a_minute():
    damper, now, taken = Damper(), 0.0, 0
    while now < 10 * MINUTE_S:
        held = damper.hold(A, now)
        if held is None:
            damper.took(A, now)
            taken += 1
        now += held.retry_in if held else 0.7
    assert 9 * CHANGES_A_MINUTE <= taken <= 11 * CHANGES_A_MINUTE


def test_what_is_long_ago_is_forgotten():
    damper = Damper()
    for n in range(1000):
        damper.took(Key("games", str(n)), float(n))
    assert len(damper._taken) <= MINUTE_S
