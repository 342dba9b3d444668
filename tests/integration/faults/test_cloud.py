"""The fault catalogue, the cloud's side: no answer, however bad, loses or doubles an entry."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dnatctl.table import view
from dnatctl_sim.cloud import Fault, Scenario, Settle
from dnatctl_sim.cloud.spec import EntrySpec, GatewaySpec
from tests.support.gate import CLOUD_WRITES
from tests.support.many import complaints
from tests.support.stage import Stage, eventually, fast, stage

GATEWAY = "ngw-bp1emulated0001"

ANSWERS: dict[str, dict[str, Any]] = {
    "closed before": {"action": "close", "stage": "before"},
    "reset after it was done": {"action": "reset", "stage": "after"},
    "closed after it was done": {"action": "close", "stage": "after"},
    "502 page before": {"action": "page", "stage": "before", "status": 502},
    "503 page after it was done": {"action": "page", "stage": "after", "status": 503},
    "empty after it was done": {"action": "empty", "stage": "after"},
    "InternalError before": {"action": "error", "stage": "before", "status": 500},
    "InternalError half-way": {"action": "error", "stage": "during", "status": 500},
    "InternalError after it was done": {"action": "error", "stage": "after", "status": 500},
    "ServiceUnavailable": {
        "action": "error", "stage": "before", "status": 503, "code": "ServiceUnavailable",
    },
    "a code nobody documented": {
        "action": "error", "stage": "before", "status": 400, "code": "Some.New.Code",
    },
    "OperationConflict": {
        "action": "error", "stage": "before", "status": 409, "code": "OperationConflict",
    },
    "LastTokenProcessing": {
        "action": "error", "stage": "before", "status": 400, "code": "LastTokenProcessing",
    },
    "IdempotentParameterMismatch": {
        "action": "error", "stage": "before", "status": 400, "code": "IdempotentParameterMismatch",
    },
    "slow": {"action": "delay", "stage": "after", "seconds": 1.0},
}  # fmt: skip


def life(answer: str) -> None:
    """Exposed, moved, released: with two bad answers to each kind of write."""
    with stage(resync="1s") as it:
        it.start_controller()
        for api in CLOUD_WRITES:
            it.cloud.add_fault(Fault(apis=[api], times=2, **ANSWERS[answer]))
        it.pod("web", "80,53/udp")
        it.ready("web", 2)
        ip = it.kube.kubelet.restart(it.ns, "web")
        eventually(lambda: {e["internalIP"] for e in it.entries("web")} == {ip})
        it.delete_pod("web")
        it.gone("web")
        it.assert_at_rest()
        assert it.own_rows() == []
        made = [call for call in it.calls("CreateForwardEntry") if call.committed]
        assert len(made) <= 3, "a row was made anew without need"


def test_bad_answers_to_writes_lose_and_double_nothing() -> None:
    """Response lost, timeout after success, and their like: on create, change and delete."""
    assert complaints(ANSWERS, life) == []


def reading(answer: str) -> None:
    """A pod is exposed while three readings of each kind go wrong."""
    with stage(resync="1s") as it:
        it.start_controller()
        it.pod("web")
        it.ready("web")
        for api in ("DescribeForwardTableEntries", "DescribeNatGateways", "DescribeEipAddresses"):
            it.cloud.add_fault(Fault(apis=[api], times=3, **ANSWERS[answer]))
        it.pod("next")
        it.ready("next")
        it.heal()
        it.assert_at_rest()


def test_bad_answers_to_reads_are_read_again() -> None:
    assert (
        complaints(["closed before", "502 page before", "empty after it was done"], reading) == []
    )


@pytest.mark.parametrize("hint", [False, True])
def test_throttled_for_a_while_then_well(hint: bool) -> None:
    """Nobody starves, and the limit is not hammered."""
    limits = {"CreateForwardEntry": 4, "DescribeForwardTableEntries": 4}
    knobs = fast(limits=limits, window=1.0, retry_after=hint)
    with stage(Scenario(knobs=knobs)) as it:
        it.start_controller()
        for n in range(16):
            it.pod(f"web-{n}")
        for n in range(16):
            it.ready(f"web-{n}")
        throttled = len(it.calls(code="Throttling.User"))
        assert throttled <= 20, "the limit is hammered"
        it.cloud.set_knobs(limits={})
        it.assert_at_rest()


def test_no_leave_for_a_while(it: Stage) -> None:
    """The RAM policy is taken away and given back: nothing is lost, all is made up for."""
    it.pod("web")
    before = it.ready("web")
    it.cloud.set_knobs(allowed=["vpc:DescribeForwardTableEntries"])
    it.pod("next")
    eventually(lambda: it.calls(code="Forbidden.RAM"))
    assert it.entries("web") == before
    it.cloud.set_knobs(allowed=["vpc:*", "ecs:*"])
    it.ready("next")
    eventually(lambda: it.record("next")["spec"].get("eni"))  # asked for again after a pause
    it.assert_at_rest()


def test_an_own_entry_that_stays_pending_is_not_listed_and_not_made_again(it: Stage) -> None:
    it.cloud.set_knobs(settle={"create": 600.0})
    it.pod("web")
    (row,) = eventually(lambda: it.own_rows("web"))
    reads = len(it.calls("DescribeForwardTableEntries"))
    eventually(lambda: len(it.calls("DescribeForwardTableEntries")) > reads + 2)
    assert it.entries("web") == []
    it.acts.release_entry(row["entry_id"])
    it.ready("web")
    assert len(it.calls("CreateForwardEntry")) == 1
    it.assert_at_rest()


def test_a_busy_time_that_varies_widely() -> None:
    knobs = fast(settle=Settle.all((0.0, 0.3)), read_lag=(0.0, 0.5), write_latency=(0.0, 0.05))
    with stage(Scenario(knobs=knobs)) as it:
        it.start_controller()
        for n in range(8):
            it.pod(f"web-{n}", "80,443")
        for n in range(8):
            it.ready(f"web-{n}", 2)
        for n in range(0, 8, 2):
            it.delete_pod(f"web-{n}")
        it.assert_at_rest()


def beside_others(count: int) -> GatewaySpec:
    """A gateway on whose table are so many rows of somebody else's."""
    entries = [
        EntrySpec(
            external_ip="203.0.113.2", external_port=str(2000 + n), internal_ip="10.0.90.1",
            internal_port=str(n + 1), name="terraform",
        )
        for n in range(count)
    ]  # fmt: skip
    return GatewaySpec(id=GATEWAY, eips=["203.0.113.1", "203.0.113.2"], entries=entries)


