"""Many wait for few endpoints: nobody is starved, and waiting costs little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import Stage, eventually, stage

GATEWAY = "ngw-bp1emulated0001"
POOL = {
    "natGwPool": [
        {
            "natgwId": GATEWAY,
            "portRangeStart": 600,
            "portRangeEnd": 603,
            "eips": ["203.0.113.1"],
        }
    ]
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """Four endpoints in all. No resync: it would be counted as looks."""
    with stage(networkController=POOL, quarantine="1s", resync="1h") as it:
        it.start_controller()
        yield it


def holders(it: Stage, namespace: str) -> list[str]:
    """Pods of the namespace that are exposed."""
    return [
        record["metadata"]["name"]
        for record in it.records(namespace)
        if record.get("status", {}).get("entries")
    ]


def reconciled(it: Stage) -> float:
    """How often pods were looked at so far."""
    metrics = it.running[0].controller.parts.metrics
    results = ("success", "error", "requeue", "requeue_after")
    return sum(metrics.reconciles.labels("dnatctl", r)._value.get() for r in results)


def test_a_latecomer_of_another_namespace_is_served_within_a_few_releases(it: Stage) -> None:
    crowd = it.ns
    for n in range(60):
        it.pod(f"web-{n}")
    eventually(lambda: len(holders(it, crowd)) == 4)
    it.quiet()
    it.move_to(f"{crowd}-late")
    it.pod("late")
    it.told("late", "PoolExhausted")
    for _ in range(6):
        if it.entries("late"):
            break
        before = holders(it, crowd)
        it.delete_pod(before[0], crowd, grace=0)
        eventually(
            lambda before=before: (
                it.entries("late") or len(set(holders(it, crowd)) - set(before)) == 1
            )
        )
    assert it.entries("late"), "it came after 56 others, and is served before them"
    for pod in it.kube.store.list("pods", crowd):
        it.delete_pod(pod["metadata"]["name"], crowd, grace=0)
    eventually(lambda: not it.records(crowd))


def test_one_release_does_not_wake_all_who_wait(it: Stage) -> None:
    for n in range(120):
        it.pod(f"web-{n}")
    eventually(lambda: len(holders(it, it.ns)) == 4)
    it.quiet()
    before, had = reconciled(it), holders(it, it.ns)
    it.delete_pod(had[0], grace=0)
    eventually(lambda: set(holders(it, it.ns)) - set(had))
    assert reconciled(it) - before < 110, "all 116 would be more"


@pytest.fixture
def crowd(it: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """One endpoint is left, and sixty wait that need two each. Time alone calls nobody."""
    for n in range(3):
        it.pod(f"web-{n}")
        it.ready(f"web-{n}")
    waiting = it.running[0].controller.parts.views.waiting
    eventually(lambda: waiting._pool.next_rested(waiting._clock.monotonic()) is None)
    monkeypatch.setattr(waiting, "pulse", list)
    for n in range(60):
        it.pod(f"big-{n}", "80,81")
    eventually(lambda: len(waiting._for_room) == 60)
    it.quiet()
    return it


def test_those_who_ask_for_more_hold_up_none_for_whom_there_is_enough(crowd: Stage) -> None:
    before = reconciled(crowd)
    crowd.pod("small")
    crowd.ready("small")
    crowd.quiet()
    assert reconciled(crowd) - before < 60 + 60, "each once, and no more"


def test_who_has_to_wait_for_his_turn_is_told_so(
    crowd: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnatctl.control.worker.its_turn.TOLD_AFTER_S", 0.5)
    waiting = crowd.running[0].controller.parts.views.waiting
    monkeypatch.setattr(waiting, "_calls_on", 0)
    crowd.pod("small")
    said = crowd.told("small", "PoolExhausted")
    assert "there is room for this pod, but others have waited" in said
    monkeypatch.undo()
    crowd.ready("small")


def test_one_that_asks_for_more_than_there_is_holds_up_nobody(it: Stage) -> None:
    it.pod("greedy", "1-20")
    said = it.told("greedy", "PoolExhausted")
    assert "20 ports are asked for" in said
    for n in range(4):
        it.pod(f"web-{n}")
    for n in range(4):
        it.ready(f"web-{n}")
