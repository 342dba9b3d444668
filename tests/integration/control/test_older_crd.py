"""The older controller's CRD, which has no conditions, works and costs no writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.stage import POD_READY, RECORDS, Stage, eventually, stage
from tests.support.workloads import stateful

CRDS = "customresourcedefinitions.apiextensions.k8s.io"


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage(fixed={"retain": "1s"}, resync="1s") as running:
        crd = running.kube.store.get(CRDS, "", RECORDS)
        assert crd is not None
        for version in crd["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"] = {
                "entries": {
                    "type": "array",
                    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                }
            }
        versions = {"spec": {"versions": crd["spec"]["versions"]}}
        running.kube.store.patch(CRDS, "", RECORDS, versions)
        yield running


def test_a_restart_writes_nothing(it: Stage) -> None:
    it.start_controller()
    for n in range(6):
        it.pod(f"web-{n}")
    for n in range(6):
        it.ready(f"web-{n}")
    it.assert_at_rest()
    assert all("conditions" not in record["status"] for record in it.records())
    it.stop_controllers()
    before = it.writes()
    it.start_controller()
    it.quiet()
    it.assert_at_rest()
    assert it.writes() == before


def test_a_fixed_claim_goes_with_its_workload(it: Stage) -> None:
    """Since when its name is unwanted cannot be stored, so until then it stays."""
    it.start_controller()
    it.kube.store.create("statefulsets.apps", stateful("default", "db", fixed=""))
    it.ready("db-0")
    it.kube.store.patch("statefulsets.apps", "default", "db", {"spec": {"replicas": 0}})
    eventually(lambda: it.kube.store.get("pods", "default", "db-0") is None)
    eventually(lambda: not it.own_rows("db-0"))
    it.quiet()
    assert it.record("db-0") is not None
    it.kube.store.delete("statefulsets.apps", "default", "db")
    it.gone("db-0")


@pytest.mark.parametrize("field", ["spec.eni", "spec.internalIP", "status.entries"])
def test_a_field_that_the_definition_drops_is_named(field: str) -> None:
    """It was written again at each look, eight times a second, and nobody was told."""
    part, name = field.split(".")
    with stage() as it:
        without(it, part, "properties", name)
        it.start_controller()
        it.pod("web")
        assert field in it.told("web", "PodDNATRefused")


def without(it: Stage, *path: str) -> None:
    """The definition has no such property."""
    crd = it.kube.store.get(CRDS, "", RECORDS)
    assert crd is not None
    for version in crd["spec"]["versions"]:
        at = version["schema"]["openAPIV3Schema"]["properties"]
        for name in path[:-1]:
            at = at[name]
        del at[path[-1]]
    it.kube.store.patch(CRDS, "", RECORDS, {"spec": {"versions": crd["spec"]["versions"]}})


@pytest.mark.parametrize(
    "path",
    [
        ("status", "properties", "observedGeneration"),
        ("status", "properties", "conditions", "items", "properties", "observedGeneration"),
    ],
    ids=".".join,
)
def test_a_part_of_the_status_that_it_drops_is_written_once(path: tuple[str, ...]) -> None:
    """It was written again without end, and the pod never heard that it is ready."""
    with stage(resync="1s") as it:
        without(it, *path)
        written_once(it)


def test_so_is_one_that_a_webhook_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(resync="1s") as it:
        validate = it.kube.api._validate

        def change(type_: Any, body: Any, before: Any) -> None:
            for condition in body.get("status", {}).get("conditions", []) * (type_.key == RECORDS):
                condition["message"] = condition["message"].upper()
                condition.pop("observedGeneration", None)
            validate(type_, body, before)

        monkeypatch.setattr(it.kube.api, "_validate", change)
        written_once(it)


def written_once(it: Stage) -> None:
    """A pod comes, restarts and goes; nothing is written while nothing happens."""
    it.start_controller()
    it.pod("web", spec={"readinessGates": [{"conditionType": POD_READY}]})
    it.ready("web")
    eventually(lambda: it.condition("web").get("status") == "True")
    it.quiet()
    it.assert_at_rest()
    it.kube.kubelet.restart(it.ns, "web")
    it.settled()
    it.quiet()
    it.delete_pod("web", grace=0)
    it.gone("web")
