"""What people are told is so: who did what, what is reachable, what is wrong now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Scenario
from tests.support.stage import Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"


@pytest.fixture
def one() -> Iterator[Stage]:
    """One EIP; gateways are described anew every second."""
    with stage(Scenario.many(1, eips=1, knobs=fast()), resync="1s") as running:
        running.start_controller()
        yield running


def drift(it: Stage) -> float:
    counter = it.running[0].controller._metrics.drift_repaired
    return float(sum(counter.labels(kind)._value.get() for kind in ("changed", "deleted")))


def reason(it: Stage, name: str) -> str:
    return str(it.condition(name).get("reason", ""))


def test_nobody_else_is_blamed_for_the_users_own_edit(one: Stage) -> None:
    one.pod("web", "80,443,53/udp")
    one.ready("web", 3)
    one.annotate("web", **{"expose-port": "80,53/udp"})
    one.ready("web", 2)
    one.annotate("web", **{"expose-port": "8080"})
    eventually(lambda: [e["internalPort"] for e in one.entries("web")] == ["8080"])
    one.assert_at_rest()
    assert "EntryRepaired" not in one.events("web")
    assert drift(one) == 0


def test_a_finished_pod_is_not_reachable(one: Stage) -> None:
    one.pod("job")
    one.ready("job")
    eventually(lambda: one.condition("job").get("status") == "True")
    one.kube.kubelet.finish("default", "job")
    one.gone("job")
    eventually(lambda: reason(one, "job") == "PodEnded")
    assert one.condition("job")["status"] == "False"
    one.assert_at_rest()


def test_a_mistake_that_was_mended_is_told_no_more_before_the_pod_is_reachable(one: Stage) -> None:
    one.pod("web", "bad")
    one.told("web", "InvalidAnnotation")
    one.cloud.set_knobs(mode="strict")
    row = one.acts.create_entry(GATEWAY, "203.0.113.1", "9", "10.0.50.1", "9", name="terraform")
    one.acts.hold_entry(row)
    one.annotate("web", **{"expose-port": "80"})
    eventually(lambda: reason(one, "web") == "EntriesPending")
    assert one.entries("web") == []
    one.acts.release_entry(row)
    one.ready("web")
    eventually(lambda: reason(one, "web") == "EntriesAvailable")