def test_pages_that_shift_while_they_are_read_never_read_as_deleted() -> None:
    """150 rows on three pages, and others delete and create all the time: ours are never missed."""
    gateway = beside_others(120)
    knobs = fast(quota=500, read_latency=0.01)
    with stage(Scenario(gateways=[gateway], knobs=knobs), resync="1s") as it:
        running = it.start_controller()
        for n in range(30):
            it.pod(f"web-{n}")
        for n in range(30):
            it.ready(f"web-{n}")
        it.quiet()
        before = it.writes()
        poller = running.controller.parts.gateways.fleet.poller(GATEWAY)
        until = time.monotonic() + 3.0
        ids = [str(row["entry_id"]) for row in it.rows() if row["name"] == "terraform"]
        n = 0
        while time.monotonic() < until:
            it.acts.delete_entry(ids.pop(n % len(ids)))
            where = (GATEWAY, "203.0.113.2", str(5000 + n), "10.0.90.1", str(5000 + n))
            ids.append(it.acts.create_entry(*where, name="terraform"))
            poller.read_soon()
            n += 1
            time.sleep(0.01)
        it.quiet()
        assert it.writes() == before, "a row that was there was taken for gone"
        it.assert_at_rest()


def test_a_neighbour_that_writes_without_end_holds_up_neither_start_nor_release() -> None:
    """Its rows go missing faster than they can be asked for one by one."""
    gateway = beside_others(150)
    knobs = fast(quota=500, read_latency=0.05)
    with stage(Scenario(gateways=[gateway], knobs=knobs)) as it, without_end(it):
        running = it.start_controller()
        it.pod("web")
        it.ready("web")
        it.delete_pod("web")
        it.gone("web")
        table = running.controller.parts.views.table(GATEWAY)
        eventually(lambda: table.present <= len(it.rows()) + 20)


