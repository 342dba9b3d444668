"""A pod gets the IP of one that is gone: nobody may meet it at the dead pod's endpoint for long."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dnatctl.table.writes import DeleteRow
from dnatctl_sim.cloud import Scenario, Settle
from tests.support.stage import Stage, eventually, fast, stage
from tests.support.workloads import stateful

SETTLE_S = 0.1
ROUNDS = 10


@pytest.fixture
def it() -> Iterator[Stage]:
    knobs = fast(settle=Settle.all(SETTLE_S), write_latency=0.02, read_latency=0.01)
    with stage(Scenario(knobs=knobs), quarantine="1s") as running:
        running.start_controller()
        yield running


def swap(it: Stage, old: str, new: str) -> float:
    """Delete one pod by force and create another, which gets its IP; when it had it."""
    ip = it.kube.store.get("pods", it.ns, old)["status"]["podIP"]
    it.delete_pod(old, grace=0)
    it.pod(new)
    eventually(lambda: (it.kube.store.get("pods", it.ns, new) or {})["status"].get("podIP"))
    assert it.kube.store.get("pods", it.ns, new)["status"]["podIP"] == ip
    return time.monotonic()


def led_there(it: Stage, pod: str) -> list[str]:
    """Rows that lead to the pod and are not its own; such as are being deleted have a star."""
    ip = it.kube.store.get("pods", it.ns, pod)["status"]["podIP"]
    record = it.record(pod)
    uid = record["metadata"]["uid"] if record else "?"
    return [
        f"{row['entry_id']}{'' if row['works'] else '*'}"
        for row in it.rows()
        if row["internal_ip"] == ip and uid not in str(row["name"])
    ]


def exposed_by_another(it: Stage, pod: str) -> bool:
    """Whether another pod's endpoint is in service and leads to this one."""
    return any(not row.endswith("*") for row in led_there(it, pod))


@dataclass(slots=True)
class Window:
    """Seconds from the moment a new pod has the IP of a dead one. `deleted`: the cloud has taken
    the delete of the old row; `gone`: the row is gone; `ready`: the new pod's own is usable."""

    deleted: float
    gone: float
    ready: float


def measure(it: Stage, n: int) -> Window:
    """Let one pod more take over the IP, and look closely."""
    began = swap(it, f"web-{n}", f"web-{n + 1}")
    eventually(lambda: not exposed_by_another(it, f"web-{n + 1}"))
    deleted = time.monotonic() - began
    eventually(lambda: not led_there(it, f"web-{n + 1}"))
    gone = time.monotonic() - began
    it.ready(f"web-{n + 1}")
    return Window(deleted, gone, time.monotonic() - began)


@pytest.mark.parametrize("busy", [False, True])
def test_the_dead_pods_endpoint_leads_to_its_successor_until_it_is_released(
    it: Stage, busy: bool
) -> None:
    """Prints how long that took; how long it takes in writes is the next test's to say."""
    it.pod("web-0")
    it.ready("web-0")
    if busy:
        for n in range(40):
            it.pod(f"busy-{n}")
        eventually(lambda: all(p["status"].get("podIP") for p in it.kube.store.list("pods")))
    windows = [measure(it, n) for n in range(ROUNDS // 2 if busy else ROUNDS)]
    for name in ("deleted", "gone", "ready"):
        seconds = [getattr(window, name) * 1000 for window in windows]
        state = "busy" if busy else "idle"
        median = statistics.median(seconds)
        print(f"{state} table, {name}: median {median:.0f} ms, worst {max(seconds):.0f} ms")
    it.assert_at_rest()


def test_what_stands_in_a_living_pods_way_goes_before_everything_else(it: Stage) -> None:
    """The table has a backlog of others' creates and deletes; the dead pod's row does not wait."""
    offs = [f"off-{n}" for n in range(10)]
    for name in ("old", *offs):
        it.pod(name)
    for name in offs:
        it.ready(name)
    (entry,) = it.ready("old")
    uid, table = it.record("old")["metadata"]["uid"], it.own_rows("old")[0]["gateway"]
    foreign = it.acts.create_entry(table, "203.0.113.1", "9", "10.0.50.1", "9", name="terraform")
    it.acts.hold_entry(foreign)
    writer = it.running[0].controller.parts.gateways.fleet.writer(table)
    for name in offs:
        it.annotate(name, switch="false")
    for n in range(30):
        it.pod(f"busy-{n}")
    eventually(lambda: writer.backlog() >= 40)
    swap(it, "old", "new")
    delete = DeleteRow(table, entry["forwardEntryId"])
    eventually(lambda: writer.is_wanted(uid, delete, first=True), what="it goes first")
    begun = it.cloud.calls()[-1].seq
    it.acts.release_entry(foreign)
    it.ready("new")
    for n in range(30):
        it.ready(f"busy-{n}")
    for name in offs:
        it.gone(name)
    sent = it.calls("CreateForwardEntry", "DeleteForwardEntry", since=begun)
    before = [call.entry_id for call in sent].index(delete.entry_id)
    assert before <= 2, "the old row waited behind the others"
    assert len(sent) - before > 38, "they waited"
    it.assert_at_rest()


def test_a_pod_that_asks_for_nothing_is_not_met_at_a_dead_pods_endpoint(it: Stage) -> None:
    it.pod("old", "80,443")
    it.ready("old", 2)
    it.delete_pod("old", grace=0)
    it.pod("private", switch="false")
    eventually(lambda: it.kube.store.get("pods", it.ns, "private")["status"].get("podIP"))
    eventually(lambda: not exposed_by_another(it, "private"))
    it.assert_at_rest()


def test_a_pod_gets_the_ip_of_a_fixed_one_that_is_away(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful("default"))
    it.ready("db-0")
    with it.kube.store.raw.lock:
        it.delete_pod("db-0", grace=0)
        it.pod("new")
    it.ready("new")
    it.ready("db-0")
    eventually(lambda: not it.wrong())
    it.assert_at_rest()
