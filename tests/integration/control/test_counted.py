"""What is counted is what happened: on a real table, with real namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Scenario
from tests.support.stage import Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    limits = {"quota": {"counted": 3, "unused": 5}}
    with stage(Scenario(knobs=fast()), namespaces=limits) as it:
        it.start_controller()
        yield it


def value(it: Stage, name: str, **labels: str) -> float | None:
    """A sample of the running controller; None where there is no such series."""
    return it.running[0].controller.parts.metrics.registry.get_sample_value(name, labels)


def quota(it: Stage, namespace: str) -> tuple[float | None, float | None]:
    """How much of its quota a namespace has used, and the quota."""
    return (
        value(it, "dnatctl_namespace_endpoints_used", resource_namespace=namespace),
        value(it, "dnatctl_namespace_endpoints_limit", resource_namespace=namespace),
    )


def test_endpoints_count_against_quotas_where_there_are_some(it: Stage) -> None:
    it.move_to("free")
    it.pod("anywhere")
    it.ready("anywhere")
    assert quota(it, "free") == (None, None)
    it.clear_out()
    it.move_to("counted")
    it.pod("game", "80,443")
    it.ready("game", 2)
    assert quota(it, "counted") == (2, 3)
    assert quota(it, "unused") == (0, 5)


def test_the_last_write_and_the_wait_are_measured(it: Stage) -> None:
    reached = value(it, "dnatctl_pod_reachable_seconds_count") or 0
    started = it.running[0].controller.parts.clock.now().timestamp()
    it.pod("measured")
    it.ready("measured")
    written = value(it, "dnatctl_last_write_timestamp_seconds", gateway=GATEWAY)
    assert written is not None
    assert written >= started
    eventually(lambda: value(it, "dnatctl_pod_reachable_seconds_count") == reached + 1)
    assert value(it, "dnatctl_pod_reachable_seconds_bucket", le="0.025") is not None
