"""Deletion: finalizers, grace, preconditions, collections, owners, namespaces, CRDs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl_sim.kube import KubeletSettings, KubeServer, Settings
from tests.integration.sim.kube_support import (
    MERGE,
    Http,
    config_map,
    crd,
    eventually,
    pod,
    pod_dnat,
)

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DNATS = "/apis/alibabacloud.com/v1/namespaces/default/poddnats"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer(settings=Settings(kubelet=KubeletSettings())) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def gone(http: Http, path: str) -> None:
    eventually(lambda: http("GET", path).code == 404)


def owned_by(owner: Any, **more: Any) -> dict[str, Any]:
    meta = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {"ownerReferences": [{**reference, **more}]}


def drop_finalizers(http: Http, path: str) -> None:
    assert http("PATCH", path, {"metadata": {"finalizers": None}}, MERGE).code == 200


def test_without_finalizers_an_object_goes_at_once(http: Http) -> None:
    created = http("POST", MAPS, config_map("a"))
    reply = http("DELETE", f"{MAPS}/a")
    assert (reply.code, reply["kind"], reply["status"]) == (200, "Status", "Success")
    assert reply["details.uid"] == created["metadata.uid"]
    assert http("GET", f"{MAPS}/a").code == 404
    assert http("DELETE", f"{MAPS}/a").code == 404


def test_a_finalizer_holds_an_object_until_it_is_taken_off(http: Http) -> None:
    http("POST", MAPS, config_map("a", finalizers=["x/y"]))
    reply = http("DELETE", f"{MAPS}/a")
    assert reply.code == 200
    stamp = reply["metadata.deletionTimestamp"]
    again = http("DELETE", f"{MAPS}/a")
    assert again["metadata.deletionTimestamp"] == stamp
    assert again["metadata.resourceVersion"] == reply["metadata.resourceVersion"]
    assert http("PATCH", f"{MAPS}/a", {"data": {"k": "w"}}, MERGE).code == 200, "still writable"
    drop_finalizers(http, f"{MAPS}/a")
    assert http("GET", f"{MAPS}/a").code == 404


def test_the_deletion_event_comes_last_and_once(http: Http) -> None:
    http("POST", MAPS, config_map("a", finalizers=["x/y"]))
    version = http("GET", MAPS)["metadata.resourceVersion"]
    with http.watch(MAPS, resourceVersion=version) as stream:
        http("DELETE", f"{MAPS}/a")
        drop_finalizers(http, f"{MAPS}/a")
        http("POST", MAPS, config_map("b"))
        expected = [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]
        assert stream.take(3) == expected


def test_no_finalizer_can_be_added_while_deleting(http: Http) -> None:
    http("POST", MAPS, config_map("a", finalizers=["x/y", "x/z"]))
    http("DELETE", f"{MAPS}/a")
    more = http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["x/y", "x/new"]}}, MERGE)
    assert (more.code, more["reason"]) == (422, "Invalid")
    assert "no new finalizers can be added" in more["message"]
    assert http("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["x/y"]}}, MERGE).code == 200


def test_deletion_marks_cannot_be_written(http: Http) -> None:
    stamp = {"deletionTimestamp": "2020-01-01T00:00:00Z"}
    created = http("POST", MAPS, config_map("a", **stamp))
    assert "deletionTimestamp" not in created["metadata"]
    patched = http("PATCH", f"{MAPS}/a", {"metadata": stamp}, MERGE)
    assert "deletionTimestamp" not in patched["metadata"]


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_preconditions(http: Http, field: str) -> None:
    created = http("POST", MAPS, config_map("a"))
    wrong = {"preconditions": {field: "other"}}
    reply = http("DELETE", f"{MAPS}/a", wrong)
    assert (reply.code, reply["reason"]) == (409, "Conflict")
    right = {"preconditions": {field: created["metadata"][field]}}
    assert http("DELETE", f"{MAPS}/a", right).code == 200


def test_collection(http: Http) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        http("POST", MAPS, config_map(name, labels={"colour": colour}))
    reply = http("DELETE", MAPS, labelSelector="colour=red")
    assert [item["metadata"]["name"] for item in reply["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in http("GET", MAPS)["items"]] == ["b"]


def test_dependents_go_after_their_owner(http: Http) -> None:
    owner = http("POST", MAPS, config_map("owner"))
    http("POST", MAPS, config_map("child", **owned_by(owner.body)))
    http("POST", MAPS, config_map("held", finalizers=["x/y"], **owned_by(owner.body)))
    http("DELETE", f"{MAPS}/owner")
    gone(http, f"{MAPS}/child")
    eventually(lambda: "deletionTimestamp" in http("GET", f"{MAPS}/held")["metadata"])
    drop_finalizers(http, f"{MAPS}/held")
    gone(http, f"{MAPS}/held")


def test_a_dependent_of_nobody_goes(http: Http) -> None:
    owner = http("POST", MAPS, config_map("owner"))
    http("DELETE", f"{MAPS}/owner")
    http("POST", MAPS, config_map("owner"))
    http("POST", MAPS, config_map("child", **owned_by(owner.body)))
    gone(http, f"{MAPS}/child")
    assert http("GET", f"{MAPS}/owner").code == 200


def test_one_living_owner_is_enough(http: Http) -> None:
    first, second = (http("POST", MAPS, config_map(name)) for name in ("o1", "o2"))
    owners = [*owned_by(first.body)["ownerReferences"], *owned_by(second.body)["ownerReferences"]]
    http("POST", MAPS, config_map("child", ownerReferences=owners))
    http("DELETE", f"{MAPS}/o1")
    eventually(lambda: len(http("GET", f"{MAPS}/child")["metadata.ownerReferences"]) == 1)
    http("DELETE", f"{MAPS}/o2")
    gone(http, f"{MAPS}/child")


def test_orphans_stay_without_owner(http: Http) -> None:
    owner = http("POST", MAPS, config_map("owner"))
    http("POST", MAPS, config_map("child", **owned_by(owner.body)))
    http("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
    gone(http, f"{MAPS}/owner")
    assert "ownerReferences" not in http("GET", f"{MAPS}/child")["metadata"]


def test_foreground_waits_for_those_that_block(http: Http) -> None:
    owner = http("POST", MAPS, config_map("owner"))
    blocking = owned_by(owner.body, blockOwnerDeletion=True)
    http("POST", MAPS, config_map("child", finalizers=["x/y"], **blocking))
    reply = http("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert reply["metadata.finalizers"] == ["foregroundDeletion"]
    eventually(lambda: "deletionTimestamp" in http("GET", f"{MAPS}/child")["metadata"])
    assert http("GET", f"{MAPS}/owner").code == 200
    drop_finalizers(http, f"{MAPS}/child")
    gone(http, f"{MAPS}/child")
    gone(http, f"{MAPS}/owner")


def test_a_namespace_goes_with_all_that_is_in_it(http: Http, server: KubeServer) -> None:
    http("POST", CRDS, crd())
    http("POST", "/api/v1/namespaces", {"metadata": {"name": "games"}})
    inside = "/api/v1/namespaces/games"
    http("POST", f"{inside}/configmaps", config_map("a"))
    http("POST", f"{inside}/pods", pod("p"))
    dnats = DNATS.replace("default", "games")
    http("POST", dnats, pod_dnat("p", "v1", finalizers=["natgw-controller"]))
    eventually(lambda: http("GET", f"{inside}/pods/p")["status.phase"] == "Running")
    server.kubelet.hold("games", "p")
    reply = http("DELETE", inside)
    assert reply["status.phase"] == "Terminating"
    refused = http("POST", f"{inside}/configmaps", config_map("late"))
    assert (refused.code, refused["reason"]) == (403, "Forbidden")
    assert refused["details.causes.0.reason"] == "NamespaceTerminating"
    gone(http, f"{inside}/configmaps/a")
    eventually(lambda: http("GET", f"{inside}/pods/p")["metadata"].get("deletionTimestamp"))
    server.kubelet.release("games", "p")
    gone(http, f"{inside}/pods/p")

    def says_why() -> bool:
        conditions = http("GET", inside)["status"].get("conditions", ())
        return any("natgw-controller" in condition["message"] for condition in conditions)

    eventually(says_why)
    drop_finalizers(http, f"{dnats}/p")
    gone(http, inside)
    assert http("POST", "/api/v1/namespaces", {"metadata": {"name": "games"}}).code == 201


def test_a_crd_goes_after_its_objects(http: Http) -> None:
    http("POST", CRDS, crd())
    http("POST", DNATS, pod_dnat("web", "v1", finalizers=["natgw-controller"]))
    http("DELETE", f"{CRDS}/poddnats.alibabacloud.com")
    eventually(lambda: http("GET", f"{DNATS}/web")["metadata"].get("deletionTimestamp"))
    assert http("GET", f"{CRDS}/poddnats.alibabacloud.com").code == 200
    drop_finalizers(http, f"{DNATS}/web")
    gone(http, f"{CRDS}/poddnats.alibabacloud.com")
    assert http("GET", DNATS).code == 404
