"""Who is called of those who wait for endpoints."""

from __future__ import annotations

import threading
from itertools import islice, pairwise

import pytest

from dnatctl.control.state.waiting import CALLED_AT_ONCE, ON_IN_A_PULSE, Turns, Waiting
from dnatctl.objects import Key
from dnatctl.pool import GatewayPool
from tests.support.clock import FakeClock
from tests.unit.pool.made import QUARANTINE, endpoint, offer, pool_of
from tests.unit.table.made import GATEWAY


def names(namespace: str, count: int) -> list[Key]:
    return [Key(namespace, f"pod-{n:04}") for n in range(count)]


@pytest.fixture
def turns() -> Turns:
    return Turns()


def joined(turns: Turns, *lines: list[Key]) -> None:
    for line in lines:
        for key in line:
            turns.join(key)


def test_within_a_namespace_who_waits_longest_is_first(turns):
    a = names("a", 3)
    joined(turns, a)
    assert turns.call(2) == a[:2]
    assert turns.call(2) == a[2:]
    assert turns.call(2) == []


def test_namespaces_take_turns_however_many_wait_in_one(turns):
    a, b, c = names("a", 1000), names("b", 2), names("c", 1)
    joined(turns, a, b, c)
    assert sorted(key.namespace for key in turns.call(3)) == ["a", "b", "c"]
    assert sorted(key.namespace for key in turns.call(4)) == ["a", "a", "a", "b"]


def test_a_namespace_that_comes_late_is_served_within_a_turn(turns):
    joined(turns, *(names(f"n{n}", 50) for n in range(5)))
    turns.call(7)
    late = Key("late", "x")
    turns.join(late)
    assert turns.call(1) == [late]


def test_one_that_fails_again_and_again_does_not_take_the_turn_of_others(turns):
    hopeless = [Key(f"n{n}", "x") for n in range(20)]
    joined(turns, hopeless)
    called = []
    for _ in range(20):
        (key,) = turns.call(1)
        called.append(key)
        turns.join(key)
    assert sorted(called) == sorted(hopeless)


def test_a_call_of_one_that_is_in_vain_takes_no_turn(turns):
    crowd, late = names("crowd", 60), Key("late", "x")
    joined(turns, crowd, [late])
    for _ in range(8):
        for most in (16, 16, 1):
            for key in turns.call(most):
                turns.join(key)
        called = turns.call(16)
        assert called[0] == late, "something is to be had, and it has got nothing so far"
        turns.leave(called[1])
        for key in (*called[:1], *called[2:]):
            turns.join(key)
        turns.call(1)


def test_who_got_something_comes_after_who_did_not(turns):
    new, late = names("crowd", 8), Key("late", "x")
    joined(turns, [late], new[:1])
    for before, after in pairwise(new):
        turns.call(16)
        turns.leave(before)
        joined(turns, [late], [after])
        assert next(iter(turns._turns)) == "late"


def test_joining_again_keeps_the_place_unless_it_was_called(turns):
    a = names("a", 3)
    joined(turns, a, [a[0]])
    assert turns.call(1) == [a[0]]
    turns.join(a[0])
    assert turns.call(3) == [a[1], a[2], a[0]]


def test_who_is_not_called_does_not_overtake(turns):
    first, new = Key("a", "first"), Key("b", "new")
    assert not turns.must_wait(new), "nobody waits"
    turns.join(first)
    assert turns.must_wait(new)
    assert not turns.must_wait(first), "alone"
    turns.join(new)
    assert new in turns.call(2)
    assert not turns.must_wait(new), "called"
    turns.leave(new)
    turns.join(first)
    assert turns.must_wait(new), "once"


def test_only_namespaces_that_may_are_called(turns):
    joined(turns, names("full", 5), names("free", 2))
    assert turns.call(9, lambda namespace: namespace == "free") == names("free", 2)
    assert len(turns) == 5


def test_nothing_is_kept_of_those_who_are_gone(turns):
    joined(turns, names("a", 2), names("b", 1))
    turns.call(1)
    for key in (*names("a", 2), *names("b", 1)):
        turns.leave(key)
    assert (len(turns._lines), turns._called) == (0, set())


class TestWaiting:
    @pytest.fixture
    def clock(self):
        return FakeClock()

    @pytest.fixture
    def pool(self):
        return pool_of()

    @pytest.fixture
    def waiting(self, pool, clock):
        return Waiting(pool, threading.RLock(), clock)

    def test_a_release_does_not_wake_all(self, waiting):
        for key in names("a", 1500):
            waiting.begin(key, for_pool=True)
        assert len(waiting.call()) == CALLED_AT_ONCE
        assert len(waiting.call(1)) == 1

    def test_who_waits_for_a_quota_is_called_while_it_has_room(self, waiting, pool):
        pool.quotas._quota = {"full": 0, "free": 1}.get
        for key in (*names("full", 3), *names("free", 3)):
            waiting.begin(key, for_pool=False)
        assert {key.namespace for key in waiting.call()} == {"free"}

    def test_nobody_waits_twice(self, waiting):
        (key,) = names("a", 1)
        waiting.begin(key, for_pool=True)
        waiting.begin(key, for_pool=False)
        assert waiting.call() == [key]
        waiting.begin(key, for_pool=False)
        waiting.end(key)
        assert waiting.call() == []

    def test_time_alone_calls_when_endpoints_have_rested(self, waiting, pool, clock):
        keys = names("a", 100)
        for key in keys:
            waiting.begin(key, for_pool=True)
        pool.retire([endpoint(600)], clock.monotonic())
        waiting.pulse()
        assert len(waiting.pulse()) == 1, "in case of doubt"
        clock.advance(QUARANTINE)
        assert len(waiting.pulse()) == CALLED_AT_ONCE
        assert len(list(islice(waiting.pulse(), 2))) == 1


