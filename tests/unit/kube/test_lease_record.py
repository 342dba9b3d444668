"""What somebody who sees a Lease once makes of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dnatctl.kube.lease_record import LeaseRecord
from dnatctl.times import parse_time

NOW = parse_time("2026-11-27T12:00:00Z")
assert NOW is not None


def held(**spec: object) -> LeaseRecord:
    return LeaseRecord.read(json.dumps({"metadata": {}, "spec": spec}).encode())


@pytest.mark.parametrize(
    ("age_s", "duration", "silent"),
    [
        (-20, 15, False),
        (14, 15, False),
        (29, 15, False),  # of it 15 may be what the clocks differ by
        (31, 15, True),
        (31, None, True),
        (29, None, False),
        (90, 60, False),
    ],
)
def test_its_holder_is_dead_after_twice_its_duration(
    age_s: int, duration: int | None, silent: bool
) -> None:
    renewed = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert held(renewTime=renewed, leaseDurationSeconds=duration).silent(NOW) is silent


@pytest.mark.parametrize("renewed", [None, "", "yesterday", 7])
def test_its_holder_is_dead_where_it_does_not_say_when_it_was_renewed(renewed: object) -> None:
    assert held(renewTime=renewed).silent(NOW)
