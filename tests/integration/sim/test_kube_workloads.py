"""Deployments and StatefulSets make, replace and remove pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl_sim.kube import KubeServer
from tests.integration.sim.kube_support import MERGE, Http, eventually, pod

PODS = "/api/v1/namespaces/default/pods"
APPS = "/apis/apps/v1/namespaces/default"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer() as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def workload(kind: str, replicas: int, **spec: Any) -> dict[str, Any]:
    labels = {"app": "game"}
    template = {"metadata": {"labels": labels}, "spec": pod("x")["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "game"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            **spec,
        },
    }


def ready(http: Http, plural: str, replicas: int) -> None:
    def settled() -> bool:
        obj = http("GET", f"{APPS}/{plural}/game").body
        status = obj.get("status", {})
        return (
            status.get("observedGeneration") == obj["metadata"]["generation"]
            and status.get("readyReplicas", 0) == status.get("replicas", 0) == replicas
            and status.get("updatedReplicas", 0) == replicas
        )

    eventually(settled)


def running(http: Http) -> dict[str, Any]:
    """The pods that are not on their way out."""
    pods = http("GET", PODS)["items"]
    return {p["metadata"]["name"]: p for p in pods if "deletionTimestamp" not in p["metadata"]}


def set_image(http: Http, plural: str, image: str) -> None:
    containers = [{"name": "main", "image": image}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    assert http("PATCH", f"{APPS}/{plural}/game", patch, MERGE).code == 200


def images(http: Http) -> list[str]:
    return [p["spec"]["containers"][0]["image"] for p in running(http).values()]


def test_a_deployment_makes_a_replica_set_makes_pods(http: Http) -> None:
    http("POST", f"{APPS}/deployments", workload("Deployment", 3))
    ready(http, "deployments", 3)
    (set_,) = http("GET", f"{APPS}/replicasets")["items"]
    pods = running(http)
    assert len(pods) == 3
    for body in pods.values():
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("ReplicaSet", set_["metadata"]["uid"])
        assert owner["controller"]
        labels = body["metadata"]["labels"]
        assert labels["pod-template-hash"] == set_["metadata"]["labels"]["pod-template-hash"]


def test_a_deleted_pod_is_replaced(http: Http) -> None:
    http("POST", f"{APPS}/deployments", workload("Deployment", 2))
    ready(http, "deployments", 2)
    victim, other = running(http)
    http("DELETE", f"{PODS}/{victim}")
    eventually(lambda: len(running(http)) == 2 and victim not in running(http))
    assert other in running(http)


def test_a_roll_out_never_goes_below_what_it_may(http: Http, server: KubeServer) -> None:
    rolling = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"}
    http("POST", f"{APPS}/deployments", workload("Deployment", 3, strategy=rolling))
    ready(http, "deployments", 3)
    version = http("GET", f"{APPS}/deployments")["metadata.resourceVersion"]
    set_image(http, "deployments", "game:2")
    eventually(lambda: images(http) == ["game:2"] * 3)
    ready(http, "deployments", 3)
    last = http("GET", f"{APPS}/deployments/game")["metadata.resourceVersion"]
    assert int(last) > int(version)
    states: list[Any] = []
    with http.watch(f"{APPS}/deployments", resourceVersion=version) as stream:
        while not states or states[-1]["metadata"]["resourceVersion"] != last:
            states.append(stream.next()[1])
    seen = [state["status"] for state in states if state["status"]]
    assert min(status.get("availableReplicas", 0) for status in seen) >= 3
    assert max(status.get("replicas", 0) for status in seen) <= 4


def test_recreate_ends_all_before_it_begins_anew(http: Http, server: KubeServer) -> None:
    http("POST", f"{APPS}/deployments", workload("Deployment", 2, strategy={"type": "Recreate"}))
    ready(http, "deployments", 2)
    set_image(http, "deployments", "game:2")
    ready(http, "deployments", 2)
    eventually(lambda: images(http) == ["game:2"] * 2)


def test_deleting_a_deployment_takes_everything_along(http: Http) -> None:
    http("POST", f"{APPS}/deployments", workload("Deployment", 2))
    ready(http, "deployments", 2)
    http("DELETE", f"{APPS}/deployments/game")
    eventually(lambda: not http("GET", PODS)["items"])
    assert not http("GET", f"{APPS}/replicasets")["items"]


def test_a_stateful_set_keeps_names_and_order(http: Http) -> None:
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 3))
    ready(http, "statefulsets", 3)
    pods = running(http)
    assert list(pods) == ["game-0", "game-1", "game-2"]
    created = [int(p["metadata"]["resourceVersion"]) for p in pods.values()]
    assert created == sorted(created)
    (owner,) = pods["game-0"]["metadata"]["ownerReferences"]
    assert owner["kind"] == "StatefulSet"
    assert pods["game-1"]["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"


def test_an_ordered_set_waits_for_its_predecessor(http: Http, server: KubeServer) -> None:
    server.settings.kubelet.start = 60
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 2))
    eventually(lambda: "game-0" in running(http))
    eventually(lambda: http("GET", f"{PODS}/game-0")["spec"].get("nodeName"))
    assert list(running(http)) == ["game-0"]


def test_a_parallel_set_does_not_wait(http: Http, server: KubeServer) -> None:
    server.settings.kubelet.start = 60
    body = workload("StatefulSet", 3, podManagementPolicy="Parallel")
    http("POST", f"{APPS}/statefulsets", body)
    eventually(lambda: len(running(http)) == 3)


def test_a_pod_of_a_set_comes_back_under_its_name(http: Http) -> None:
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 2))
    ready(http, "statefulsets", 2)
    before = running(http)["game-0"]["metadata"]["uid"]
    http("DELETE", f"{PODS}/game-0")

    def returned() -> bool:
        body = running(http).get("game-0")
        return body is not None and body["metadata"]["uid"] != before

    eventually(returned)


def test_scaling_a_set_down_removes_the_highest(http: Http) -> None:
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 3))
    ready(http, "statefulsets", 3)
    http("PATCH", f"{APPS}/statefulsets/game/scale", {"spec": {"replicas": 1}}, MERGE)
    ready(http, "statefulsets", 1)
    assert list(running(http)) == ["game-0"]


def test_updating_a_set_replaces_all_but_the_partition(http: Http) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 3, updateStrategy=strategy))
    ready(http, "statefulsets", 3)
    set_image(http, "statefulsets", "game:2")
    eventually(lambda: images(http) == ["game:1", "game:2", "game:2"])


def test_a_failed_pod_of_a_set_is_replaced(http: Http, server: KubeServer) -> None:
    http("POST", f"{APPS}/statefulsets", workload("StatefulSet", 1))
    ready(http, "statefulsets", 1)
    before = running(http)["game-0"]["metadata"]["uid"]
    server.kubelet.finish("default", "game-0", succeeded=False)

    def replaced() -> bool:
        body = running(http).get("game-0")
        return body is not None and body["metadata"]["uid"] != before

    eventually(replaced)


def test_selector_must_fit_the_template(http: Http) -> None:
    body = workload("Deployment", 1)
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    reply = http("POST", f"{APPS}/deployments", body)
    assert (reply.code, reply["reason"]) == (422, "Invalid")
