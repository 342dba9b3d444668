"""Rows with our mark that nothing claims, and rows that only look like ours."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl.table.orphans import Patience
from dnatctl_sim.cloud import Fault as CloudFault
from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import (
    CLUSTER_ID,
    NAMESPACE,
    RECORDS,
    Running,
    Stage,
    eventually,
    fast,
    stage,
)

QUICK: dict[str, Any] = {"orphans": Patience(age_s=0.4, urgent_s=0.1), "sweep_s": 0.1}
NEVER: dict[str, Any] = {"orphans": Patience(age_s=1e9, urgent_s=0.1), "sweep_s": 0.1}
TABLE = "ngw-bp1emulated0001"


def orphan(it: Stage, n: int = 0, name: str = "", ip: str = "10.0.70.1") -> str:
    """A row that a crash might have left: our mark, and no PodDNAT of that UID."""
    name = name or it.marks.name(str(uuid.uuid4()), "default-gone")
    return it.acts.create_entry(TABLE, "203.0.113.1", str(700 + n), ip, str(80 + n), name=name)


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(resync="1s") as running:
        yield running


def test_an_orphan_is_deleted_when_it_has_been_one_for_long_enough(it: Stage) -> None:
    row = orphan(it)
    it.start_controller(**QUICK)
    eventually(lambda: it.rows() == [])
    (call,) = it.calls("DeleteForwardEntry")
    assert call.entry_id == row
    it.assert_at_rest()


def test_a_young_orphan_is_left_alone_and_counted(it: Stage) -> None:
    orphan(it)
    running = it.start_controller(**NEVER)
    world = running.controller.parts.views
    eventually(lambda: world.counts(TABLE).orphan == 1)
    it.quiet()
    assert len(it.rows()) == 1


def test_no_orphan_is_deleted_while_kubernetes_does_not_answer(it: Stage) -> None:
    it.start_controller(**QUICK)
    match = Match(verb="list", resource=RECORDS)
    rule = it.kube.faults.add(Fault(code=503), match, times=None)
    orphan(it)
    eventually(lambda: rule.hits >= 5)
    assert len(it.rows()) == 1
    rule.cancel()
    eventually(lambda: it.rows() == [])


def test_a_row_whose_poddnat_is_merely_unseen_is_no_orphan(it: Stage) -> None:
    """The watch never tells of the PodDNAT; a fresh list does."""
    it.start_controller(**QUICK)
    it.kube.faults.watches.swallow(RECORDS, 100)
    record = it.kube.store.create(RECORDS, bare_record(it))
    uid = record["metadata"]["uid"]
    it.referee.forged.add(("default", "unseen"))
    row = orphan(it, name=it.marks.name(uid, "default-unseen"))
    other = orphan(it, 1)
    eventually(lambda: [r["entry_id"] for r in it.rows()] == [row])
    assert [call.entry_id for call in it.calls("DeleteForwardEntry")] == [other]


def bare_record(it: Stage) -> dict[str, Any]:
    """A PodDNAT that nobody releases: its pod is there, and not asking for anything new."""
    return {
        "apiVersion": "alibabacloud.com/v1beta1",
        "kind": "PodDNAT",
        "metadata": {"name": "unseen", "namespace": "default"},
        "spec": {"tableId": TABLE, "externalIP": "203.0.113.1"},
    }


def test_a_cycle_deletes_no_more_than_its_budget() -> None:
    with stage(Scenario(knobs=fast(mode="relaxed"))) as it:
        name = it.marks.name(str(uuid.uuid4()), "default-gone")
        for n in range(7):
            orphan(it, n, name)
        running = it.start_controller(orphans=Patience(age_s=0.0, budget=3), sweep_s=1e6)
        controller = running.controller
        controller.parts.sweeper.sweep()
        for left in (4, 1, 0):
            read_again(controller.parts.views, controller.parts.gateways.fleet.poller(TABLE))
            controller.parts.sweeper.sweep()
            eventually(lambda left=left: len(it.rows()) <= left)
            it.quiet()
            assert len(it.rows()) == left


def read_again(world: Any, poller: Any) -> None:
    """Have the table read once more."""
    before = world.table(TABLE).generation
    poller.read_soon()
    eventually(lambda: world.table(TABLE).generation > before)


def test_upsert_only_deletes_nothing_whatever_happens() -> None:
    with stage(policy="upsert-only", resync="1s") as it:
        orphan(it)
        it.start_controller(**QUICK)
        it.pod("web")
        it.pod("off", "80,443")
        it.ready("web")
        it.ready("off", 2)
        it.delete_pod("web")
        it.annotate("off", switch="false")
        eventually(lambda: not it.entries("web") and not it.entries("off"))
        it.quiet()
        assert len(it.rows()) == 4
        assert it.calls("DeleteForwardEntry") == []


DENIED = CloudFault(
    action="error",
    stage="before",
    apis=["DeleteForwardEntry"],
    times=None,
    code="Forbidden.RAM",
    status=403,
)


def denied(it: Stage, run: Running) -> None:
    """Wait until an orphan is to be deleted, and the cloud does not grant it."""
    eventually(lambda: it.calls("DeleteForwardEntry"))
    eventually(lambda: run.controller.parts.gateways.fleet.writer(TABLE).orphans())


def nothing_waits(it: Stage, run: Running) -> None:
    """What waited is called off: granted or not, nothing is sent any more."""
    writer = run.controller.parts.gateways.fleet.writer(TABLE)
    eventually(lambda: not writer.backlog())
    it.cloud.clear_faults()
    sent = len(it.calls("DeleteForwardEntry"))
    for _ in range(3):
        read_again(run.controller.parts.views, run.controller.parts.gateways.fleet.poller(TABLE))
        run.controller.parts.sweeper.sweep()
    it.quiet()
    assert len(it.calls("DeleteForwardEntry")) == sent


def test_what_waits_is_called_off_by_upsert_only(it: Stage) -> None:
    """An emergency brake: it is put on while something is wrong, and deletes wait."""
    run = it.start_controller(**QUICK)
    it.cloud.add_fault(DENIED)
    row = orphan(it)
    denied(it, run)
    it.reload(policy="upsert-only")
    nothing_waits(it, run)
    assert [r["entry_id"] for r in it.rows()] == [row]
    it.reload(policy="sync")
    eventually(lambda: it.rows() == [])


def test_what_waits_is_called_off_where_more_are_found_than_a_crash_leaves(it: Stage) -> None:
    """People are told that none is deleted until they have looked."""
    run = it.start_controller(**QUICK)
    it.cloud.add_fault(DENIED)
    orphan(it)
    denied(it, run)
    for n in range(1, 12):
        orphan(it, n)
    eventually(run.controller.parts.sweeper.notes)
    nothing_waits(it, run)
    assert len(it.rows()) == 12


def test_an_orphan_on_a_living_pods_address_goes_first(it: Stage) -> None:
    """What a dead pod's controller left on the IP that a new pod has now."""
    row = orphan(it, ip="10.0.0.10")
    it.start_controller(**NEVER)
    it.pod("web", "80")
    it.ready("web")
    assert row not in {r["entry_id"] for r in it.rows()}
    it.assert_at_rest()