@contextmanager
def without_end(it: Stage) -> Iterator[None]:
    """Rows of somebody else's go, and others come, ten a second."""
    ids = [str(row["entry_id"]) for row in it.rows() if row["name"] == "terraform"]
    ended = threading.Event()

    def write() -> None:
        for n in itertools.count():
            if ended.wait(0.1):
                return
            it.acts.delete_entry(ids.pop(0))
            where = (GATEWAY, "203.0.113.2", str(5000 + n), "10.0.90.1", str(5000 + n))
            ids.append(it.acts.create_entry(*where, name="terraform"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


# --- somebody edits by hand


@pytest.mark.parametrize(
    "change",
    [
        {"internal_ip": "10.0.99.99"},
        {"internal_port": "8081"},
        {"external_port": "999"},
        {"protocol": "udp"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_entry_edited_by_hand_is_put_right(it: Stage, change: dict[str, str]) -> None:
    it.pod("web", "80")
    (before,) = it.ready("web")
    it.edit_row(before["forwardEntryId"], **change)
    eventually(lambda: "EntryRepaired" in it.events("web"))
    eventually(lambda: not it.wrong())
    (after,) = it.ready("web")
    assert after["externalPort"] == before["externalPort"]
    it.assert_at_rest()
    drift = it.running[0].controller.parts.metrics.drift_repaired
    assert sum(drift.labels(kind)._value.get() for kind in ("changed", "deleted")) == 1


def test_an_entry_edited_by_hand_again_and_again_is_put_right_each_time(it: Stage) -> None:
    """A change that a reading has shown done is none that the cloud accepts and never does."""
    it.pod("web", "80")
    (before,) = it.ready("web")
    entry_id = before["forwardEntryId"]
    for _ in range(5):
        it.edit_row(entry_id, internal_ip="10.0.99.99")
        eventually(lambda: not it.wrong())
    assert it.ready("web") == [before]
    it.assert_at_rest()


def test_an_entry_deleted_by_hand_is_made_again(it: Stage) -> None:
    it.pod("web", "80,443")
    before = it.ready("web", 2)
    it.delete_row(before[0]["forwardEntryId"])
    eventually(lambda: it.entries("web") != before and len(it.entries("web")) == 2)
    assert [e["externalPort"] for e in it.entries("web")] == [e["externalPort"] for e in before]
    it.assert_at_rest()


@pytest.mark.parametrize("name", ["mine now", ""])
def test_a_mark_taken_off_by_hand_is_made_up_for_by_adoption(
    it: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PodDNAT names the row, and the row leads to its own pod: it stays in use."""
    monkeypatch.setattr(view, "READ_LAG_S", 1.0)  # so long a name has to be missing
    it.pod("web", "80")
    (before,) = it.ready("web")
    it.referee.adopted.add(before["forwardEntryId"])
    it.edit_row(before["forwardEntryId"], name=name)
    eventually(lambda: "EntriesAdopted" in it.events("web"))
    assert it.ready("web") == [before]
    it.assert_at_rest()
    it.delete_pod("web")
    it.gone("web")
    assert it.rows() == []


def test_a_status_edited_by_hand_is_put_right(it: Stage) -> None:
    it.pod("web", "80")
    before = it.ready("web")
    it.referee.forged.add((it.ns, "web"))
    lie = {"status": {"entries": [before[0] | {"externalPort": "1"}]}}
    it.kube.store.patch("poddnats.alibabacloud.com", it.ns, "web", lie, "status")
    eventually(lambda: it.entries("web") == before)
    it.assert_at_rest()


def test_a_claim_edited_by_hand_moves_the_entry(it: Stage) -> None:
    it.pod("web", "80")
    (before,) = it.ready("web")
    it.referee.forged.add((it.ns, "web"))
    ports = {"spec": {"portMapping": [{"externalPort": "900", "internalPort": "80"}]}}
    it.kube.store.patch("poddnats.alibabacloud.com", it.ns, "web", ports)
    eventually(lambda: not it.wrong() and it.entries("web") != [before])
    it.assert_at_rest()
