"""Two clusters with one clusterID: a configuration that was copied costs nobody an entry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from dnatctl.table.marks import Marks
from dnatctl.table.orphans import Patience
from dnatctl_sim.cloud import Settle
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import CLUSTER_ID, NAMESPACE, Running, Stage, eventually, stage

EAGER: dict[str, Any] = {"orphans": Patience(age_s=0.0, urgent_s=0.0), "sweep_s": 0.05}
TABLE = "ngw-bp1emulated0001"
SYSTEM = Match(verb="get", resource="namespaces", name="kube-system")


@pytest.fixture
def ours() -> Iterator[Stage]:
    with stage(resync="1s") as running:
        yield running


@pytest.fixture
def theirs(ours: Stage) -> Iterator[Stage]:
    """A cluster of its own with the same configuration."""
    with stage(beside=ours, resync="1s") as running:
        for n in range(4):  # an address serves one pod port in a table: keep theirs apart
            running.pod(f"spare-{n}", switch="false")
        yield running


def untagged(it: Stage, count: int) -> set[str]:
    """Rows that a version without tags made, here or in another cluster."""
    marks = Marks(CLUSTER_ID)
    with it.cloud.lock:  # nobody sees a part of them, which may be few enough to be swept
        return {
            it.acts.create_entry(
                TABLE,
                "203.0.113.1",
                str(900 + n),
                "10.0.70.1",
                str(80 + n),
                name=marks.name(str(uuid.uuid4()), "default-web"),
            )
            for n in range(count)
        }


def ids(it: Stage) -> set[str]:
    return {row["entry_id"] for row in it.rows()}


def readyz(running: Running) -> str:
    """What is said of the controller's state."""
    port = running.controller.parts.doors.health_port
    with urlopen(f"http://127.0.0.1:{port}/readyz?verbose&exclude=pool") as answer:
        return str(answer.read().decode())


def told(it: Stage, reason: str) -> str:
    """What an event in the controller's namespace says."""
    return str(eventually(lambda: it.events("dnatctl", NAMESPACE).get(reason), what=reason))


def swept(running: Running, times: int = 3) -> None:
    """Wait until the table was read and orphans were looked for so many times."""
    controller = running.controller
    for _ in range(times):
        before = controller.parts.views.table(TABLE).generation
        controller.parts.gateways.fleet.poller(TABLE).read_soon()
        eventually(lambda b=before: controller.parts.views.table(TABLE).generation > b)
        controller.parts.sweeper.sweep()


def test_both_at_work_leave_each_other_alone(ours: Stage, theirs: Stage) -> None:
    running = [it.start_controller(**EAGER) for it in (ours, theirs)]
    for n in range(4):
        ours.pod(f"web-{n}")
        theirs.pod(f"web-{n}")
    for n in range(4):
        ours.ready(f"web-{n}")
        theirs.ready(f"web-{n}")
    before = ids(ours)
    for it in running:
        swept(it)
    for it in (ours, theirs):
        assert "same clusterID" in told(it, "ClusterIDShared")
    assert all("gc --of" in readyz(it) for it in running)
    for it in (ours, theirs):  # a restart changes nothing
        it.stop_controllers()
        swept(it.start_controller(**EAGER))
    assert ids(ours) == before
    for it in (ours, theirs):
        it.assert_at_rest()


def test_a_copy_does_not_begin_beside_the_original(ours: Stage, theirs: Stage) -> None:
    ours.start_controller(**EAGER)
    ours.pod("web")
    ours.ready("web")
    before = ids(ours)
    copy = theirs.start_controller(wait=False, **EAGER)
    theirs.pod("web")
    assert "clusterID of its own" in told(theirs, "NotWorking")
    lease = theirs.kube.store.get("leases.coordination.k8s.io", NAMESPACE, "dnatctl") or {}
    (event,) = theirs.kube.store.list("events", NAMESPACE)
    assert event["involvedObject"]["uid"] == lease["metadata"]["uid"], "kubectl describe asks so"
    assert "clusterID of its own" in copy.controller.parts.standing.check_pool()
    assert ids(ours) == before
    assert not theirs.records()
    ours.delete_pod("web")
    ours.gone("web")
    theirs.ready("web")  # nothing speaks against it any more


