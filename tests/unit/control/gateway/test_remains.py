"""What is left behind: told by any thread, taken once."""

from __future__ import annotations

import pytest

from dnatctl.control.gateway.remains import Remains
from tests.support.clock import FakeClock
from tests.unit.control.gateway.made import LOBBY


@pytest.fixture
def remains() -> Remains:
    return Remains(FakeClock())


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
