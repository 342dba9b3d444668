"""Who deletes a PodDNAT: whoever cleans up behind what is going cuts off nobody who is still there.

`hold` keeps a pod's containers running although it is being deleted, as players do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import CRD, RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

DEPLOYMENTS, REPLICA_SETS = "deployments.apps", "replicasets.apps"
STATEFUL_SETS = "statefulsets.apps"
NAMESPACES = "namespaces"
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"

Object = dict[str, Any]


def deployed(it: Stage) -> str:
    """A Deployment `web` with one exposed pod; the pod's name."""
    workload = stateful(it.ns, "web", fixed="false")
    del workload["spec"]["serviceName"], workload["spec"]["podManagementPolicy"]
    it.kube.store.create(DEPLOYMENTS, workload)

    def made() -> list[Object]:
        return [p for p in it.kube.store.list("pods", it.ns) if "web-" in p["metadata"]["name"]]

    (pod,) = eventually(made)
    return str(pod["metadata"]["name"])


def alone(it: Stage) -> str:
    it.pod("alone")
    return "alone"


def fixed(it: Stage) -> str:
    it.kube.store.create(STATEFUL_SETS, stateful(it.ns))
    return "db-0"


def not_fixed(it: Stage) -> str:
    it.kube.store.create(STATEFUL_SETS, stateful(it.ns, fixed="false"))
    return "db-0"


def delete(resource: str, name: str = "", policy: str = "") -> Callable[[Stage, str], None]:
    """Deletes that object, or the one of the pod's name."""
    return lambda it, pod: it.kube.store.delete(resource, it.ns, name or pod, policy=policy)


def both(*deletions: Callable[[Stage, str], None]) -> Callable[[Stage, str], None]:
    """One right after the other, so that nobody can act in between."""

    def all_of_them(it: Stage, pod: str) -> None:
        with it.kube.store.raw.lock:
            for each in deletions:
                each(it, pod)

    return all_of_them


RECORD = delete(RECORDS)

CLEAN_UPS = {
    "a pod in the foreground": (alone, delete("pods", policy="Foreground")),
    "a deployed pod in the foreground": (deployed, delete("pods", policy="Foreground")),
    "a Deployment in the foreground": (deployed, delete(DEPLOYMENTS, "web", "Foreground")),
    "a Deployment, PodDNATs by hand": (deployed, both(delete(DEPLOYMENTS, "web"), RECORD)),
    "a Deployment that goes, PodDNATs by hand": (
        deployed,
        both(delete(DEPLOYMENTS, "web", "Foreground"), RECORD),
    ),
    "a pod, then its PodDNAT by hand": (alone, both(delete("pods"), RECORD)),
    "a StatefulSet of fixed pods": (fixed, delete(STATEFUL_SETS, "db")),
    "a StatefulSet of fixed pods, in the foreground": (
        fixed,
        delete(STATEFUL_SETS, "db", "Foreground"),
    ),
    "a StatefulSet, in the foreground": (not_fixed, delete(STATEFUL_SETS, "db", "Foreground")),
}


@contextmanager
def players(it: Stage, pod: str) -> Iterator[None]:
    """As long as they are there the pod's containers run, and the rows stay as they are."""
    rows, listed = it.own_rows(pod), it.entries(pod)
    it.kube.kubelet.hold(it.ns, pod)
    try:
        yield
        it.quiet()
        assert it.own_rows(pod) == rows != []
        assert it.entries(pod) == listed != []
    finally:
        it.kube.kubelet.release(it.ns, pod)


def is_going(it: Stage, pod: str) -> bool:
    record = it.record(pod)
    return record is not None and "deletionTimestamp" in record["metadata"]


@pytest.mark.parametrize(("made", "clean_up"), CLEAN_UPS.values(), ids=CLEAN_UPS.keys())
def test_rows_stay_until_the_containers_have_ended(
    it: Stage, made: Callable[[Stage], str], clean_up: Callable[[Stage, str], None]
) -> None:
    pod = made(it)
    it.ready(pod)
    with players(it, pod):
        clean_up(it, pod)
        eventually(lambda: "deletionTimestamp" in it.kube.store.get("pods", it.ns, pod)["metadata"])
    it.gone(pod)
    eventually(lambda: it.kube.store.get("pods", it.ns, pod) is None)


