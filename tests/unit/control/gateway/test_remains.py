"""What is left behind: told by any thread, taken once."""

from __future__ import annotations

import pytest

from dnatctl.control.gateway.remains import REMEMBERED_S, Remains
from tests.support.clock import FakeClock
from tests.unit.control.gateway.made import LOBBY


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def remains(clock: FakeClock) -> Remains:
    return Remains(clock)


def test_what_was_told_is_taken_once(remains):
    remains.in_the_way("uid-1")
    remains.vanished("uid-2", LOBBY)
    remains.unlisted("ngw-1", ["fwd-1"])
    remains.unlisted("ngw-1", ["fwd-2"])
    remains.unlisted("ngw-2", ["fwd-3"])
    told = remains.take()
    assert told.in_the_way == {"uid-1"}
    assert told.vanished["uid-2"].key == LOBBY
    assert told.unlisted == {"ngw-1": {"fwd-1", "fwd-2"}, "ngw-2": {"fwd-3"}}
    assert not any(remains.take())


def test_nobody_is_woken_for_nothing(remains):
    remains.unlisted("ngw-1", [])
    remains.in_the_way("uid-1")
    assert not remains.soon.is_set()
    remains.unlisted("ngw-1", ["fwd-1"])
    assert remains.soon.is_set()


class TestUnread:
    """PodDNATs that went while their tables were unread: nobody may ask for them for weeks."""

    def test_they_are_told_with_the_others(self, remains):
        remains.vanished("uid-1", LOBBY)
        remains.vanished_unread("uid-2", LOBBY)
        assert remains.take().vanished.keys() == {"uid-1", "uid-2"}
        assert not remains.take().vanished

    def test_are_forgotten_after_a_time_and_beyond_a_number(self, remains, clock, monkeypatch):
        monkeypatch.setattr("dnatctl.control.gateway.remains.MOST_UNREAD", 3)
        for n in range(4):
            remains.vanished_unread(f"uid-{n}", LOBBY)
            clock.advance(1.0)
        assert len(remains._unread) == 3
        clock.advance(REMEMBERED_S - 2.0)
        assert remains.take().vanished.keys() == {"uid-2", "uid-3"}

    def test_it_is_the_oldest_that_go(self, remains, clock):
        remains.vanished_unread("uid-1", LOBBY)
        clock.advance(REMEMBERED_S)
        remains.vanished_unread("uid-2", LOBBY)
        remains.vanished_unread("uid-1", LOBBY)
        clock.advance(1.0)
        remains.vanished_unread("uid-3", LOBBY)
        assert remains.take().vanished.keys() == {"uid-1", "uid-2", "uid-3"}