class TestEarly:
    """One has found room, and others have waited for longer, who may ask for more than there is."""

    CROWD = names("a", 300)
    SMALL = Key("a", "small")

    @pytest.fixture
    def clock(self):
        return FakeClock()

    @pytest.fixture
    def waiting(self, clock):
        waiting = Waiting(pool_of(), threading.RLock(), clock)
        for key in self.CROWD:
            waiting.begin(key, for_pool=True)
        return waiting

    @staticmethod
    def look(waiting, key):
        """One that was called finds nothing."""
        waiting.begin(key, for_pool=True)

    def test_while_nobody_has_found_room_no_call_in_vain_is_followed_by_another(self, waiting):
        (key,) = waiting.call(1)
        self.look(waiting, key)
        assert waiting.call_on() == []

    def test_each_call_in_vain_is_followed_by_one_until_it_has_had_its_turn(self, waiting):
        waiting.begin(self.SMALL, for_pool=True, early=True)
        called = []
        for _ in range(4):
            coming = waiting.pulse()
            while coming:
                key = coming.pop(0)
                called.append(key)
                if key == self.SMALL:
                    waiting.end(key)
                else:
                    self.look(waiting, key)
                coming += waiting.call_on()
        assert set(called[: len(self.CROWD)]) == set(self.CROWD), "each once before any twice"
        assert self.SMALL in called
        assert len(called) < len(self.CROWD) + 2 * CALLED_AT_ONCE + 4, "and then it ends"

    def test_no_more_than_so_many_are_from_one_pulse_to_the_next(self, waiting):
        waiting.begin(self.SMALL, for_pool=True, early=True)
        calls = [waiting.call_on() for _ in range(2 * ON_IN_A_PULSE)]
        assert sum(map(len, calls)) == ON_IN_A_PULSE
        waiting.pulse()
        assert waiting.call_on()

    @pytest.mark.parametrize("end", ["served", "finds nothing"])
    def test_it_ends_with_its_turn(self, waiting, end):
        waiting.begin(self.SMALL, for_pool=True, early=True)
        assert len(waiting.pulse()) == CALLED_AT_ONCE, "there is room"
        if end == "served":
            waiting.end(self.SMALL)
        else:
            self.look(waiting, self.SMALL)
        assert waiting.call_on() == []
        assert len(waiting.pulse()) == 1

    def test_it_is_known_for_how_long_it_has_waited(self, waiting, clock):
        assert waiting.early_s(self.SMALL) == 0.0
        waiting.begin(self.SMALL, for_pool=True, early=True)
        clock.advance(4.0)
        waiting.begin(self.SMALL, for_pool=True, early=True)
        clock.advance(3.0)
        assert waiting.early_s(self.SMALL) == 7.0
        waiting.end(self.SMALL)
        assert waiting.early_s(self.SMALL) == 0.0


class TestReservedGateways:
    """Who may use a gateway that others may not does not wait behind them."""

    @pytest.fixture
    def waiting(self):
        pool = pool_of(offer(), offer("ngw-2", namespaces=("vip",)))
        return Waiting(pool, threading.RLock(), FakeClock())

    def test_for_it_only_its_namespaces_are_rivals(self, waiting):
        waiting.begin(Key("shop", "first"), for_pool=True)
        vip = Key("vip", "game")
        assert not waiting.comes_later(vip, "ngw-2")
        assert waiting.comes_later(vip, GATEWAY)
        waiting.begin(Key("vip", "earlier"), for_pool=True)
        assert waiting.comes_later(vip, "ngw-2")

    def test_its_namespaces_are_called_however_many_others_wait(self, waiting):
        for number in range(100):
            waiting.begin(Key(f"shop-{number}", "web"), for_pool=True)
        waiting.begin(Key("vip", "game"), for_pool=True)
        assert Key("vip", "game") in waiting.call()


def test_gateways_are_not_gone_through_for_each_namespace_that_waits(monkeypatch):
    """All tenants' pods wait for the lock meanwhile."""
    reserved = [offer(f"ngw-{n}", namespaces=(f"team-{n}-*", f"t{n}")) for n in range(10)]
    waiting = Waiting(pool_of(*reserved, offer()), threading.RLock(), FakeClock())
    for number in range(100):
        waiting.begin(Key(f"n{number}", "x"), for_pool=True)
    for namespace in ("team-3-a", "t4"):
        waiting.begin(Key(namespace, "x"), for_pool=True)
    asked = []
    usual = GatewayPool.is_reserved_for
    monkeypatch.setattr(
        GatewayPool,
        "is_reserved_for",
        lambda offered, namespace: asked.append(namespace) or usual(offered, namespace),
    )
    called = waiting.call(2)
    assert called[:2] == [Key("t4", "x"), Key("team-3-a", "x")]
    assert asked == []
