"""Who reads what people have ordered: what stands while it cannot be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dnatctl.control.people.ordering import OrderKeeper
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.orders import Order, OrderKind, Orders
from dnatctl.times import format_time
from tests.support.clock import FakeClock
from tests.unit.pool.made import offer
from tests.unit.table.made import MARKS


class Keeping:
    """A keeper, what is stored, and what happens to whoever reads it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.views = Views(MARKS, [offer()], 60.0, self.clock)
        self.stored = Orders()
        self.error: KubeError | None = None
        self.changes = 0
        api: Any = self
        self.keeper = OrderKeeper(self.views, api, Heartbeats(self.clock), self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def read(self, _now: object) -> tuple[Orders, int]:
        if self.error is not None:
            raise self.error
        return self.stored, 0


@pytest.fixture
def it() -> Keeping:
    it = Keeping()
    until = format_time(it.clock.now() + timedelta(seconds=30))
    it.stored = Orders((Order(OrderKind.PAUSE, "all", until=until),))
    return it


def error(failure: Failure) -> KubeError:
    return KubeError(failure, "no")


def test_what_is_ordered_stands_until_its_end_though_it_cannot_be_read(it):
    assert it.keeper.look()
    it.error = error(Failure.UNREACHABLE)
    assert not it.keeper.look()
    assert it.views.orders.paused()
    assert it.changes == 1
    it.clock.advance(31)
    it.keeper.look()
    assert not it.views.orders.paused()
    assert it.changes == 2, "who was held up is looked at"


@pytest.mark.parametrize("failure", [f for f in Failure if f is not Failure.NOT_FOUND])
def test_where_nobody_may_read_there_is_nothing_to_wait_for(it, failure):
    it.error = error(failure)
    assert it.keeper.look() is (failure is Failure.FORBIDDEN)
    assert any("cannot be read" in note for note in it.keeper.notes())
