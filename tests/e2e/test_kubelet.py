"""The fake kubelet behaves, towards the API server, as a kubelet does."""

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import KubeApi, Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import deployment, pod, stateful_set


@pytest.fixture
def pods(namespace: str) -> str:
    """Path of the test's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


def ready(shown: Object) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in shown["status"].get("conditions", ())
    )


def container_state(shown: Object) -> str:
    (state,) = shown["status"]["containerStatuses"][0]["state"]
    return str(state)


def test_pods_of_a_deployment_run_each_with_its_own_ip(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    api.create(path, deployment("web", 3))
    eventually(lambda: api.get(f"{path}/web")["status"].get("readyReplicas") == 3)
    shown = api.items(pods)
    assert {pod["status"]["phase"] for pod in shown} == {"Running"}
    assert {pod["spec"]["nodeName"] for pod in shown} == set(kubelet.nodes)
    assert len({pod["status"]["podIP"] for pod in shown}) == 3


def test_a_pod_at_rest_is_not_written_to_again(
    api: KubeApi, control_plane: ControlPlane, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    mark = control_plane.audit.mark()
    api.create(pods, pod("calm"))
    kubelet.wait_running(namespace, "calm")
    api.patch(f"{pods}/calm", {"metadata": {"labels": {"a": "b"}}})
    api.create(pods, pod("later"))
    kubelet.wait_running(namespace, "later")

    def status_writes() -> list[str]:
        events = control_plane.audit.events(since=mark)
        return [e.name for e in events if e.namespace == namespace and e.subresource == "status"]

    eventually(lambda: status_writes() == ["calm", "later"])


def test_a_deleted_pod_stays_while_its_containers_run(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    api.create(pods, pod("held"))
    kubelet.hold(namespace, "held")
    kubelet.wait_running(namespace, "held")
    api.delete(f"{pods}/held")
    api.create(pods, pod("other"))
    api.delete(f"{pods}/other")
    eventually(lambda: api.find(f"{pods}/other") is None)
    shown = api.get(f"{pods}/held")
    assert "deletionTimestamp" in shown["metadata"]
    assert container_state(shown) == "running"
    kubelet.release(namespace, "held")
    eventually(lambda: api.find(f"{pods}/held") is None)


def test_containers_are_seen_to_end_before_the_pod_goes(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    kubelet.termination_delay = 0.3
    api.create(pods, pod("brief"))
    kubelet.wait_running(namespace, "brief")
    version = api.get(pods)["metadata"]["resourceVersion"]
    api.delete(f"{pods}/brief")
    seen = []
    with api.watch(pods, version) as watch:
        for kind, shown in watch:
            seen.append((kind, container_state(shown)))
            if kind == "DELETED":
                break
    assert seen[0] == ("MODIFIED", "running")
    assert ("MODIFIED", "terminated") in seen
    assert seen[-1] == ("DELETED", "terminated")


def test_a_restarted_pod_has_another_ip_and_only_that(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    api.create(pods, pod("moved"))
    kubelet.wait_running(namespace, "moved")
    ip = kubelet.restart(namespace, "moved")
    eventually(lambda: api.get(f"{pods}/moved")["status"]["podIP"] == ip)
    shown = api.get(f"{pods}/moved")
    assert shown["status"]["podIPs"] == [{"ip": ip}]
    assert shown["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_recycled_ip_goes_to_the_next_pod_while_the_old_one_is_still_there(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    kubelet.addresses.recycle = True
    api.create(pods, pod("old") | {"metadata": {"name": "old", "finalizers": ["example.com/x"]}})
    old = kubelet.wait_running(namespace, "old")
    api.delete(f"{pods}/old")
    eventually(lambda: container_state(api.get(f"{pods}/old")) == "terminated")
    api.create(pods, pod("new"))
    new = kubelet.wait_running(namespace, "new")
    assert new["status"]["podIP"] == old["status"]["podIP"]
    api.patch(f"{pods}/old", {"metadata": {"finalizers": None}})
    eventually(lambda: api.find(f"{pods}/old") is None)


def test_an_offered_ip_is_the_next_pods(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    kubelet.addresses.offer("172.16.9.9")
    api.create(pods, pod("picky"))
    assert kubelet.wait_running(namespace, "picky")["status"]["podIP"] == "172.16.9.9"


def test_a_pod_of_the_host_network_has_its_nodes_ip(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    api.create(pods, pod("agent", hostNetwork=True))
    shown = kubelet.wait_running(namespace, "agent")
    assert shown["status"]["podIP"] == kubelet.nodes[shown["spec"]["nodeName"]]


@pytest.mark.parametrize("outcome", [(0, "Succeeded"), (3, "Failed")])
def test_a_finished_pod_stays_with_its_containers_ended(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str, outcome: tuple[int, str]
) -> None:
    exit_code, phase = outcome
    api.create(pods, pod("job", restartPolicy="Never"))
    kubelet.wait_running(namespace, "job")
    kubelet.finish(namespace, "job", exit_code=exit_code)
    eventually(lambda: api.get(f"{pods}/job")["status"]["phase"] == phase)
    shown = api.get(f"{pods}/job")
    assert container_state(shown) == "terminated"
    assert not ready(shown)
    api.delete(f"{pods}/job")
    eventually(lambda: api.find(f"{pods}/job") is None)


def test_a_readiness_gate_holds_readiness_back(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    gate = "example.com/open"
    api.create(pods, pod("gated", readinessGates=[{"conditionType": gate}]))
    assert not ready(kubelet.wait_running(namespace, "gated"))

    def set_gate(value: str) -> None:
        patch = {"status": {"conditions": [{"type": gate, "status": value}]}}
        api.patch(f"{pods}/gated/status", patch, kind="strategic")

    set_gate("True")
    eventually(lambda: ready(api.get(f"{pods}/gated")))
    set_gate("False")
    eventually(lambda: not ready(api.get(f"{pods}/gated")))


def test_a_pod_of_a_stateful_set_comes_back_with_its_name_and_another_ip(
    api: KubeApi, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    api.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", stateful_set("db", 1))
    eventually(lambda: api.find(f"{pods}/db-0"))
    first = kubelet.wait_running(namespace, "db-0")
    api.delete(f"{pods}/db-0")

    def second() -> bool:
        shown = api.find(f"{pods}/db-0")
        return shown is not None and shown["metadata"]["uid"] != first["metadata"]["uid"]

    eventually(second)
    assert kubelet.wait_running(namespace, "db-0")["status"]["podIP"] != first["status"]["podIP"]


def test_it_goes_on_after_the_api_server_forgot_all_history(
    api: KubeApi, control_plane: ControlPlane, kubelet: Kubelet, namespace: str, pods: str
) -> None:
    api.create(pods, pod("before"))
    before = kubelet.wait_running(namespace, "before")
    control_plane.expire_watches()
    api.create(pods, pod("after"))
    kubelet.wait_running(namespace, "after")
    assert api.get(f"{pods}/before")["status"] == before["status"]


def test_another_kubelet_takes_over_what_runs(api: KubeApi, namespace: str, pods: str) -> None:
    with Kubelet(api, namespace=namespace) as first:
        api.create(pods, pod("a"))
        shown = first.wait_running(namespace, "a")
    second = Kubelet(api, namespace=namespace)
    second.nodes = first.nodes
    with second:
        api.delete(f"{pods}/a")
        eventually(lambda: api.find(f"{pods}/a") is None)
    assert shown["spec"]["nodeName"] in first.nodes
