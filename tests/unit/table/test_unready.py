"""What is refused as busy alone, told from a table that is busy."""

from __future__ import annotations

import pytest

from dnatctl.table.unready import (
    BELIEVED_S,
    IDLE_S,
    IMPATIENT_S,
    PATIENCE,
    REMEMBERED_S,
    Unready,
)

BAD, GOOD = "1.1.1.1", "2.2.2.2"
NO = "EipInBinding: wait"


@pytest.fixture
def it() -> Unready:
    return Unready()


def refused(it: Unready, times: int, now: float = 0.0, target: str = BAD) -> None:
    for _ in range(times):
        it.refused(target, NO, now)


def test_a_few_refusals_hold_nothing_up(it):
    refused(it, PATIENCE - 1)
    it.accepted(GOOD, 1.0)
    assert (it.held, it.apart(BAD), it.why(BAD)) == ({}, False, "")


def test_after_some_it_is_left_alone_longer_each_time(it):
    refused(it, PATIENCE)
    assert it.held == {BAD: IMPATIENT_S[0]}
    refused(it, 1)
    assert it.held == {BAD: 2 * IMPATIENT_S[0]}
    refused(it, 10)
    assert it.held == {BAD: IMPATIENT_S[1]}


def test_that_it_is_not_the_table_shows_what_that_takes(it):
    refused(it, PATIENCE)
    assert not it.apart(BAD), "nothing tells it from a busy table"
    it.accepted(GOOD, 1.0)
    assert it.apart(BAD)
    assert it.why(BAD) == "", "it may have been the table until now"
    refused(it, 1, 2.0)
    assert it.why(BAD) == NO
    assert not it.apart(GOOD)


def test_with_less_patience_fewer_are_enough():
    it = Unready(patience=3)
    refused(it, 2)
    it.accepted(GOOD, 1.0)
    assert not it.apart(BAD)
    refused(it, 1, 2.0)
    it.accepted(GOOD, 3.0)
    assert it.apart(BAD)


def test_after_a_standstill_of_the_whole_table_it_is_tried_again_at_once(it):
    refused(it, PATIENCE + 20, 300.0)
    it.accepted(GOOD, 301.0)
    assert it.held == {}
    refused(it, 1, 302.0)
    assert it.held == {BAD: 302.0 + IMPATIENT_S[0]}
    assert not it.given_up(BAD), "what was before counts for nothing"


def test_where_it_takes_something_all_is_well(it):
    refused(it, PATIENCE)
    it.accepted(GOOD, 1.0)
    refused(it, 1, BELIEVED_S + 1)
    it.accepted(BAD, BELIEVED_S + 2)
    assert (it.held, it.apart(BAD), it.given_up(BAD), it.why(BAD)) == ({}, False, False, "")


def test_it_is_given_up_after_a_while_and_those_who_are_there_learn_it_soon(it):
    refused(it, PATIENCE + 5)
    it.accepted(GOOD, 1.0)
    refused(it, 1, BELIEVED_S)
    assert not it.given_up(BAD)
    refused(it, 1, BELIEVED_S + 1)
    assert it.given_up(BAD)
    assert it.held == {BAD: BELIEVED_S + 1 + IMPATIENT_S[0]}


def test_without_anything_else_being_accepted_it_never_is(it):
    refused(it, PATIENCE)
    refused(it, 1, BELIEVED_S + 1)
    assert not it.given_up(BAD)


def test_it_is_told_once_it_has_lasted(it):
    refused(it, PATIENCE)
    it.accepted(GOOD, 1.0)
    refused(it, 1, 30.0)
    assert it.why(BAD, 30.0) == ""
    refused(it, 1, 31.0)
    assert it.why(BAD, 30.0) == NO


def test_what_was_refused_long_ago_is_another_story(it):
    refused(it, PATIENCE)
    it.accepted(GOOD, 1.0)
    refused(it, 1, IDLE_S + 1)
    assert not it.apart(BAD)


def test_but_not_where_it_was_given_up(it):
    refused(it, PATIENCE)
    it.accepted(GOOD, 1.0)
    refused(it, 1, BELIEVED_S + 1)
    refused(it, 1, BELIEVED_S + IDLE_S + 2)
    assert it.given_up(BAD), "whoever tries it then need not wait as long again"


def test_targets_that_come_and_go_are_forgotten(it):
    for number in range(100):
        refused(it, PATIENCE, number * REMEMBERED_S / 10, f"ip-{number}")
    assert len(it._series) <= 11
    assert len(it.held) <= 11