@pytest.mark.parametrize("made", [alone, fixed])
def test_a_namespace_that_goes_takes_its_records_first(
    it: Stage, made: Callable[[Stage], str]
) -> None:
    pod = made(it)
    it.ready(pod)
    with players(it, pod):
        both(lambda it, _: it.kube.store.delete(NAMESPACES, "", it.ns), RECORD)(it, pod)
        eventually(lambda: is_going(it, pod))
    it.gone(pod)
    eventually(lambda: it.kube.store.get(NAMESPACES, "", it.ns) is None)


@pytest.mark.parametrize("made", [alone, deployed, fixed, not_fixed])
def test_what_somebody_deletes_is_released_and_claimed_anew(
    it: Stage, made: Callable[[Stage], str]
) -> None:
    pod = made(it)
    before = it.ready(pod)
    uid = it.record(pod)["metadata"]["uid"]
    it.kube.store.delete(RECORDS, it.ns, pod)
    eventually(lambda: (r := it.record(pod)) and r["metadata"]["uid"] != uid)
    assert it.ready(pod) != before
    it.assert_at_rest()


def test_a_stateful_set_is_deleted_without_its_pods_and_made_anew(it: Stage) -> None:
    pod = fixed(it)
    before, uid = it.ready(pod), it.record(pod)["metadata"]["uid"]
    ours = it.kube.store.get("pods", it.ns, pod)["metadata"]["ownerReferences"]
    with players(it, pod):
        it.kube.store.delete(STATEFUL_SETS, it.ns, "db", policy="Orphan")
        eventually(lambda: owners_of(it, pod) == ["Pod"])
    with it.kube.store.raw.lock:
        made = it.kube.store.create(STATEFUL_SETS, stateful(it.ns))
        adopt(it, pod, [{**ours[0], "uid": made["metadata"]["uid"]}])
    with players(it, pod):
        eventually(lambda: owners_of(it, pod) == ["StatefulSet"])
    assert (it.record(pod)["metadata"]["uid"], it.entries(pod)) == (uid, before)
    it.assert_at_rest()


def test_a_pod_whose_workload_lets_go_of_it_keeps_the_address_of_its_name(it: Stage) -> None:
    pod = fixed(it)
    before = it.ready(pod)
    ours = it.kube.store.get("pods", it.ns, pod)["metadata"]["ownerReferences"]
    with players(it, pod):
        adopt(it, pod, [])
    assert owners_of(it, pod) == ["StatefulSet"], "it still wants the name"
    with players(it, pod):
        adopt(it, pod, ours)
    uid = it.kube.store.get("pods", it.ns, pod)["metadata"]["uid"]
    it.delete_pod(pod, grace=0)
    eventually(lambda: (p := it.kube.store.get("pods", it.ns, pod)) and p["metadata"]["uid"] != uid)
    it.assert_at_rest()
    assert [e["externalPort"] for e in it.entries(pod)] == [e["externalPort"] for e in before]


def test_the_garbage_collector_deletes_the_record_of_a_pod_that_lives_on(it: Stage) -> None:
    """It was made for the workload just when that let go of everything."""
    pod = fixed(it)
    it.ready(pod)
    with players(it, pod):
        with it.kube.store.raw.lock:
            adopt(it, pod, [])
            it.kube.store.delete(STATEFUL_SETS, it.ns, "db")
        eventually(lambda: is_going(it, pod))
    it.assert_at_rest()
    assert "deletionTimestamp" not in it.kube.store.get("pods", it.ns, pod)["metadata"]
    it.delete_pod(pod)
    it.gone(pod)


def test_of_a_crowd_of_owners_only_some_are_asked_for(it: Stage) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap"}
    crowd = []
    for n in range(40):
        made = it.kube.store.create(
            "configmaps", {"metadata": {"name": f"o-{n}", "namespace": it.ns}}
        )
        crowd.append(owner | {"name": f"o-{n}", "uid": made["metadata"]["uid"]})
    asked = Match("get", "configmaps", namespace=it.ns)
    rule = it.kube.faults.add(Fault(), asked, times=None)
    it.pod("alone")
    before = it.ready("alone")
    meta = it.record("alone")["metadata"]
    with it.kube.store.raw.lock:
        patch = {"metadata": {"ownerReferences": meta["ownerReferences"] + crowd}}
        it.kube.store.patch(RECORDS, it.ns, "alone", patch)
        it.kube.store.delete(RECORDS, it.ns, "alone")
    eventually(
        lambda: (
            (it.record("alone") or {}).get("metadata", {}).get("uid", "") not in ("", meta["uid"])
        )
    )
    assert it.ready("alone") != before
    assert 0 < rule.hits < 20


