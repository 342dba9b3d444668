"""The threads of all gateways: who is at work, who was dismissed, what has been read."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from dnatctl.clock import Deadline
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.fleet import CUT_OFF_AFTER, Fleet
from tests.unit.control.gateway.made import AtWork
from tests.unit.table.made import GATEWAY


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def fleet(it: AtWork) -> Fleet:
    return it.gateways.fleet


def test_what_was_put_in_is_found(fleet, it):
    assert GATEWAY in fleet
    assert fleet.ids() == [GATEWAY]
    assert fleet.writer(GATEWAY) is it.writer
    assert fleet.poller(GATEWAY) is it.poller


class TestCutOff:
    def fail(self, it: AtWork, kind: ErrorKind, times: int) -> None:
        def read_page(table: str, number: int) -> NoReturn:
            raise CloudError(Operation.READ_TABLE, kind, message="no way there")

        it.cloud.read_page = read_page
        it.poller.read_soon()
        while it.poller.failing < times:
            it.clock.advance(max(it.poller.step() or 0.0, 0.1))

    @pytest.mark.parametrize("kind", [ErrorKind.UNKNOWN, ErrorKind.AUTH, ErrorKind.DENIED])
    def test_where_no_table_can_be_read_for_a_while(self, fleet, it, kind):
        self.fail(it, kind, CUT_OFF_AFTER - 1)
        assert fleet.cut_off() == "", "a hiccup"
        self.fail(it, kind, CUT_OFF_AFTER)
        assert "no way there" in fleet.cut_off()
        del it.cloud.read_page
        it.clock.advance(60.0)
        it.poller.step()
        assert fleet.cut_off() == ""

    def test_a_table_that_is_gone_is_no_matter_of_the_way_there(self, fleet, it):
        self.fail(it, ErrorKind.GATEWAY, CUT_OFF_AFTER)
        assert fleet.cut_off() == ""

    def test_nor_is_anything_where_there_is_none(self):
        assert Fleet().cut_off() == ""


def test_a_gateway_without_threads_has_neither(fleet):
    assert "ngw-other" not in fleet
    assert fleet.writer("ngw-other") is None
    assert fleet.poller("ngw-other") is None
    fleet.dismiss("ngw-other")


def test_one_that_was_dismissed_ends_and_is_waited_for(fleet, it):
    it.threads.start()
    fleet.dismiss(GATEWAY)
    assert GATEWAY not in fleet
    assert fleet.writers() == []
    assert fleet.join(Deadline(it.clock, 30.0)), "no write is under way"
    assert not it.writer._loop.running
    assert not it.poller._loop.running


def test_all_end_where_all_are_stopped(fleet, it):
    it.threads.start()
    fleet.stop()
    assert fleet.join(Deadline(it.clock, 30.0))
    assert not it.writer._loop.running
    assert not it.poller._loop.running


def test_a_table_counts_as_read_from_the_reading_on(fleet, it):
    now = it.clock.monotonic()
    assert not fleet.read_since(now)
    fleet.read_soon()
    it.poller.step()
    assert fleet.read_since(now)
    assert not fleet.read_since(now + 1)


def test_nobody_waits_for_a_table_that_cannot_be_read(fleet, it):
    it.cloud.read_page = refused
    fleet.read_soon()
    it.poller.step()
    assert fleet.read_since(it.clock.monotonic())
    [(gateway, why)] = fleet.complaints()
    assert gateway == GATEWAY
    assert "Forbidden.RAM" in why


def test_who_has_nothing_to_complain_of_is_not_named(fleet):
    assert list(fleet.complaints()) == []


def refused(table: str, number: int) -> NoReturn:
    raise CloudError(Operation.READ_TABLE, ErrorKind.DENIED, code="Forbidden.RAM")


def test_a_gateway_whose_threads_cannot_start_is_not_at_work(fleet, it, monkeypatch):
    """It is begun with again when it is described again: no half of it stays behind."""
    fleet.dismiss(GATEWAY)
    threads = it.gateways._make_threads(GATEWAY)

    def start() -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads.writer, "start", start)
    with pytest.raises(RuntimeError, match="new thread"):
        fleet.begin(GATEWAY, threads)
    assert GATEWAY not in fleet
    assert fleet.join(Deadline(it.clock, 30.0)), "its reader was stopped"


def test_whoever_waits_for_writes_finds_those_of_one_that_is_just_dismissed(fleet, it, monkeypatch):
    found: list[bool] = []
    monkeypatch.setattr(it.writer, "join", lambda _timeout: False)
    stop = it.writer.stop

    def stopping() -> None:
        found.append(fleet.join_writers(Deadline(it.clock, 0.0)))
        stop()

    monkeypatch.setattr(it.writer, "stop", stopping)
    fleet.dismiss(GATEWAY)
    assert found == [False]


def test_what_is_only_read_is_not_waited_for_by_who_waits_for_writes(fleet, it):
    reading, answer = threading.Event(), threading.Event()

    def read_page(_table: str, _number: int) -> NoReturn:
        reading.set()
        answer.wait(60)
        raise CloudError(Operation.READ_TABLE, ErrorKind.UNKNOWN)

    it.cloud.read_page = read_page
    it.poller.read_soon()
    it.threads.start()
    assert reading.wait(60)
    fleet.stop()
    assert fleet.join_writers(Deadline(it.clock, 30.0))
    assert it.poller._loop.running
    answer.set()
    assert fleet.join(Deadline(it.clock, 30.0))
