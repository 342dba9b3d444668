"""The older controller's CRD, which has no conditions, works and costs no writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stage import RECORDS, Stage, eventually, stage
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
        crd = it.kube.store.get(CRDS, "", RECORDS)
        assert crd is not None
        for version in crd["spec"]["versions"]:
            whole = version["schema"]["openAPIV3Schema"]["properties"]
            del whole[part]["properties"][name]
        it.kube.store.patch(CRDS, "", RECORDS, {"spec": {"versions": crd["spec"]["versions"]}})
        it.start_controller()
        it.pod("web")
        assert field in it.told("web", "PodDNATRefused")
