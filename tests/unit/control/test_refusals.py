"""Claims that are refused: who tries again when."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dnatctl.control.state.refusals import (
    FIRST_S,
    LONGEST_S,
    MESSAGE_LIMIT,
    REFUSED_AFTER_S,
    TURN_S,
    Failing,
    Refusals,
    holds_up,
    is_refusal,
)
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnats import WRITE_S
from dnatctl.objects import Key

A, B, C = (Key("games", name) for name in "abc")
OTHER = Key("other", "a")
NO = KubeError(Failure.FORBIDDEN, "exceeded quota: objects")
DOUBT = KubeError(Failure.SERVER, "etcd is slow")


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


def test_nobody_is_held_back_at_first(refusals):
    assert refusals.hold(A, 0.0) is None


def test_one_that_is_refused_waits_ever_longer_and_is_told(refusals):
    now, waits = 0.0, []
    for _ in range(12):
        problem, wait = refusals.refused(A, NO, now)
        assert "exceeded quota: objects" in problem.message
        held = refusals.hold(A, now + wait - 0.01)
        assert (held.left, held.problem) == (0, problem)
        now += wait
        assert refusals.hold(A, now) is None
        waits.append(wait)
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_it_does_not_hold_up_its_neighbours(refusals):
    for n in range(5):
        refusals.refused(A, NO, float(n))
    assert refusals.hold(B, 4.0) is None


def test_a_second_one_means_the_namespace(refusals):
    refusals.refused(A, NO, 0.0)
    refusals.refused(B, NO, 0.0)
    assert refusals.hold(C, 0.0).retry_in == FIRST_S
    assert refusals.hold(OTHER, 0.0) is None


def test_then_one_at_a_time_tries_ever_more_seldom(refusals):
    refusals.refused(A, NO, 0.0)
    refusals.refused(B, NO, 0.0)
    now, names = 0.0, [Key("games", f"pod-{n}") for n in range(100)]
    tries = []
    while now < 100.0:
        for name in names:
            if refusals.hold(name, now) is None:
                refusals.tries(name, now)
                refusals.refused(name, NO, now)
                tries.append(now)
        now += FIRST_S
    assert len(tries) <= 10
    assert len(set(tries)) == len(tries), "one at a time"


@pytest.fixture
def bad(refusals) -> list[Key]:
    """Refused a while ago, all of them: the pause of the namespace is as they left it."""
    names = [Key("games", f"bad-{n}") for n in range(8)]
    for name in names:
        refusals.refused(name, NO, 0.0)
    return names


def may_try(refusals, names, now):
    """Those that may, of these; the others wait."""
    free = [name for name in names if refusals.hold(name, now) is None]
    for name in names:
        if name not in free:
            refusals.waits(name)
    return free


def try_in_vain(refusals, name, now):
    refusals.tries(name, now)
    refusals.refused(name, NO, now)


def test_those_that_were_not_refused_themselves_come_first_and_in_turn(refusals, bad):
    try_in_vain(refusals, bad[0], 100.0)
    assert may_try(refusals, [*bad, B, C], 100.0) == []
    end = 100.0 + refusals.hold(B, 100.0).retry_in
    assert may_try(refusals, [*bad, C, B], end) == [B]
    try_in_vain(refusals, B, end)
    end += refusals.hold(C, end).retry_in
    assert may_try(refusals, [*bad, B, C], end) == [C]
    refusals.tries(C, end)
    assert refusals.accepted(C) == {*bad, B}


def test_one_that_is_gone_without_a_word_keeps_nobody_from_trying(refusals, bad):
    try_in_vain(refusals, bad[0], 100.0)
    may_try(refusals, [A, B], 100.0)
    end = 100.0 + refusals.hold(A, 100.0).retry_in
    assert may_try(refusals, [*bad, B], end + TURN_S) == [B]
    assert bad[1] in may_try(refusals, bad, end + 2 * TURN_S)


def test_one_that_was_not_refused_is_told_that_others_were(refusals):
    refusals.refused(A, NO, 0.0)
    own, _ = refusals.refused(B, NO, 0.0)
    assert refusals.hold(B, 0.0).problem == own
    told = refusals.hold(C, 0.0).problem.message
    assert told.startswith("PodDNATs of namespace games are refused")
    assert "this one's is still to be tried" in told
    assert "of one of those, the API server does not store the PodDNAT games/a: exceeded" in told


def test_those_who_wait_are_told_the_same_whoever_tried_last(refusals):
    """Else each try would be news for all of them: an event and a patch each."""
    refusals.refused(A, NO, 0.0)
    refusals.refused(B, KubeError(Failure.FORBIDDEN, "poddnats b is forbidden"), 0.0)
    told = refusals.hold(C, 0.0).problem
    refusals.refused(A, KubeError(Failure.FORBIDDEN, "poddnats a is forbidden"), 1.0)
    assert refusals.hold(C, 1.0).problem == told
    refusals.refused(A, KubeError(Failure.ADMISSION, "a webhook is down"), 2.0)
    assert "a webhook is down" in refusals.hold(C, 2.0).problem.message


def test_a_success_frees_all_and_names_who_waited(refusals):
    for name in (A, B):
        refusals.refused(name, NO, 0.0)
    refusals.waits(C)
    assert refusals.accepted(A) == {C}
    assert refusals.hold(C, 0.0) is None
    assert refusals.hold(B, 0.0) is not None, "which was refused by itself"
    assert refusals.accepted(A) == set(), "told once"


def test_what_is_in_doubt_is_told_only_if_it_lasts(refusals):
    told = [refusals.refused(A, DOUBT, float(n))[0] for n in range(3)]
    assert told[:2] == [None, None]
    assert "etcd is slow" in told[2].message


def test_what_the_server_says_is_cut(refusals):
    problem, _ = refusals.refused(A, KubeError(Failure.FORBIDDEN, "x" * 100_000), 0.0)
    assert problem.message.count("x") <= MESSAGE_LIMIT + 10


def test_nothing_is_kept_of_those_that_are_gone(refusals):
    for name in (A, B, C, OTHER):
        refusals.refused(name, NO, 0.0)
        refusals.waits(name)
    for name in (A, B, C):
        refusals.forget(name)
    refusals.accepted(OTHER)
    assert (refusals._names, refusals._namespaces) == ({}, {})


def test_nobody_else_tries_while_a_try_gets_no_answer(refusals, bad):
    """A webhook that hangs keeps each try, and what it claims, as long as a request may last."""
    refusals.tries(bad[0], 100.0)
    others = [*bad[1:], B]
    assert may_try(refusals, others, 100.0 + WRITE_S - 0.1) == []
    refusals.refused(bad[0], KubeError(Failure.UNKNOWN, "timed out"), 100.0 + WRITE_S)
    assert may_try(refusals, others, 100.0 + WRITE_S) == [], "the pause begins when it ends"


def test_tries_that_get_no_answer_become_ever_more_seldom_too(refusals, bad):
    """That nobody answered is known some seconds after the deadline: one looks first."""
    now, tries = 100.0, []
    while now < 1000.0:
        free = may_try(refusals, [*bad, A, B, C], now)
        if not free:
            now += 1.0
            continue
        tries.append(now)
        refusals.tries(free[0], now)
        assert not may_try(refusals, [*bad, A, B, C], now + WRITE_S + 9.0)
        now += WRITE_S + 9.0
        refusals.refused(free[0], KubeError(Failure.UNKNOWN, "timed out"), now)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[-1] >= LONGEST_S
    assert len(tries) <= 20


def test_those_who_wait_for_an_answer_are_told_so(refusals):
    for name in (A, B):
        refusals.refused(name, KubeError(Failure.UNKNOWN, "read timed out"), 0.0)
    told = refusals.hold(C, 0.0).problem.message
    assert "does not say whether it stores the PodDNAT games/a: read timed out" in told
    assert "webhooks" in told


@pytest.mark.parametrize("failure", Failure)
def test_an_answer_that_does_not_come_holds_up_claims_and_is_about_no_other_object(failure):
    error = KubeError(failure, "")
    assert holds_up(error) == (is_refusal(error) or failure is Failure.UNKNOWN)


@pytest.mark.parametrize("failure", Failure)
def test_what_is_about_the_way_to_the_server_is_no_refusal(failure):
    way = {
        Failure.UNREACHABLE,
        Failure.UNKNOWN,
        Failure.CANCELLED,
        Failure.TOO_MANY_REQUESTS,
    }
    assert is_refusal(KubeError(failure, "")) == (failure not in way)


class TestFailing:
    def test_it_lasts_where_it_has_failed_again_after_a_while(self):
        failing, late = Failing(), 10.0 + REFUSED_AFTER_S
        assert not failing.again(A, "status", 10.0).lasts(late), "once may be chance"
        assert not failing.again(A, "status", 11.0).lasts(11.0), "it may pass"
        assert failing.again(A, "status", late).lasts(late)

    def test_what_came_to_something_or_is_another_thing_begins_anew(self):
        failing = Failing()
        for what in ("status", "metadata", "status"):
            assert [failing.again(A, what, 0.0).times for _ in range(2)] == [1, 2]
        failing.over(A)
        assert failing.again(A, "status", 1.0).times == 1

    def test_each_name_has_its_own(self):
        failing = Failing()
        assert {failing.again(name, "status", 0.0).times for name in (A, B, C)} == {1}
