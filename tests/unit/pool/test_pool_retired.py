"""An endpoint is let go of only when the next leader would know of its quarantine."""

from __future__ import annotations

import pytest

from dnatctl.model import PortRange
from dnatctl.objects import Key
from dnatctl.pool.handover import Resting, Span, decode, encode
from tests.unit.pool.made import QUARANTINE, endpoint, pool_of, resting, spec
from tests.unit.table.made import TCP

LOBBY, ARENA = Key("games", "lobby-0"), Key("games", "arena-0")
BOTH = (endpoint(600), endpoint(601))
STRANGE = endpoint(7)


def noted(*endpoints):
    """What the Lease says of these."""
    return resting(dict.fromkeys(endpoints, QUARANTINE))


def test_begins_once():
    pool = pool_of()
    assert pool.retire(BOTH[:1], 0.0) is True
    assert pool.retire(BOTH[:1], 10.0) is False
    assert pool.retire(BOTH, 10.0) is True
    assert pool.quarantined(10.0) == {BOTH[0]: QUARANTINE - 10.0, BOTH[1]: QUARANTINE}


def test_is_durable_when_noted_and_who_waits_is_told_once():
    pool = pool_of()
    pool.retire(BOTH, 0.0, LOBBY)
    pool.retire(BOTH, 0.0, ARENA)
    assert pool.awaits_note()
    assert pool.durable(BOTH, 1.0) == frozenset()
    assert pool.noted(noted(BOTH[0])) == {LOBBY, ARENA}
    assert pool.durable(BOTH, 1.0) == {BOTH[0]}
    assert not pool.awaits_note()
    assert pool.noted(noted(*BOTH)) == set()
    assert pool.durable(BOTH, 1.0) == set(BOTH)


def test_nobody_waits_who_is_not_to_be_told():
    pool = pool_of()
    pool.retire(BOTH, 0.0)
    assert not pool.awaits_note()


def test_or_when_it_is_over_anyway():
    pool = pool_of()
    pool.retire(BOTH, 0.0)
    assert pool.durable(BOTH, QUARANTINE - 0.1) == frozenset()
    assert pool.durable(BOTH, QUARANTINE) == set(BOTH)


def test_what_is_never_handed_out_need_not_rest():
    pool = pool_of()
    assert pool.retire([STRANGE], 0.0)
    assert pool.durable([STRANGE], 0.0) == {STRANGE}
    assert pool.quarantined(0.0) == {}


def test_what_was_not_retired_is_not_durable():
    pool = pool_of()
    pool.noted(noted(*BOTH))
    assert pool.durable(BOTH, 1.0) == frozenset()


def test_a_note_of_an_earlier_quarantine_does_not_count():
    pool = pool_of()
    pool.retire(BOTH, 0.0)
    pool.noted(noted(*BOTH))
    pool.let_go(BOTH)
    assert pool.durable(BOTH, 1.0) == frozenset()
    assert pool.retire(BOTH, 1.0)
    assert pool.durable(BOTH, 1.0) == frozenset()
    assert pool.quarantined(1.0) == dict.fromkeys(BOTH, QUARANTINE)


def test_one_that_begins_anew_is_noted_anew():
    """A row of it was there once more."""
    pool = pool_of()
    pool.retire(BOTH[:1], 0.0)
    pool.claim("other", "", spec(600), 0.0)
    pool.unclaim("other", 30.0)
    assert pool.durable(BOTH, QUARANTINE) == frozenset()
    assert pool.durable(BOTH, 30.0 + QUARANTINE) == {BOTH[0]}


def test_need_not_rest_what_never_had_a_row_or_is_anothers():
    pool = pool_of()
    pool.open()
    pool.claim("a", "1", spec(600, 601), 0.0)
    pool.use([endpoint(600)])
    assert pool.need_not_rest(spec(600, 601).endpoints(), "a") == {endpoint(601)}
    pool.claim("b", "2", spec(600), 0.0)
    assert pool.need_not_rest([endpoint(600)], "b") == {endpoint(600)}
    assert pool.need_not_rest([endpoint(600)], "a") == frozenset()
    assert pool.need_not_rest([endpoint(605)], "a") == frozenset()


@pytest.mark.parametrize("leave", [noted, lambda *_: Resting(everything=9.0)])
def test_what_the_last_leader_let_rest_goes_on_resting(leave):
    pool = pool_of()
    pool.inherit(leave(*BOTH), 100.0)
    assert pool.rests(BOTH[0], 108.0)
    assert not pool.rests(BOTH[0], 100.0 + QUARANTINE)


def test_what_is_offered_no_more_is_taken_over_as_it_may_be_again():
    pool = pool_of()
    pool.inherit(noted(BOTH[0], STRANGE), 0.0)
    assert set(pool.quarantined(0.0)) == {BOTH[0], STRANGE}
    assert pool.all_rest(0.0) == 0.0


def test_where_it_is_not_told_what_rests_all_does():
    pool = pool_of()
    spans = [Span(f"1.1.{n}.1", TCP, PortRange(600, 609), float(n % 7)) for n in range(10_001)]
    pool.inherit(Resting(tuple(spans)), 0.0)
    assert pool.all_rest(0.0) == 6.0
    assert pool.quarantined(0.0) == {}


def test_what_is_left_is_what_the_next_one_takes_over():
    pool, successor = pool_of(), pool_of()
    pool.retire(BOTH, 0.0)
    successor.inherit(decode(encode(pool.quarantined(10.0), pool.all_rest(10.0))), 500.0)
    assert successor.quarantined(500.0) == pool.quarantined(10.0)
