"""Single objects over HTTP: who sets which field, what conflicts, what is refused and how."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.kube import KubeServer, Settings
from tests.integration.sim.kube_support import (
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Http,
    Reply,
    config_map,
    pod,
)

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(actors=False)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def refused(reply: Reply, code: int, reason: str) -> str:
    """The message of an error that has that code and reason."""
    assert (reply.code, reply["reason"], reply["code"]) == (code, reason, code), reply.body
    assert (reply["kind"], reply["status"]) == ("Status", "Failure")
    message: str = reply["message"]
    return message


def test_create_fills_in_what_the_server_decides(http: Http) -> None:
    reply = http("POST", MAPS, config_map("a", uid="mine"))
    assert reply.code == 201
    meta = reply["metadata"]
    assert meta["namespace"] == "default"
    assert meta["uid"] != "mine"
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"].endswith("Z")
    assert "generation" not in meta, "config maps have none"
    assert http("GET", f"{MAPS}/a").body == reply.body


def test_resource_version_is_one_counter_for_everything(http: Http) -> None:
    first = http("POST", MAPS, config_map("a"))
    second = http("POST", PODS, pod("p"))
    third = http("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, MERGE)
    versions = [int(reply["metadata.resourceVersion"]) for reply in (first, second, third)]
    assert versions == sorted(set(versions))


def test_a_write_that_changes_nothing_leaves_the_version(http: Http) -> None:
    before = http("POST", MAPS, config_map("a"))
    same = http("PATCH", f"{MAPS}/a", {"data": {"k": "v"}}, MERGE)
    assert same["metadata.resourceVersion"] == before["metadata.resourceVersion"]


def test_generate_name(http: Http) -> None:
    body = config_map("")
    body["metadata"] = {"generateName": "cm-"}
    names = {http("POST", MAPS, body)["metadata.name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("cm-") and len(name) == 8 for name in names)


def test_taken_name(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    reply = http("POST", MAPS, config_map("a"))
    assert refused(reply, 409, "AlreadyExists") == 'configmaps "a" already exists'
    assert reply["details"] == {"name": "a", "kind": "configmaps"}


def test_absent_object_and_absent_namespace(http: Http) -> None:
    assert refused(http("GET", f"{MAPS}/a"), 404, "NotFound") == 'configmaps "a" not found'
    elsewhere = "/api/v1/namespaces/nowhere/configmaps"
    message = refused(http("POST", elsewhere, config_map("a")), 404, "NotFound")
    assert message == 'namespaces "nowhere" not found'


def test_unserved_paths(http: Http) -> None:
    for path in ("/api/v1/widgets", "/api/v2", "/apis/apps/v2/deployments", "/apis/apps/v2"):
        refused(http("GET", path), 404, "NotFound")
    for path in ("/apis/none.io/v1/things", "/apis/none.io", "/nothing"):
        reply = http("GET", path)
        assert (reply.code, reply.body) == (404, "404 page not found\n")


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254, ""])
def test_bad_names(http: Http, name: str) -> None:
    reply = http("POST", MAPS, config_map(name))
    assert "metadata.name" in refused(reply, 422, "Invalid")
    assert reply["details.causes.0.field"] == "metadata.name"


def test_labels_must_be_strings(http: Http) -> None:
    refused(http("POST", MAPS, config_map("a", labels={"n": 1})), 400, "BadRequest")


def test_stale_update_conflicts(http: Http) -> None:
    old = http("POST", MAPS, config_map("a")).body
    http("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, MERGE)
    message = refused(http("PUT", f"{MAPS}/a", old), 409, "Conflict")
    assert "the object has been modified" in message
    stale = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {}}
    refused(http("PATCH", f"{MAPS}/a", stale, MERGE), 409, "Conflict")
    assert http("GET", f"{MAPS}/a")["data.k"] == "w"


def test_unconditional_update_of_a_built_in_kind(http: Http) -> None:
    created = http("POST", MAPS, config_map("a"))
    reply = http("PUT", f"{MAPS}/a", {**config_map("a"), "data": {"k": "w"}})
    assert reply.code == 200
    assert reply["metadata.uid"] == created["metadata.uid"]
    assert reply["data"] == {"k": "w"}


def test_update_of_another_incarnation_conflicts(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    body = config_map("a", uid="00000000-0000-0000-0000-000000000000")
    assert "UID in precondition" in refused(http("PUT", f"{MAPS}/a", body), 409, "Conflict")


def test_body_and_path_must_agree(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    refused(http("PUT", f"{MAPS}/a", config_map("b")), 400, "BadRequest")
    refused(http("POST", MAPS, config_map("c", namespace="kube-system")), 400, "BadRequest")
    refused(http("POST", MAPS, pod("c")), 400, "BadRequest")


def test_failing_json_patch_test_is_invalid_and_changes_nothing(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    patch = [
        {"op": "test", "path": "/data/k", "value": "other"},
        {"op": "replace", "path": "/data/k", "value": "w"},
    ]
    refused(http("PATCH", f"{MAPS}/a", patch, JSON_PATCH), 422, "Invalid")
    assert http("GET", f"{MAPS}/a")["data.k"] == "v"
    patch[0]["value"] = "v"
    assert http("PATCH", f"{MAPS}/a", patch, JSON_PATCH)["data.k"] == "w"


def test_merge_patch_removes_with_null(http: Http) -> None:
    http("POST", MAPS, config_map("a", labels={"x": "1", "y": "2"}))
    reply = http("PATCH", f"{MAPS}/a", {"metadata": {"labels": {"x": None}}}, MERGE)
    assert reply["metadata.labels"] == {"y": "2"}


def test_unknown_patch_format_and_malformed_body(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    refused(http("PATCH", f"{MAPS}/a", {}, "text/plain"), 415, "UnsupportedMediaType")
    refused(http("PATCH", f"{MAPS}/a", b"{", MERGE), 400, "BadRequest")
    refused(http("POST", MAPS, b"nonsense"), 400, "BadRequest")


def test_protobuf_which_kubectl_create_sends_is_refused_with_a_way_round_it(http: Http) -> None:
    reply = http("POST", MAPS, b"k8s", "application/vnd.kubernetes.protobuf")
    refused(reply, 415, "UnsupportedMediaType")
    assert "--dry-run=client -o yaml" in reply["message"]


def test_strategic_patch_merges_containers_by_name(http: Http) -> None:
    body = pod("p")
    body["spec"]["containers"].append({"name": "side", "image": "side:1"})
    http("POST", PODS, body)
    patch = {"spec": {"containers": [{"name": "side", "image": "side:2"}]}}
    reply = http("PATCH", f"{PODS}/p", patch, STRATEGIC)
    images = {c["name"]: c["image"] for c in reply["spec.containers"]}
    assert images == {"main": "game:1", "side": "side:2"}


def test_pod_defaults_and_immutable_spec(http: Http) -> None:
    created = http("POST", PODS, {**pod("p"), "status": {"phase": "Running"}})
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert created["spec.restartPolicy"] == "Always"
    assert created["spec.terminationGracePeriodSeconds"] == 30
    assert "generation" not in created["metadata"]
    reply = http("PATCH", f"{PODS}/p", {"spec": {"hostname": "x"}}, MERGE)
    assert "pod updates may not change fields" in refused(reply, 422, "Invalid")


def test_a_pod_needs_containers_with_images(http: Http) -> None:
    body = pod("p")
    body["spec"]["containers"] = [{"name": "c"}]
    reply = http("POST", PODS, body)
    refused(reply, 422, "Invalid")
    assert reply["details.causes.0.field"] == "spec.containers[0].image"


def test_pod_status_is_apart_from_the_rest_both_ways(http: Http) -> None:
    http("POST", PODS, pod("p"))
    both = {"status": {"podIP": "10.0.0.1"}, "metadata": {"annotations": {"a": "1"}}}
    main = http("PATCH", f"{PODS}/p", both, MERGE)
    assert "podIP" not in main["status"]
    assert main["metadata.annotations"] == {"a": "1"}
    both["spec"] = {"nodeName": "elsewhere"}
    status = http("PATCH", f"{PODS}/p/status", both, MERGE)
    assert status["status.podIP"] == "10.0.0.1"
    assert "nodeName" not in status["spec"]


def test_pod_conditions_merge_by_type(http: Http) -> None:
    http("POST", PODS, pod("p"))
    for type_, status in (("A", "True"), ("B", "False"), ("A", "False")):
        patch = {"status": {"conditions": [{"type": type_, "status": status}]}}
        reply = http("PATCH", f"{PODS}/p/status", patch, STRATEGIC)
    found = {c["type"]: c["status"] for c in reply["status.conditions"]}
    assert found == {"A": "False", "B": "False"}


def test_dry_run_stores_nothing(http: Http) -> None:
    assert http("POST", MAPS, config_map("a"), dryRun="All").code == 201
    assert http("GET", f"{MAPS}/a").code == 404
    http("POST", MAPS, config_map("a"))
    dry = http("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, MERGE, dryRun="All")
    assert dry["data.k"] == "w"
    assert http("DELETE", f"{MAPS}/a", dryRun="All").code == 200
    assert http("GET", f"{MAPS}/a")["data.k"] == "v"


def test_lease_renewal_conflicts_on_a_stale_version(http: Http) -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15},
    }
    first = http("POST", leases, body).body
    renewed = http("PUT", f"{leases}/leader", {**first, "spec": {"holderIdentity": "b"}})
    assert renewed["spec.holderIdentity"] == "b"
    stolen = http("PUT", f"{leases}/leader", {**first, "spec": {"holderIdentity": "c"}})
    refused(stolen, 409, "Conflict")


def test_events_are_one_store_with_two_apis(http: Http) -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "p.1"},
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Exposed",
        "action": "Expose",
        "type": "Normal",
        "note": "203.0.113.1:512",
        "reportingController": "dnatctl",
        "reportingInstance": "dnatctl-0",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    core = "/api/v1/namespaces/default/events"
    assert http("POST", new, event)["regarding.name"] == "p"
    seen = http("GET", f"{core}/p.1")
    assert (seen["apiVersion"], seen["message"]) == ("v1", "203.0.113.1:512")
    assert seen["involvedObject.name"] == "p"
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}
    patched = http("PATCH", f"{new}/p.1", series, MERGE)
    assert (patched["series.count"], patched["note"]) == (2, "203.0.113.1:512")
    found = http("GET", core, fieldSelector="involvedObject.name=p,reason=Exposed")
    assert [item["metadata"]["name"] for item in found["items"]] == ["p.1"]
    assert http("GET", new)["items.0.note"] == "203.0.113.1:512"


def test_events_must_be_complete(http: Http) -> None:
    """The causes are those that kube-apiserver 1.20 gave for the same event."""
    event = {
        "metadata": {"name": "p.1"},
        "regarding": {"kind": "Pod", "name": "p"},
        "reason": "Exposed",
        "reportingController": "dnatctl",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "note": "x" * 1025,
    }
    reply = http("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
    refused(reply, 422, "Invalid")
    assert {cause["field"] for cause in reply["details.causes"]} == {
        "involvedObject.namespace",
        "reportingInstance",
        "action",
        "type",
        "message",
    }
    old = {"metadata": {"name": "p.1"}, "involvedObject": {"kind": "Pod", "name": "p"}}
    assert http("POST", "/api/v1/namespaces/default/events", old).code == 201


def test_finalizers_of_built_in_kinds_are_qualified(http: Http) -> None:
    reply = http("POST", MAPS, config_map("a", finalizers=["natgw-controller"]))
    refused(reply, 422, "Invalid")
    assert reply["details.causes.0.field"] == "metadata.finalizers[0]"


def test_methods_that_a_path_has_not(http: Http) -> None:
    http("POST", MAPS, config_map("a"))
    refused(http("POST", f"{MAPS}/a", config_map("a")), 405, "MethodNotAllowed")
    refused(http("PUT", MAPS, config_map("a")), 405, "MethodNotAllowed")


def test_scale_reads_and_writes_replicas(http: Http) -> None:
    sets = "/apis/apps/v1/namespaces/default/statefulsets"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    kind = {"apiVersion": "apps/v1", "kind": "StatefulSet"}
    created = http("POST", sets, {**kind, "metadata": {"name": "s"}, "spec": spec})
    scale = http("GET", f"{sets}/s/scale")
    assert (scale["kind"], scale["spec.replicas"]) == ("Scale", 2)
    assert scale["status.selector"] == "a=b"
    assert http("PATCH", f"{sets}/s/scale", {"spec": {"replicas": 5}}, MERGE).code == 200
    after = http("GET", f"{sets}/s")
    assert after["spec.replicas"] == 5
    assert after["metadata.generation"] == created["metadata.generation"] + 1


def test_generation_counts_spec_changes_only(http: Http) -> None:
    sets = "/apis/apps/v1/namespaces/default/replicasets"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    kind = {"apiVersion": "apps/v1", "kind": "ReplicaSet"}
    assert http("POST", sets, {**kind, "metadata": {"name": "r"}, "spec": spec}).code == 201
    labelled = http("PATCH", f"{sets}/r", {"metadata": {"labels": {"x": "y"}}}, MERGE)
    assert labelled["metadata.generation"] == 1
    status = http("PATCH", f"{sets}/r/status", {"status": {"replicas": 0}}, MERGE)
    assert status["metadata.generation"] == 1
    assert http("PATCH", f"{sets}/r", {"spec": {"replicas": 1}}, MERGE)["metadata.generation"] == 2
