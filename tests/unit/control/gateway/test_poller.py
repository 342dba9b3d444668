"""The poller's steps: when it reads, whom it tells, and what it makes of failures."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl.cloud.api import Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.poller import ERROR_PAUSE_S, LOOK_S, REST_S
from tests.unit.control.gateway.made import LOBBY, AtWork
from tests.unit.table.made import GATEWAY, row


@pytest.fixture
def it() -> AtWork:
    return AtWork()


def failing(it: AtWork, error: Exception) -> None:
    def read_page(table: str, number: int) -> Any:
        raise error

    it.cloud.read_page = read_page


def read(it: AtWork) -> None:
    """The table is read once more."""
    before = it.views.table(GATEWAY).generation
    it.poller.read_soon()
    while it.views.table(GATEWAY).generation == before:
        it.clock.advance(max(it.poller.step() or 0.0, 0.1))


def test_it_reads_when_it_is_asked_to_and_then_waits(it):
    read(it)
    waits = it.poller.step()
    assert LOOK_S < waits <= REST_S


def test_whom_a_new_row_concerns_is_told(it):
    record = it.stored(it.record())
    it.cloud.rows = {"fwd-1": row("fwd-1", owner=record.uid)}
    read(it)
    assert LOBBY in it.heard.changes


def test_whom_a_row_that_is_gone_makes_room_for_is_told(it):
    it.cloud.rows = {"fwd-1": row("fwd-1")}
    read(it)
    it.cloud.rows = {}
    for _ in range(3):
        read(it)
    assert it.heard.rooms == 1


class TestFailures:
    def test_a_bug_costs_one_reading_and_not_the_thread(self, it):
        failing(it, LookupError("a bug"))
        assert it.poller.step() == ERROR_PAUSE_S[0]

    def test_it_reads_again_after_pauses_that_grow(self, it):
        failing(it, CloudError(Operation.CREATE, ErrorKind.THROTTLED))
        pauses = [it.poller.step() for _ in range(8)]
        first, longest = ERROR_PAUSE_S
        assert (pauses[0], pauses[-1]) == (first, longest)
        assert it.poller.failing == 8
        del it.cloud.read_page
        read(it)
        it.poller.step()
        assert it.poller.failing == 0

    def test_a_table_that_is_not_there_is_missing(self, it):
        failing(it, CloudError(Operation.CREATE, ErrorKind.GATEWAY))
        it.poller.step()
        assert it.poller.missing

    def test_it_ends_with_the_process(self, it):
        failing(it, Stopped())
        assert it.poller.step() is None
