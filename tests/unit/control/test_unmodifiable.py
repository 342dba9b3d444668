"""Gateways on which entries may not be changed, for a while."""

from __future__ import annotations

from dnatctl.control.state.unmodifiable import HOLD_S, Unmodifiable


def test_a_denial_is_of_one_gateway_and_believed_for_a_while() -> None:
    it = Unmodifiable()
    assert it.denied("ngw-1", 10.0)
    assert it.at(10.0) == {"ngw-1"}
    assert it.at(10.0 + HOLD_S[0]) == frozenset()


def test_each_further_one_is_believed_for_longer_up_to_a_limit_and_no_news() -> None:
    it, now = Unmodifiable(), 0.0
    holds, news = [], []
    for _ in range(8):
        news.append(it.denied("ngw-1", now))
        holds.append(next(s for s in range(1, 2000) if not it.at(now + s)))
        now += holds[-1]
    assert news == [True] + 7 * [False]
    assert holds == sorted(holds)
    assert (holds[0], holds[-1]) == HOLD_S


def test_what_is_granted_is_granted_at_once() -> None:
    it = Unmodifiable()
    it.denied("ngw-1", 0.0)
    it.denied("ngw-2", 0.0)
    it.granted("ngw-1")
    assert it.at(1.0) == {"ngw-2"}
    assert it.denied("ngw-1", 2.0), "news again"
