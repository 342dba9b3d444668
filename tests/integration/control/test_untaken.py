"""Pods that the API server does not let be told how they stand, for a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import Stage, eventually, stage

ERRORS = {
    "a conflict": Fault(code=409),
    "too many requests": Fault(code=429, retry_after=1),
    "a failure": Fault(code=500),
    "unavailable": Fault(code=503),
    "no answer": Fault(drop=True),
    "a timeout when it was done": Fault(code=504, after=True),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """Nothing comes round to a pod by itself for as long as a test lasts."""
    with stage(resync="30m") as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


@pytest.mark.parametrize("error", ERRORS)
def test_a_readiness_gate_does_not_wait_for_the_next_resync(it: Stage, error: str) -> None:
    rule = it.kube.faults.add(ERRORS[error], Match("patch", "pods", "status"), times=2)
    it.pod("web")
    it.ready("web")
    eventually(lambda: it.condition("web").get("status") == "True", what=lambda: str(rule.hits))
    assert rule.hits
