"""A machine whose clock is wrong calls the cloud all the same: the cloud says what time it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dnatctl_sim.cloud import rows
from tests.integration.cloud.bench import TABLE_ID, Bench, new_entry, token
from tests.support.clock import WrongClock


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_calls_are_dated_as_the_cloud_dates_its_refusal(bench: Bench, hours: int) -> None:
    bench.emulated.clock = WrongClock(timedelta(hours=hours))
    cloud = bench.connect()
    cloud.create_entry(TABLE_ID, new_entry(), token("x"))
    cloud.read_page(TABLE_ID, 1)
    assert bench.observed == [
        ("CreateForwardEntry", "auth"),
        ("CreateForwardEntry", "ok"),
        ("DescribeForwardTableEntries", "ok"),
    ]
    assert len(rows(bench.emulated)) == 1


def test_a_clock_that_is_set_right_while_at_work_costs_one_refusal(bench: Bench) -> None:
    bench.emulated.clock = WrongClock(timedelta(hours=1))
    cloud = bench.connect()
    cloud.read_page(TABLE_ID, 1)
    bench.emulated.clock = WrongClock()
    cloud.read_page(TABLE_ID, 1)
    cloud.read_page(TABLE_ID, 1)
    assert [kind for _, kind in bench.observed] == ["auth", "ok", "auth", "ok", "ok"]
