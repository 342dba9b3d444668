"""The clock of a machine that is wrong, beside a server's that is right."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from dnatctl.clock import ClusterClock, SystemClock, parse_http_date
from tests.support.clock import EPOCH, FakeClock

DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no such clock here")
def test_time_that_a_machine_sleeps_is_time_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that was suspended beyond its Lease wrote when it woke."""
    slept = {time.CLOCK_BOOTTIME: 700.0, time.CLOCK_MONOTONIC: 100.0}
    monkeypatch.setattr(time, "clock_gettime", slept.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: slept[time.CLOCK_MONOTONIC])
    assert SystemClock().monotonic() == 700.0


def test_before_any_answer_the_machine_is_believed() -> None:
    clock = ClusterClock(FakeClock())
    assert (clock.now(), clock.monotonic(), clock.notes()) == (EPOCH, 1000.0, [])


def test_where_they_agree_the_machines_own_time_is_used() -> None:
    machine = FakeClock(now=EPOCH + timedelta(seconds=29.5))
    clock = ClusterClock(machine)
    clock.dated(DATE, 1000.0)
    assert (clock.now(), clock.notes()) == (machine.now(), [])


@pytest.mark.parametrize(("hours", "how"), [(1, "ahead of"), (-1, "behind")])
def test_one_that_is_wrong_is_put_right_and_told(hours: int, how: str) -> None:
    clock = ClusterClock(machine := FakeClock(now=EPOCH + timedelta(hours=hours)))
    clock.dated(DATE, 1000.0)
    machine.advance(5.0)
    assert clock.now() == EPOCH + timedelta(seconds=5)
    assert f"this machine's clock is 3600 s {how} the API server's" in clock.notes()[0]


def test_a_jump_between_two_answers_is_no_time_that_has_passed() -> None:
    clock = ClusterClock(machine := FakeClock())
    clock.dated(DATE, 1000.0)
    machine.advance(1.5)
    machine.set_back(86_400.0)
    assert clock.now() == EPOCH + timedelta(seconds=1.5)


def test_of_several_servers_one_that_is_wrong_is_not_believed() -> None:
    clock = ClusterClock(machine := FakeClock())
    for second in range(0, 20, 2):
        clock.dated(f"Thu, 01 Jan 2026 00:00:{second:02} GMT", machine.monotonic())
        machine.advance(1.0)
        clock.dated("Fri, 02 Jan 2026 00:00:00 GMT", machine.monotonic())
        machine.advance(1.0)
        assert clock.now() == machine.now()


def test_a_server_that_says_so_twice_was_set_right() -> None:
    clock = ClusterClock(machine := FakeClock())
    clock.dated(DATE, machine.monotonic())
    machine.advance(10.0)
    clock.dated("Fri, 02 Jan 2026 00:00:00 GMT", machine.monotonic())
    assert clock.behind() == timedelta()
    machine.advance(2.0)
    clock.dated("Fri, 02 Jan 2026 00:00:02 GMT", machine.monotonic())
    assert clock.now() == datetime(2026, 1, 2, 0, 0, 2, tzinfo=UTC)


def test_once_it_is_set_right_it_is_believed_again() -> None:
    clock = ClusterClock(machine := FakeClock(now=EPOCH + timedelta(hours=1)))
    clock.dated(DATE, 1000.0)
    machine.set_back(3600.0)
    assert (clock.now(), clock.notes()) == (EPOCH, [])


def test_what_makes_no_sense_or_took_long_says_nothing() -> None:
    clock = ClusterClock(machine := FakeClock())
    end_of_time = "Fri, 31 Dec 9999 23:59:59 GMT"
    for date in (end_of_time, "", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT", "\x00"):
        clock.dated(date, 1000.0)
    machine.advance(20.0)
    assert clock.now() == machine.now()
    clock.dated("Thu, 01 Jan 2027 00:00:00 GMT", 1000.0)
    assert clock.behind() == timedelta()


def test_dates_of_http_are_read() -> None:
    assert parse_http_date(DATE) == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_http_date("Thu, 01 Jan 2026 00:00:00 -0000") == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_http_date("soon") is None
