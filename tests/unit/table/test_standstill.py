"""When it is told that a table takes no write."""

from __future__ import annotations

from dnatctl.table.standstill import IDLE_S, LASTS_S, Standstill


def refused(it: Standstill, *times: float) -> list[bool]:
    return [it.refused(now) for now in times]


def test_refusals_are_worth_a_word_after_a_while():
    assert refused(Standstill(), 0.0, 5.0, LASTS_S - 1, LASTS_S) == [False, False, False, True]


def test_what_is_accepted_in_between_ends_it():
    it = Standstill()
    refused(it, 0.0, LASTS_S - 1)
    it.over()
    assert refused(it, LASTS_S, 2 * LASTS_S - 1) == [False, False]
    assert it.lasted == LASTS_S - 1


def test_a_time_in_which_nothing_was_asked_does_not_count():
    it = Standstill()
    refused(it, 0.0, 5.0)
    assert refused(it, 5.0 + IDLE_S + 1, 5.0 + IDLE_S + 2) == [False, False]


def test_its_end_is_news_where_it_was_told():
    it = Standstill()
    refused(it, 0.0, LASTS_S)
    assert not it.over()
    refused(it, 0.0, LASTS_S)
    it.why = "IncorrectStatus"
    assert it.over()
    assert it.why == ""