def test_a_definition_that_goes_is_nobodys_wish() -> None:
    with stage() as it:
        it.start_controller()
        it.pod("alone")
        it.ready("alone")
        with players(it, "alone"):
            it.kube.store.delete(DEFINITIONS, "", RECORDS)
            eventually(lambda: is_going(it, "alone"))
            notes = it.running[0].controller.parts.standing.notes
            eventually(lambda: any("the definition of PodDNATs" in note for note in notes()))
        it.delete_pod("alone")
        eventually(lambda: it.kube.store.get(DEFINITIONS, "", RECORDS) is None)
        assert it.own_rows() == []
        eventually(lambda: any("the definition of PodDNATs is gone" in note for note in notes()))
        it.kube.store.create(DEFINITIONS, yaml.safe_load(CRD.read_text()))
        eventually(lambda: not any("the definition of PodDNATs" in note for note in notes()))
        it.pod("again")
        it.ready("again")


@pytest.mark.parametrize("resource", [NAMESPACES, DEFINITIONS])
def test_what_may_not_be_looked_at_cuts_nobody_off(
    it: Stage, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("dnatctl.control.sight.look", "dnatctl.plan.deletion"):
        monkeypatch.setattr(f"{place}.ASK_AGAIN_S", 3.0)
    it.pod("alone")
    it.ready("alone")
    forbidden = it.kube.faults.add(Fault(403), Match(resource=resource), None)
    with players(it, "alone"):
        it.kube.store.delete(RECORDS, it.ns, "alone")
        text = it.told("alone", "ReleaseHeld")
        assert f"may not get {resource}" in text
        assert any(
            text.partition("may not ")[2][:14] in n
            for n in it.running[0].controller.parts.standing.notes()
        )
    forbidden.cancel()
    notes = it.running[0].controller.parts.standing.notes
    eventually(lambda: not any(resource in note for note in notes()), what="it is not missing")
    it.ready("alone")


def test_an_owner_that_may_not_be_read_cuts_nobody_off(it: Stage) -> None:
    pod = fixed(it)
    it.ready(pod)
    it.kube.faults.add(Fault(403), Match(resource=STATEFUL_SETS, verb="get"), None)
    with players(it, pod):
        it.kube.store.delete(RECORDS, it.ns, pod)
        assert "may not get StatefulSet (apps/v1)" in it.told(pod, "ReleaseHeld")


@pytest.mark.parametrize("resource", [STATEFUL_SETS, NAMESPACES])
def test_that_it_is_not_said_is_told_until_it_is(it: Stage, resource: str) -> None:
    pod = not_fixed(it)
    it.ready(pod)
    uid = it.record(pod)["metadata"]["uid"]
    broken = Fault(500, "conversion webhook failed: no endpoints")
    it.kube.faults.add(broken, Match(resource=resource, verb="get"), None)
    it.kube.store.delete(RECORDS, it.ns, pod)
    assert "conversion webhook" in it.told(pod, "LookupFailed")
    notes = it.running[0].controller.parts.standing.notes
    assert any("conversion webhook" in note for note in notes())
    assert it.entries(pod), "what cannot be told cuts nobody off"
    it.heal()
    eventually(lambda: it.record(pod) and it.record(pod)["metadata"]["uid"] != uid)
    it.ready(pod)
    eventually(lambda: it.condition(pod)["status"] == "True")
    assert not any("conversion webhook" in note for note in notes())


def adopt(it: Stage, pod: str, owners: list[Object]) -> None:
    """Give the pod these owners, as controllers and the garbage collector do."""
    it.kube.store.patch("pods", it.ns, pod, {"metadata": {"ownerReferences": owners or None}})


def owners_of(it: Stage, pod: str) -> list[str]:
    record = it.record(pod) or {"metadata": {}}
    return [owner["kind"] for owner in record["metadata"].get("ownerReferences", [])]
