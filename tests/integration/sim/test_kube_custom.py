"""Custom resources: what a CRD makes of the server, and what its schema makes of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl_sim.kube import KubeServer, Settings
from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.core.errors import ApiError
from tests.integration.sim.kube_support import APPLY, MERGE, STRATEGIC, Http, crd, pod_dnat

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1BETA1 = "/apis/alibabacloud.com/v1beta1/namespaces/default/poddnats"
V1 = "/apis/alibabacloud.com/v1/namespaces/default/poddnats"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    http = Http(server.url)
    assert http("POST", CRDS, crd()).code == 201
    return http


def test_a_crd_is_established_and_discovered(http: Http) -> None:
    conditions = {
        c["type"]: c["status"]
        for c in http("GET", f"{CRDS}/poddnats.alibabacloud.com")["status.conditions"]
    }
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    group = http("GET", "/apis/alibabacloud.com")
    assert [v["version"] for v in group["versions"]] == ["v1", "v1beta1"]
    assert group["preferredVersion.version"] == "v1"
    listed = {r["name"]: r for r in http("GET", "/apis/alibabacloud.com/v1")["resources"]}
    assert set(listed) == {"poddnats", "poddnats/status"}
    assert listed["poddnats"]["shortNames"] == ["pd"]


def test_before_and_after_a_crd_nothing_is_served(server: KubeServer) -> None:
    http = Http(server.url)
    assert http("GET", V1).code == 404
    http("POST", CRDS, crd())
    assert http("GET", V1).code == 200
    path = f"{CRDS}/poddnats.alibabacloud.com"
    held = http("DELETE", path)
    assert held["metadata.finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    late = http("POST", V1, pod_dnat("web", "v1"))
    assert (late.code, late["reason"]) == (405, "MethodNotAllowed")
    http("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    assert http("GET", V1).code == 404


def test_a_request_that_was_read_before_the_crd_went_makes_nothing(
    server: KubeServer, http: Http
) -> None:
    """What it made would be there for ever: nothing would be left to end it."""
    api, path = server.api, f"{CRDS}/poddnats.alibabacloud.com"
    target = Target(api.registry.by_key("poddnats.alibabacloud.com"), "default", version="v1")
    http("DELETE", path)
    http("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    with pytest.raises(ApiError) as refused:
        api.create(target, pod_dnat("web", "v1"), WriteOptions())
    assert refused.value.code == 404
    assert http("POST", CRDS, crd()).code == 201
    assert http("GET", V1)["items"] == []


def test_objects_outlive_a_change_of_the_storage_version(http: Http) -> None:
    created = http("POST", V1, pod_dnat("web", "v1"))
    path = f"{CRDS}/poddnats.alibabacloud.com"
    body = http("GET", path).body
    for version in body["spec"]["versions"]:
        version["storage"] = not version["storage"]
    assert http("PUT", path, body).code == 200
    assert http("GET", f"{V1}/web").body == created.body
    assert http("GET", V1BETA1)["items.0.apiVersion"] == "alibabacloud.com/v1beta1"
    patched = http("PATCH", f"{V1}/web", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert patched["metadata.generation"] == 1
    assert http("GET", f"{V1BETA1}/web")["apiVersion"] == "alibabacloud.com/v1beta1"


def test_versions_share_objects(http: Http) -> None:
    created = http("POST", V1, pod_dnat("web", "v1"))
    assert created["apiVersion"] == "alibabacloud.com/v1"
    other = http("GET", f"{V1BETA1}/web")
    assert other["apiVersion"] == "alibabacloud.com/v1beta1"
    assert {**other.body, "apiVersion": ""} == {**created.body, "apiVersion": ""}
    listed = http("GET", V1BETA1)
    assert listed["items.0.apiVersion"] == "alibabacloud.com/v1beta1"
    assert listed["items.0.kind"] == "PodDNAT"


def test_only_one_version_can_be_served(server: KubeServer) -> None:
    http = Http(server.url)
    body = crd()
    body["spec"]["versions"] = body["spec"]["versions"][:1]
    http("POST", CRDS, body)
    assert http("GET", V1BETA1).code == 200
    assert http("GET", V1).code == 404


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"externalIP": 7}, "spec.externalIP"),
        ({"externalIP": "x" * 41}, "spec.externalIP"),
        ({"protocol": "icmp"}, "spec.protocol"),
        ({"replicas": -1}, "spec.replicas"),
        ({"replicas": 10}, "spec.replicas"),
        ({"replicas": "1"}, "spec.replicas"),
        ({"replicas": True}, "spec.replicas"),
        ({"portMapping": {}}, "spec.portMapping"),
        ({"portMapping": [{"internalPort": "1"}]}, "spec.portMapping[0].externalPort"),
        ({"portMapping": [{"externalPort": "http"}]}, "spec.portMapping[0].externalPort"),
        ({"portMapping": [{"externalPort": "1"}, {"externalPort": "1"}]}, "spec.portMapping[1]"),
    ],
)
def test_the_schema_refuses(http: Http, spec: dict[str, Any], field: str) -> None:
    reply = http("POST", V1, {**pod_dnat("web", "v1"), "spec": spec})
    assert (reply.code, reply["reason"]) == (422, "Invalid"), reply.body
    assert [cause["field"] for cause in reply["details.causes"]] == [field]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"replicas": True}, "spec.replicas"),
        ({"portMapping": [{"externalPort": "1"}, {"internalPort": "1"}]}, None),
        ({"protocol": "icmp"}, "spec.protocol"),
    ],
)
def test_a_patch_is_held_to_the_schema_where_it_changes_something(
    http: Http, spec: dict[str, Any], field: str | None
) -> None:
    had = {"replicas": 1, "portMapping": [{"externalPort": "1"}]}
    http("POST", V1, {**pod_dnat("web", "v1"), "spec": had})
    reply = http("PATCH", f"{V1}/web", {"spec": spec}, MERGE)
    assert (reply.code, reply["reason"]) == (422, "Invalid"), "for Python 1 is True"
    assert field in (None, reply["details.causes"][0]["field"])
    label = {"metadata": {"labels": {"a": "b"}}}
    assert http("PATCH", f"{V1}/web", label, MERGE)["spec.replicas"] == 1


def test_all_mistakes_are_told_at_once(http: Http) -> None:
    spec = {"protocol": "icmp", "replicas": 10}
    reply = http("POST", V1, {**pod_dnat("web", "v1"), "spec": spec})
    assert {c["field"] for c in reply["details.causes"]} == {"spec.protocol", "spec.replicas"}


def test_defaults_and_nulls(http: Http) -> None:
    spec = {"protocol": None, "externalIP": None}
    created = http("POST", V1, {**pod_dnat("web", "v1"), "spec": spec})
    assert created["spec"] == {"protocol": "tcp"}


def test_unknown_fields_are_pruned_warned_about_or_refused(http: Http) -> None:
    body = {**pod_dnat("web", "v1"), "more": 1}
    body["spec"] = {
        "externalIP": "203.0.113.1",
        "typo": 1,
        "portMapping": [{"externalPort": "1", "x": 1}],
    }
    strict = http("POST", V1, body, fieldValidation="Strict")
    assert (strict.code, strict["reason"]) == (400, "BadRequest")
    for path in ("more", "spec.typo", "spec.portMapping[0].x"):
        assert f'unknown field "{path}"' in strict["message"]
    silent = http("POST", V1, body, fieldValidation="Ignore")
    assert "Warning" not in silent.headers
    assert silent["spec"] == {
        "externalIP": "203.0.113.1",
        "protocol": "tcp",
        "portMapping": [{"externalPort": "1"}],
    }
    assert "more" not in silent.body
    warned = http("PATCH", f"{V1}/web", {"spec": {"typo": 1}}, MERGE)
    assert warned.code == 200
    assert 'unknown field \\"spec.typo\\"' in warned.headers["Warning"]


def test_status_is_apart_both_ways(http: Http) -> None:
    created = http("POST", V1, {**pod_dnat("web", "v1"), "status": {"entries": ["x"]}})
    assert "status" not in created.body
    patch = {
        "status": {"entries": ["a"]},
        "spec": {"externalIP": "203.0.113.9"},
        "metadata": {"labels": {"x": "y"}, "finalizers": ["f/f"]},
    }
    status = http("PATCH", f"{V1}/web/status", patch, MERGE)
    assert status["status.entries"] == ["a"]
    assert status["spec.externalIP"] == "203.0.113.1"
    assert not {"labels", "finalizers"} & status["metadata"].keys()
    main = http("PATCH", f"{V1}/web", {**patch, "status": {"entries": []}}, MERGE)
    assert main["status.entries"] == ["a"]
    assert main["spec.externalIP"] == "203.0.113.9"
    assert main["metadata.labels"] == {"x": "y"}


def test_generation(http: Http) -> None:
    assert http("POST", V1, pod_dnat("web", "v1"))["metadata.generation"] == 1
    status = http("PATCH", f"{V1}/web/status", {"status": {"entries": ["a"]}}, MERGE)
    assert status["metadata.generation"] == 1
    meta = http("PATCH", f"{V1}/web", {"metadata": {"annotations": {"a": "b"}}}, MERGE)
    assert meta["metadata.generation"] == 1
    spec = http("PATCH", f"{V1}/web", {"spec": {"replicas": 3}}, MERGE)
    assert spec["metadata.generation"] == 2


def test_an_update_must_name_the_version_it_is_based_on(http: Http) -> None:
    http("POST", V1, pod_dnat("web", "v1"))
    reply = http("PUT", f"{V1}/web", pod_dnat("web", "v1"))
    assert (reply.code, reply["reason"]) == (422, "Invalid")
    assert reply["details.causes.0.field"] == "metadata.resourceVersion"


def test_strategic_patches_are_for_built_in_kinds(http: Http) -> None:
    http("POST", V1, pod_dnat("web", "v1"))
    assert http("PATCH", f"{V1}/web", {}, STRATEGIC).code == 415


def test_names_must_fit_the_crd(server: KubeServer) -> None:
    body = crd()
    body["metadata"]["name"] = "other.alibabacloud.com"
    reply = Http(server.url)("POST", CRDS, body)
    assert (reply.code, reply["details.causes.0.field"]) == (422, "metadata.name")


def test_columns(http: Http, server: KubeServer) -> None:
    """A column whose path finds several values shows the first, as a real server's does."""
    body = pod_dnat("web", "v1")
    body["spec"]["portMapping"].append({"externalPort": "513"})
    http("POST", V1, body)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    table = http.pool.request("GET", server.url + V1, headers=accept).json()
    columns = [(c["name"], c["priority"]) for c in table["columnDefinitions"]]
    assert columns == [("Name", 0), ("IP", 0), ("Protocol", 1), ("Port", 0)]
    assert table["rows"][0]["cells"] == ["web", "203.0.113.1", "tcp", "512"]


def apply(http: Http, manager: str, spec: dict[str, Any], **query: Any) -> Any:
    body = {**pod_dnat("web", "v1"), "spec": spec}
    return http("PATCH", f"{V1}/web", body, APPLY, fieldManager=manager, **query)
