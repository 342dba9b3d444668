"""Fixed exposures: the claim belongs to the name, and outlives one pod of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

STATEFUL_SETS = "statefulsets.apps"


KEEP = {"retain": "1h"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    with stage(fixed=KEEP, resync="1s") as running:
        running.start_controller()
        yield running
        running.assert_at_rest()


def set_up(it: Stage, replicas: int = 1, ports: str = "80", fixed: str = "") -> None:
    """A StatefulSet `db` with that many pods, ready."""
    workload = stateful(it.ns, ports=ports, fixed=fixed, replicas=replicas)
    it.kube.store.create(STATEFUL_SETS, workload)
    for n in range(replicas):
        it.ready(f"db-{n}", len(ports.split(",")))


def scale(it: Stage, replicas: int) -> None:
    it.kube.store.patch(STATEFUL_SETS, it.ns, "db", {"spec": {"replicas": replicas}})


@contextmanager
def retain_time_ends(it: Stage) -> Iterator[None]:
    """What was scaled away is kept for a second, where it was for an hour."""
    it.reload(fixed={"retain": "1s"})
    try:
        yield
    finally:
        it.reload(fixed=KEEP)


def recreate(it: Stage, name: str) -> str:
    """Delete the pod, give its IP to another one, and wait until its successor runs; its IP."""
    old = it.kube.store.get("pods", it.ns, name)
    assert old is not None
    with it.kube.store.raw.lock:
        it.delete_pod(name, grace=0)
        it.pod(f"thief-of-{name}", switch="false")

    def successor() -> str:
        pod = it.kube.store.get("pods", it.ns, name)
        fresh = pod is not None and pod["metadata"]["uid"] != old["metadata"]["uid"]
        return str(pod["status"].get("podIP", "")) if pod and fresh else ""

    ip = str(eventually(successor))
    assert ip != old["status"]["podIP"]
    return ip


def endpoints(it: Stage, name: str) -> list[tuple[str, str]]:
    return [(e["externalIP"], e["externalPort"]) for e in it.entries(name)]


def test_a_recreated_pod_keeps_its_endpoints(it: Stage) -> None:
    set_up(it, ports="80,443")
    before, uid = endpoints(it, "db-0"), it.record("db-0")["metadata"]["uid"]
    ip = recreate(it, "db-0")
    eventually(lambda: {e["internalIP"] for e in it.entries("db-0")} == {ip})
    it.ready("db-0", 2)
    assert endpoints(it, "db-0") == before
    assert it.record("db-0")["metadata"]["uid"] == uid
    (owner,) = it.record("db-0")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("StatefulSet", "db")
    it.assert_at_rest()


def test_a_pod_that_is_not_fixed_does_not_keep_them(it: Stage) -> None:
    set_up(it, fixed="false")
    before, uid = endpoints(it, "db-0"), it.record("db-0")["metadata"]["uid"]
    recreate(it, "db-0")
    eventually(lambda: (r := it.record("db-0")) and r["metadata"]["uid"] != uid)
    it.ready("db-0")
    assert endpoints(it, "db-0") != before


def test_while_the_pod_is_away_its_row_is_deleted_and_its_claim_kept(it: Stage) -> None:
    set_up(it)
    claim = it.record("db-0")["spec"]["portMapping"]
    node = it.kube.store.get("pods", it.ns, "db-0")["spec"]["nodeName"]
    it.kube.store.patch("nodes", "", "node-1", {"spec": {"unschedulable": True}})
    it.kube.store.patch("nodes", "", "node-2", {"spec": {"unschedulable": True}})
    try:
        it.delete_pod("db-0", grace=0)
        eventually(lambda: not it.own_rows("db-0") and not it.entries("db-0"))
        assert it.record("db-0")["spec"]["portMapping"] == claim
        it.assert_at_rest()
    finally:
        for name in ("node-1", "node-2"):
            it.kube.store.patch("nodes", "", name, {"spec": {"unschedulable": None}})
    assert node
    it.ready("db-0")
    assert it.record("db-0")["spec"]["portMapping"] == claim


def test_a_name_scaled_away_is_kept_for_the_retain_time(it: Stage) -> None:
    set_up(it, replicas=2)
    before = endpoints(it, "db-1")
    scale(it, 1)
    eventually(lambda: not it.own_rows("db-1"))
    assert it.record("db-1"), "kept at first"
    scale(it, 2)
    it.ready("db-1")
    assert endpoints(it, "db-1") == before
    with retain_time_ends(it):
        scale(it, 1)
        it.gone("db-1")
    assert it.entries("db-0")


def test_nothing_outlives_the_workload(it: Stage) -> None:
    set_up(it, replicas=2)
    it.kube.store.delete(STATEFUL_SETS, it.ns, "db")
    it.gone("db-0")
    it.gone("db-1")
    assert it.own_rows() == []


def test_a_kept_claim_ends_with_its_workload(it: Stage) -> None:
    set_up(it, replicas=2)
    scale(it, 1)
    eventually(lambda: not it.own_rows("db-1"))
    it.kube.store.delete(STATEFUL_SETS, it.ns, "db")
    it.gone("db-1")


def test_a_kept_claim_deleted_by_hand_is_gone(it: Stage) -> None:
    set_up(it, replicas=2)
    scale(it, 1)
    eventually(lambda: not it.own_rows("db-1"))
    it.kube.store.delete(RECORDS, it.ns, "db-1")
    it.gone("db-1")


def test_that_a_workload_may_not_be_read_is_noted_until_the_claim_is_gone(it: Stage) -> None:
    set_up(it, replicas=2)
    rule = it.kube.faults.add(Fault(403), Match(verb="get", resource=STATEFUL_SETS), None)
    scale(it, 1)
    notes = it.running[0].controller.parts.standing.notes
    eventually(lambda: any("may not get StatefulSet" in n for n in notes()))
    it.kube.store.delete(RECORDS, it.ns, "db-1")
    it.gone("db-1")
    rule.cancel()
    eventually(lambda: not any("may not get StatefulSet" in n for n in notes()))


def test_a_kept_claim_whose_workload_may_not_be_read_is_told(it: Stage) -> None:
    set_up(it, replicas=2)
    rule = it.kube.faults.add(Fault(403), Match(verb="get", resource=STATEFUL_SETS), None)
    scale(it, 1)
    eventually(lambda: "WorkloadUnreadable" in it.events("db-1"))
    assert "the verb get on that kind (apps/v1)" in it.events("db-1")["WorkloadUnreadable"]
    (ready,) = it.record("db-1")["status"]["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "WorkloadUnreadable")
    assert any(
        "may not get StatefulSet" in n for n in it.running[0].controller.parts.standing.notes()
    )
    it.assert_at_rest(but=[(it.ns, "db-1")])
    rule.cancel()
    it.kube.store.patch(RECORDS, it.ns, "db-1", {"metadata": {"labels": {"look": "again"}}})
    eventually(lambda: "Retained" in {c["type"] for c in it.record("db-1")["status"]["conditions"]})
    with retain_time_ends(it):
        it.gone("db-1")


def test_a_kept_endpoint_is_nobody_elses(it: Stage) -> None:
    set_up(it, replicas=2)
    kept = {(it.record("db-1")["spec"]["externalIP"], endpoints(it, "db-1")[0][1])}
    scale(it, 1)
    eventually(lambda: not it.own_rows("db-1"))
    for n in range(6):
        it.pod(f"web-{n}")
    others = {(e["externalIP"], e["externalPort"]) for n in range(6) for e in it.ready(f"web-{n}")}
    assert not kept & others


def test_a_fixed_pod_that_turns_the_exposure_off_is_released(it: Stage) -> None:
    set_up(it)
    it.annotate("db-0", switch="false")
    it.gone("db-0")
    assert it.own_rows() == []


def test_a_pod_of_another_workload_does_not_inherit_the_name(it: Stage) -> None:
    set_up(it)
    uid = it.record("db-0")["metadata"]["uid"]
    with it.kube.store.raw.lock:
        it.kube.store.delete(STATEFUL_SETS, it.ns, "db")
        it.delete_pod("db-0", grace=0)
    eventually(lambda: it.kube.store.get("pods", it.ns, "db-0") is None)
    it.pod("db-0")
    eventually(lambda: (r := it.record("db-0")) and r["metadata"]["uid"] != uid)
    it.ready("db-0")


def test_fixed_means_nothing_for_a_pod_of_no_stateful_workload(it: Stage) -> None:
    it.pod("web", fixed="true")
    it.ready("web")
    (owner,) = it.record("web")["metadata"]["ownerReferences"]
    assert owner["kind"] == "Pod"
    it.delete_pod("web")
    it.gone("web")


ENFORCED = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set"
LEAVE = "the controller lacks the verb update on the finalizers of StatefulSet (apps/v1)"


def test_a_missing_verb_on_finalizers_is_told_to_a_pod_that_is_not_exposed(it: Stage) -> None:
    rule = it.kube.faults.add(Fault(403, ENFORCED), Match(verb="create", resource=RECORDS), None)
    it.kube.store.create(STATEFUL_SETS, stateful(it.ns))
    assert LEAVE in it.told("db-0", "PodDNATRefused")
    rule.cancel()
    it.ready("db-0")


def test_and_to_one_that_becomes_fixed(it: Stage) -> None:
    set_up(it, fixed="false")
    match = Match(verb="patch", resource=RECORDS, namespace=it.ns)
    rule = it.kube.faults.add(Fault(403, ENFORCED), match, None)
    it.annotate("db-0", fixed="true")
    assert LEAVE in it.told("db-0", "PodDNATRefused")
    rule.cancel()
    eventually(lambda: it.record("db-0")["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet")
    it.assert_at_rest()


def test_a_recreated_pod_waits_for_an_eip_that_is_unbound_for_a_moment(it: Stage) -> None:
    set_up(it)
    (before,) = it.ready("db-0")
    gateway = it.own_rows("db-0")[0]["gateway"]
    it.acts.unbind_eip(before["externalIP"], force=True)
    try:
        eventually(lambda: before["externalIP"] not in it.controller_eips(gateway))
        recreate(it, "db-0")
        assert "is not bound" in it.told("db-0", "GatewayUnusable")
        assert endpoints(it, "db-0") == []
    finally:
        it.acts.bind_eip(before["externalIP"], gateway)
    it.ready("db-0")
    assert endpoints(it, "db-0") == [(before["externalIP"], before["externalPort"])]