def test_an_id_of_its_own_given_later_leaks_nothing_and_costs_nobody_an_entry(ours: Stage) -> None:
    """As the runbook asks for; or two replicas have not the same file."""
    ours.start_controller(**EAGER)
    ours.cloud.set_knobs(settle={"create": 600.0})
    ours.pod("web")
    eventually(lambda: ours.own_rows("web"))  # and nobody has been told of the row yet
    ours.stop_controllers()
    ours.cloud.set_knobs(settle=Settle.all(0.02))
    (row,) = ids(ours)
    name = ours.marks.name(str(uuid.uuid4()), "default-leftover")
    where = (TABLE, "203.0.113.1", "900", "10.0.70.1", "80")
    leftover = ours.acts.create_entry(*where, name=name)
    ours.config["clusterID"] = "another"
    ours.start_controller(**EAGER)
    ours.acts.release_entry(row)
    assert [entry["forwardEntryId"] for entry in ours.ready("web")] == [row]
    eventually(lambda: leftover not in ids(ours))
    ours.delete_pod("web")
    ours.gone("web")
    assert not ids(ours)


def test_rows_of_an_earlier_version_are_ours_still(ours: Stage) -> None:
    rule = ours.kube.faults.add(Fault(code=403), SYSTEM, times=None)
    ours.start_controller(**EAGER)
    for n in range(3):
        ours.pod(f"web-{n}")
        ours.ready(f"web-{n}")
    before = ids(ours)
    assert not any(ours.marks.proves(row["name"]) for row in ours.rows())
    ours.stop_controllers()
    rule.cancel()
    swept(ours.start_controller(**EAGER))
    ours.assert_at_rest()
    assert ids(ours) == before
    ours.delete_pod("web-0")
    ours.gone("web-0")
    assert len(ids(ours)) == 2


@pytest.mark.parametrize("knows_itself", [True, False])
def test_many_orphans_stop_the_sweeper_across_restarts(ours: Stage, knows_itself: bool) -> None:
    if not knows_itself:
        ours.kube.faults.add(Fault(code=403), SYSTEM, times=None)
    ours.start_controller(**EAGER)
    ours.pod("web", "80,81,82,83,84,85,86,87,88,89")
    ours.ready("web", 10)
    theirs = untagged(ours, 3)
    (running,) = ours.running
    swept(running)
    assert "dnatctl gc" in told(ours, "OrphansHeld")
    assert "dnatctl gc" in readyz(running)
    ours.pod("more", "80,81,82,83,84,85,86,87,88,89")  # so that 3 are less than a fifth
    ours.ready("more", 10)
    swept(running)
    ours.stop_controllers()
    swept(ours.start_controller(**EAGER))
    assert theirs <= ids(ours)
    for row in theirs:
        ours.acts.delete_entry(row)
    eventually(lambda: not ours.running[0].controller.parts.sweeper.notes())


def test_a_few_leftovers_among_many_rows_go(ours: Stage) -> None:
    ours.start_controller(**EAGER)
    ours.pod("web", "80,81,82,83,84")
    ours.ready("web", 5)
    (leftover,) = untagged(ours, 1)
    eventually(lambda: leftover not in ids(ours))
    assert len(ids(ours)) == 5


def test_a_ledger_that_came_from_another_cluster_is_refused(ours: Stage) -> None:
    """A backup of the namespace, put into another cluster: its adopted rows are not ours."""
    ours.kube.store.create(
        "configmaps",
        {
            "metadata": {"name": "dnatctl-ledger", "namespace": NAMESPACE},
            "data": {"cluster": str(uuid.uuid4()), "clusterID": CLUSTER_ID},
        },
    )
    ours.start_controller(wait=False, **EAGER)
    assert "delete the ConfigMaps" in told(ours, "NotWorking")
    ours.kube.store.delete("configmaps", NAMESPACE, "dnatctl-ledger")
    ours.pod("web")
    ours.ready("web")