def test_it_goes_too_while_the_ledger_does_not_take_that_there_are_many(it: Stage) -> None:
    running = it.start_controller(**NEVER)
    it.quiet()
    for verb in ("patch", "create"):
        match = Match(verb, "configmaps", namespace=NAMESPACE)
        it.kube.faults.add(Fault(403, "not here"), match, times=None)
    many = [orphan(it, n, ip="10.0.70.1") for n in range(12)]
    eventually(lambda: running.controller.parts.views.counts(TABLE).orphan == 12)
    row = orphan(it, 12, ip="10.0.0.10")
    it.pod("web", "92")
    it.ready("web", seconds=30.0)
    assert {r["entry_id"] for r in it.rows()} & {row, *many} == set(many)


UID = "11111111-2222-4333-8444-555555555555"
LOOK_ALIKES = (
    f"dnatctl_{CLUSTER_ID}",
    f"dnatctl_{CLUSTER_ID}_",
    f"dnatctl_{CLUSTER_ID}_{UID[:-1]}",
    f"dnatctl_{CLUSTER_ID}_{UID}x",
    f"dnatctl_{CLUSTER_ID}_{UID.upper()[:-1]}G",
    f"dnatctl_{CLUSTER_ID}2_{UID}",
    f"dnatctl_{CLUSTER_ID[:-1]}_{UID}_default-web",
    f"dnatctl_{CLUSTER_ID}-{UID}_default-web",
    f"DNATCTL_{CLUSTER_ID}_{UID}",
    f"my-dnatctl_{CLUSTER_ID}_{UID}",
    "dnatctl",
    "terraform",
    "",
)


def test_no_row_that_only_looks_like_ours_is_ever_touched(it: Stage) -> None:
    for n, name in enumerate(LOOK_ALIKES):
        it.acts.create_entry(
            TABLE, "203.0.113.1", str(512 + n), "10.0.0.10", str(1000 + n), name=name
        )
    before = it.rows()
    it.start_controller(orphans=Patience(age_s=0.0, urgent_s=0.0), sweep_s=0.1)
    it.pod("web", "80,443")
    it.ready("web", 2)
    it.kube.kubelet.restart("default", "web")
    eventually(lambda: not it.wrong())
    it.delete_pod("web")
    it.gone("web")
    it.assert_at_rest()
    assert it.rows() == before


def test_two_clusters_share_a_gateway_and_leave_each_other_alone() -> None:
    """The other cluster's ID is ours with a letter more, and its pods have the same IPs."""
    other = f"{CLUSTER_ID}y"
    with (
        stage(resync="1s") as ours,
        stage(beside=ours, clusterID=other, resync="1s") as theirs,
    ):
        ours.referee.neighbours = f"dnatctl_{other}_"
        theirs.referee.neighbours = f"dnatctl_{CLUSTER_ID}_"
        both(ours, theirs)


def both(ours: Stage, theirs: Stage) -> None:
    """Two controllers at work on one table."""
    for n in range(4):  # an address serves one pod port in a table: keep theirs apart
        theirs.pod(f"spare-{n}", switch="false")
    for cluster in (ours, theirs):
        cluster.start_controller(**QUICK)
    for n in range(4):
        ours.pod(f"web-{n}")
        theirs.pod(f"web-{n}")
    for n in range(4):
        ours.ready(f"web-{n}")
        theirs.ready(f"web-{n}")
    kept = [e for n in range(4) for e in theirs.entries(f"web-{n}")]
    for n in range(4):
        ours.delete_pod(f"web-{n}")
    for n in range(4):
        ours.gone(f"web-{n}")
    ours.quiet()
    assert [e for n in range(4) for e in theirs.entries(f"web-{n}")] == kept
    assert {r["entry_id"] for r in ours.rows()} == {e["forwardEntryId"] for e in kept}
