"""The kubelet's and the scheduler's stand-ins: a pod's life, and the ways a test can bend it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnatctl_sim.kube import KubeletSettings, KubeServer, Recycling, Settings
from tests.integration.sim.kube_support import MERGE, STRATEGIC, Http, eventually, pod

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    kubelet = KubeletSettings(pod_cidr="10.9.0.0/24")
    with KubeServer(settings=Settings(kubelet=kubelet)) as server:
        yield server


@pytest.fixture
def http(server: KubeServer) -> Http:
    return Http(server.url)


def run(http: Http, name: str, **spec: Any) -> dict[str, Any]:
    """Create a pod and wait until it runs."""
    body = pod(name)
    body["spec"].update(spec)
    assert http("POST", PODS, body).code == 201
    return eventually(lambda: status_is(http, name, "Running"))


def status_is(http: Http, name: str, phase: str) -> dict[str, Any]:
    reply = http("GET", f"{PODS}/{name}")
    return reply.body if reply.code == 200 and reply["status.phase"] == phase else {}


def condition(body: dict[str, Any], type_: str) -> str:
    found = {c["type"]: c["status"] for c in body["status"]["conditions"]}
    return found.get(type_, "")


def gone(http: Http, name: str) -> None:
    eventually(lambda: http("GET", f"{PODS}/{name}").code == 404)


def test_a_pod_is_placed_gets_an_ip_and_runs(http: Http) -> None:
    body = run(http, "p")
    node = http("GET", f"/api/v1/nodes/{body['spec']['nodeName']}")
    assert node["metadata.labels"]["topology.kubernetes.io/zone"].startswith("cn-hangzhou-")
    assert body["status"]["podIP"] == "10.9.0.10"
    assert body["status"]["podIPs"] == [{"ip": "10.9.0.10"}]
    container = body["status"]["containerStatuses"][0]
    assert container["name"] == "main"
    assert container["ready"]
    assert "running" in container["state"]
    assert condition(body, "Ready") == "True"


def test_host_network_pods_have_the_nodes_address(http: Http) -> None:
    body = run(http, "p", hostNetwork=True)
    assert body["status"]["podIP"] == body["status"]["hostIP"]
    assert run(http, "q")["status"]["podIP"] == "10.9.0.10", "no pod IP was used up"


def test_a_pod_that_fits_no_node_waits(http: Http) -> None:
    body = pod("p")
    body["spec"]["nodeSelector"] = {"disk": "fast"}
    http("POST", PODS, body)
    eventually(lambda: http("GET", f"{PODS}/p")["status"].get("conditions"))
    assert condition(http("GET", f"{PODS}/p").body, "PodScheduled") == "False"
    http("PATCH", "/api/v1/nodes/node-2", {"metadata": {"labels": {"disk": "fast"}}}, MERGE)
    assert eventually(lambda: status_is(http, "p", "Running"))["spec"]["nodeName"] == "node-2"


def test_readiness_gates_hold_ready_back(http: Http) -> None:
    gate = "k8s.aliyun.com/pod-dnat-ready"
    body = run(http, "p", readinessGates=[{"conditionType": gate}])
    assert condition(body, "ContainersReady") == "True"
    assert condition(body, "Ready") == "False"
    patch = {"status": {"conditions": [{"type": gate, "status": "True"}]}}
    http("PATCH", f"{PODS}/p/status", patch, STRATEGIC)
    eventually(lambda: condition(http("GET", f"{PODS}/p").body, "Ready") == "True")


def test_deletion_is_graceful_and_ends_with_the_kubelet(http: Http, server: KubeServer) -> None:
    run(http, "p")
    server.kubelet.hold("default", "p")
    version = http("GET", PODS)["metadata.resourceVersion"]
    reply = http("DELETE", f"{PODS}/p")
    assert (reply["kind"], reply["metadata.deletionGracePeriodSeconds"]) == ("Pod", 30)
    still = http("GET", f"{PODS}/p")
    assert still["status.phase"] == "Running"
    assert "running" in still["status.containerStatuses.0.state"]
    server.kubelet.release("default", "p")
    gone(http, "p")
    with http.watch(PODS, resourceVersion=version) as stream:
        states = [stream.next() for _ in range(3)]
    assert [kind for kind, _ in states] == ["MODIFIED", "MODIFIED", "DELETED"]
    ended = states[1][1]["status"]
    assert "terminated" in ended["containerStatuses"][0]["state"]
    assert ended["phase"] == "Succeeded"
    assert ended["podIP"] == "10.9.0.10", "the status keeps the address"


def test_whoever_is_let_end_may_not_have_a_node_yet(http: Http, server: KubeServer) -> None:
    body = pod("p")
    body["spec"]["nodeSelector"] = {"disk": "fast"}
    http("POST", PODS, body)
    server.kubelet.release()
    http("PATCH", "/api/v1/nodes/node-2", {"metadata": {"labels": {"disk": "fast"}}}, MERGE)
    assert eventually(lambda: status_is(http, "p", "Running"))["spec"]["nodeName"] == "node-2"


def test_a_finalizer_keeps_a_pod_whose_containers_have_ended(http: Http) -> None:
    run(http, "p")
    http("PATCH", f"{PODS}/p", {"metadata": {"finalizers": ["x/y"]}}, MERGE)
    http("DELETE", f"{PODS}/p")
    body = eventually(lambda: status_is(http, "p", "Succeeded"))
    assert body["metadata"]["finalizers"] == ["x/y"]
    eventually(lambda: http("GET", f"{PODS}/p")["metadata.deletionGracePeriodSeconds"] == 0)
    http("PATCH", f"{PODS}/p", {"metadata": {"finalizers": None}}, MERGE)
    gone(http, "p")


def test_force_deletion_skips_the_kubelet(http: Http, server: KubeServer) -> None:
    run(http, "p")
    server.kubelet.hold()
    http("DELETE", f"{PODS}/p")
    assert (
        http("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 5})[
            "metadata.deletionGracePeriodSeconds"
        ]
        == 5
    )
    assert http("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0}).code == 200
    assert http("GET", f"{PODS}/p").code == 404


def test_an_unplaced_pod_goes_at_once(http: Http) -> None:
    body = pod("p")
    body["spec"]["schedulingGates"] = [{"name": "wait"}]
    http("POST", PODS, body)
    http("DELETE", f"{PODS}/p")
    assert http("GET", f"{PODS}/p").code == 404


def test_a_freed_address_goes_to_the_next_pod_at_once(http: Http) -> None:
    first = run(http, "a")["status"]["podIP"]
    second = run(http, "b")["status"]["podIP"]
    http("PATCH", f"{PODS}/a", {"metadata": {"finalizers": ["x/y"]}}, MERGE)
    http("DELETE", f"{PODS}/a")
    eventually(lambda: status_is(http, "a", "Succeeded"))
    assert run(http, "c")["status"]["podIP"] == first != second
    assert http("GET", f"{PODS}/a").code == 200, "although the old pod is still there"


def test_fifo_recycling_prefers_fresh_addresses() -> None:
    kubelet = KubeletSettings(pod_cidr="10.9.0.0/28", recycling=Recycling.FIFO)
    with KubeServer(settings=Settings(kubelet=kubelet)) as server:
        http = Http(server.url)
        first = run(http, "a")["status"]["podIP"]
        http("DELETE", f"{PODS}/a")
        gone(http, "a")
        others = [run(http, name)["status"]["podIP"] for name in "bcde"]
        assert first not in others
        assert run(http, "f")["status"]["podIP"] == first


def test_restart_gives_another_address(http: Http, server: KubeServer) -> None:
    before = run(http, "p")
    address = server.kubelet.restart("default", "p")
    after = http("GET", f"{PODS}/p").body
    assert after["status"]["podIP"] == address != before["status"]["podIP"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1
    assert run(http, "q")["status"]["podIP"] == before["status"]["podIP"]


@pytest.mark.parametrize(("succeeded", "phase"), [(True, "Succeeded"), (False, "Failed")])
def test_finished_pods_free_their_address(
    http: Http, server: KubeServer, succeeded: bool, phase: str
) -> None:
    address = run(http, "p")["status"]["podIP"]
    server.kubelet.finish("default", "p", succeeded=succeeded)
    body = status_is(http, "p", phase)
    assert "terminated" in body["status"]["containerStatuses"][0]["state"]
    assert condition(body, "Ready") == "False"
    assert run(http, "q")["status"]["podIP"] == address
    http("DELETE", f"{PODS}/p")
    assert http("GET", f"{PODS}/p").code == 404, "nothing is left to end"


def test_readiness_can_be_set(http: Http, server: KubeServer) -> None:
    run(http, "p")
    server.kubelet.set_ready("default", "p", ready=False)
    assert condition(http("GET", f"{PODS}/p").body, "Ready") == "False"
    server.kubelet.set_ready("default", "p", ready=True)
    assert condition(http("GET", f"{PODS}/p").body, "Ready") == "True"


def test_times_can_be_set(http: Http, server: KubeServer) -> None:
    server.settings.kubelet.start = 60
    http("POST", PODS, pod("slow"))
    eventually(lambda: http("GET", f"{PODS}/slow")["spec"].get("nodeName"))
    http("GET", f"{PODS}/slow")  # before this is answered, the kubelet has heard of it
    server.settings.kubelet.start = 0
    run(http, "quick")
    assert status_is(http, "slow", "Pending")


def test_a_second_pod_of_the_name_starts_anew(http: Http) -> None:
    first = run(http, "p")
    http("DELETE", f"{PODS}/p")
    gone(http, "p")
    second = run(http, "p")
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_one_that_finishes_before_it_was_started_never_runs() -> None:
    """Its IP would be another pod's as well, for its end has been seen to already."""
    with KubeServer() as server:
        http = Http(server.url)
        placed = pod("p", namespace="default")
        placed["spec"]["nodeName"] = server.store.list("nodes")[0]["metadata"]["name"]
        with server.store.raw.lock:  # nothing starts the pod meanwhile
            server.store.create("pods", placed)
            server.kubelet.finish("default", "p")
        run(http, "later")
        assert "podIP" not in status_is(http, "p", "Succeeded")["status"]
