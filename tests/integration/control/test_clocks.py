"""Machines whose clocks are wrong, or jump: what the API server's clock says counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.clock import WrongClock
from tests.support.stage import Object, Stage, eventually, stage
from tests.support.workloads import stateful

SETS = "statefulsets.apps"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(fixed={"retain": "1h"}) as running:
        yield running


def retained(it: Stage) -> Object:
    """The condition that dates since when a claim is only kept; empty if there is none."""
    conditions = (it.record("db-0") or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Retained"), {})


def keep_a_claim(it: Stage) -> Object:
    """A fixed pod that is scaled away."""
    it.kube.store.create(SETS, stateful(it.ns, "db", fixed=""))
    it.ready("db-0")
    it.kube.store.patch(SETS, it.ns, "db", {"spec": {"replicas": 0}})
    kept: Object = eventually(lambda: retained(it), what="its claim is kept")
    return kept


@pytest.mark.parametrize("days", [-1, 1])
def test_a_leaders_clock_that_jumps_ends_no_claim(it: Stage, days: int) -> None:
    machine = WrongClock()
    it.start_controller(machine=machine)
    kept = keep_a_claim(it)
    machine.ahead = timedelta(days=days)
    it.assert_at_rest()
    assert retained(it) == kept
    notes = it.running[0].controller.parts.standing.troubles()
    assert any("this machine's clock is" in note for note in notes)


@pytest.mark.parametrize("days", [-1, 1])
def test_the_next_leader_may_have_another_day(it: Stage, days: int) -> None:
    it.start_controller(machine=WrongClock(timedelta(days=-days)))
    kept = keep_a_claim(it)
    it.stop_controllers()
    it.start_controller(machine=WrongClock(timedelta(days=days)))
    it.assert_at_rest()
    assert retained(it) == kept
