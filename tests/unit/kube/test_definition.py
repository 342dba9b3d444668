"""What a definition of PodDNATs lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import yaml

from dnatctl.kube import definition
from dnatctl.kube.client import KubeClient
from dnatctl.kube.poddnat_json import spec_json, status_json
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import Condition, PodDNATSpec, PodDNATStatus, PortMapping, StatusEntry

MANIFEST = Path(__file__).parents[3] / "manifests" / "crd" / "poddnats.yaml"
OURS: Any = orjson.loads(orjson.dumps(yaml.safe_load(MANIFEST.read_text("utf-8"))))


class Server:
    """Answers with one object."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def request(self, method: str, path: str) -> bytes:
        assert (method, path.rpartition("/")[2]) == ("GET", "poddnats.alibabacloud.com")
        return orjson.dumps(self._answer)


def look(crd: Any) -> definition.Definition:
    return definition.look(cast("KubeClient", Server(crd)))


def fields(value: Any, at: str = "") -> set[str]:
    """The paths of all values in an object."""
    if isinstance(value, dict):
        return {path for key, item in value.items() for path in fields(item, f"{at}.{key}")}
    if isinstance(value, list):
        return {path for item in value for path in fields(item, f"{at}[]")}
    return {at.removeprefix(".")}


def test_ours_lacks_nothing() -> None:
    assert look(OURS).fine
    assert look(OURS).served == ("v1", "v1beta1")


def test_all_that_is_written_is_looked_for() -> None:
    ports = (PortMapping(1, 2, Protocol.TCP), PortMapping(3, 4, Protocol.UDP))
    spec = PodDNATSpec("g", "e", "i", ports=ports, eni="n", vswitch="v", zone_id="z")
    entry = StatusEntry(Endpoint("e", 1, Protocol.TCP), "i", 2, "id")
    condition = Condition("Ready", "True", "Fine", "all is well", "2026-01-01T00:00:00Z", 1)
    status = PodDNATStatus((entry,), (condition,), 1)
    written = fields({"spec": spec_json(spec), "status": status_json(status)})
    assert written == set(definition.NEEDED)


def without_conditions(schema: Any) -> None:
    del schema["properties"]["status"]["properties"]["conditions"]


def without_protocols(schema: Any) -> None:
    ports = schema["properties"]["spec"]["properties"]["portMapping"]
    del ports["items"]["properties"]["protocol"]


def open_ended(schema: Any) -> None:
    schema["properties"]["status"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }


def nothing(schema: Any) -> None:
    schema["properties"].clear()


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (without_conditions, ["status.conditions"]),
        (without_protocols, ["spec.portMapping[].protocol"]),
        (open_ended, []),
    ],
)
def test_what_one_version_drops_is_named(change: Callable[[Any], None], lacks: list[str]) -> None:
    crd = copy.deepcopy(OURS)
    change(crd["spec"]["versions"][1]["schema"]["openAPIV3Schema"])
    assert look(crd).lacks == tuple(lacks)


def test_a_schema_of_nothing_drops_all() -> None:
    crd = copy.deepcopy(OURS)
    nothing(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    assert "spec.externalIP" in look(crd).lacks


def test_a_version_that_is_not_served_drops_nothing() -> None:
    crd = copy.deepcopy(OURS)
    without_conditions(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    crd["spec"]["versions"][0]["served"] = False
    assert look(crd).lacks == ()


def test_the_status_has_to_be_a_subresource() -> None:
    crd = copy.deepcopy(OURS)
    del crd["spec"]["versions"][0]["subresources"]
    assert look(crd).lacks == ("the subresource status",)


def test_one_that_goes_and_one_that_helm_may_delete() -> None:
    crd = copy.deepcopy(OURS)
    crd["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    del crd["metadata"]["annotations"]
    found = look(crd)
    assert found.going
    assert not found.kept


def test_one_that_a_release_takes_along_is_not_fine() -> None:
    crd = copy.deepcopy(OURS)
    assert look(crd).fine
    release = {"meta.helm.sh/release-namespace": "kube-system", "meta.helm.sh/release-name": "old"}
    crd["metadata"]["annotations"] |= release
    assert look(crd).release == "kube-system/old"
    assert not look(crd).fine
