"""The walk-through of the vendor's page on DNAT for pods, step by step, with kubectl.

https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/configure-dnat-to-expose-a-pod
"""

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud.spec import GATEWAY_ID, ZONES
from hack.controlplane.files import CONTROLLER_USER
from tests.e2e.arena import POD_NETWORK, Arena, exposing, pods_path
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubectl import Kubectl
from tests.e2e.kubelet import Kubelet
from tests.e2e.oracle import entries_of
from tests.e2e.workloads import deployment, pod, stateful_set

# The page's Deployment, to the letter.
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: example
  labels:
    app: example
spec:
  replicas: 1
  selector:
    matchLabels:
      app: example
  template:
    metadata:
      labels:
        app: example
      annotations:
        k8s.aliyun.com/pod-dnat: ""
        k8s.aliyun.com/pod-dnat-expose-port: "80"
    spec:
      containers:
      - name: example
        image: nginx
"""


@pytest.fixture
def working(arena: Arena) -> Arena:
    """An arena with a replica at work."""
    arena.start()
    return arena


@pytest.fixture
def default_kubelet(arena: Arena) -> Iterator[Kubelet]:
    """A node for the namespace that manifests without one go to."""
    with Kubelet(arena.api, namespace="default", network=POD_NETWORK) as kubelet:
        yield kubelet
    arena.api.delete(pods_path("default"), gracePeriodSeconds=0)


def test_the_deployment_of_the_page_gets_the_object_of_the_page(
    working: Arena, default_kubelet: Kubelet, kubectl: Kubectl
) -> None:
    kubectl.run("apply", "-f", "-", stdin=DEPLOYMENT)
    try:
        (pod,) = eventually(lambda: kubectl.json("get", "pods", "-l", "app=example")["items"])
        working.ready("default", pod["metadata"]["name"])
        eventually(lambda: _items(kubectl)[0]["spec"].get("eni"))
        (record,) = _items(kubectl)
        (row,) = working.own_rows()
        pod = working.api.get(f"{pods_path('default')}/{pod['metadata']['name']}")
        _assert_as_documented(record, pod, row["entry_id"])
    finally:
        kubectl.run("delete", "deployment", "example")
        working.gone("default", record["metadata"]["name"])
    assert working.own_rows() == []


def _items(kubectl: Kubectl) -> list[Object]:
    items: list[Object] = kubectl.json("get", "poddnats")["items"]
    return items


def _assert_as_documented(record: Object, pod: Object, entry_id: str) -> None:
    """Field by field as the page shows the object, and nothing else but documented additions."""
    metadata, name, ip = record["metadata"], pod["metadata"]["name"], pod["status"]["podIP"]
    assert (record["apiVersion"], record["kind"]) == ("alibabacloud.com/v1", "PodDNAT")
    assert metadata["name"] == name
    assert metadata["namespace"] == "default"
    assert metadata["finalizers"] == ["natgw-controller"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "blockOwnerDeletion": True,
            "kind": "Pod",
            "name": name,
            "uid": pod["metadata"]["uid"],
        }
    ]
    spec = record["spec"]
    assert spec.pop("eni").startswith("eni-")
    assert spec == {
        "externalIP": "203.0.113.1",
        "internalIP": ip,
        "portMapping": [{"externalPort": "512", "internalPort": "80"}],
        "protocol": "tcp",
        "tableId": GATEWAY_ID,
        "vswitch": "vsw-bp1pods0",
        "zoneID": ZONES[0],
    }
    assert record["status"]["entries"] == [
        {
            "externalIP": "203.0.113.1",
            "externalPort": "512",
            "forwardEntryId": entry_id,
            "internalIP": ip,
            "internalPort": "80",
            "ipProtocol": "tcp",
        }
    ]


def test_scaling_up_and_down_takes_and_gives_back_endpoints(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply([deployment("web", 2, annotations=exposing("80,443")) | _in(namespace, "web")])
    _wait_for_records(working, namespace, 2)
    kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=6")
    _wait_for_records(working, namespace, 6)
    kubectl.run("-n", namespace, "scale", "deployment/web", "--replicas=1")
    _wait_for_records(working, namespace, 1)
    assert len(working.own_rows()) == 2
    working.at_rest()


def test_deleting_pods_gives_back_theirs_and_their_successors_get_others(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply([deployment("web", 3, annotations=exposing("80")) | _in(namespace, "web")])
    before = _wait_for_records(working, namespace, 3)
    kubectl.run("-n", namespace, "delete", "pods", "--all", "--wait=false")
    eventually(
        lambda: not before.keys() & {r["metadata"]["uid"] for r in working.records(namespace)},
        within=60,
    )
    _wait_for_records(working, namespace, 3)
    assert len(working.own_rows()) == 3


def test_a_pod_that_terminates_keeps_its_endpoint_until_its_containers_have_ended(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    working.api.create(pods_path(namespace), pod("game", annotations=exposing("7000")))
    kubelet.hold(namespace, "game")
    entries = working.ready(namespace, "game")
    kubectl.run("-n", namespace, "delete", "pod", "game", "--wait=false")
    working.at_rest()
    assert entries_of(working.record(namespace, "game") or {}) == entries
    kubelet.release(namespace, "game")
    working.gone(namespace, "game")
    assert working.own_rows() == []


def test_a_rollout_restart_moves_every_endpoint_to_the_new_pods(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply([deployment("web", 3, annotations=exposing("80")) | _in(namespace, "web")])
    before = _wait_for_records(working, namespace, 3)
    kubectl.run("-n", namespace, "rollout", "restart", "deployment/web")
    kubectl.run("-n", namespace, "rollout", "status", "deployment/web", "--timeout=50s")
    after = _wait_for_records(working, namespace, 3)
    assert not before.keys() & after.keys()


def test_a_deleted_namespace_goes_with_the_pods_inside(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply([deployment("web", 4, annotations=exposing("80")) | _in(namespace, "web")])
    kubectl.apply([stateful_set("game", 2, annotations=FIXED) | _in(namespace, "game")])
    _wait_for_records(working, namespace, 6)
    kubectl.run("delete", "namespace", namespace, "--wait=false")
    eventually(lambda: working.api.find(f"/api/v1/namespaces/{namespace}") is None, within=60)
    assert working.own_rows() == []
    warned = [line["msg"] for line in working.replicas[0].lines() if line["level"] == "warning"]
    assert warned == []


FIXED = exposing("7000,7001/udp", fixed="")


def test_fixed_pods_keep_their_endpoints_through_a_rolling_update_and_a_scale_down(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply([stateful_set("game", 3, annotations=FIXED) | _in(namespace, "game")])
    _wait_for_records(working, namespace, 3)
    before = _endpoints(working, namespace)
    ips = _pod_ips(working, namespace)
    kubectl.run("-n", namespace, "rollout", "restart", "statefulset/game")
    kubectl.run("-n", namespace, "rollout", "status", "statefulset/game", "--timeout=50s")
    working.settled()
    assert _endpoints(working, namespace) == before
    assert not ips & _pod_ips(working, namespace)

    kubectl.run("-n", namespace, "scale", "statefulset/game", "--replicas=1")
    eventually(lambda: len(_endpoints(working, namespace)) == 1, within=60)
    eventually(lambda: len(working.own_rows()) == 2, within=60)
    kubectl.run("-n", namespace, "scale", "statefulset/game", "--replicas=3")
    eventually(lambda: _endpoints(working, namespace) == before, within=60)
    working.settled()


def test_the_exposure_of_a_running_pod_is_turned_on_changed_and_off_by_annotations(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    working.api.create(pods_path(namespace), pod("web"))
    kubelet.wait_running(namespace, "web")
    annotate = ("-n", namespace, "annotate", "--overwrite", "pod/web")
    kubectl.run(*annotate, *(f"{key}={value}" for key, value in exposing("80").items()))
    (first,) = working.ready(namespace, "web")
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat-expose-port=80,443")
    eventually(lambda: len(entries_of(working.record(namespace, "web") or {})) == 2, within=60)
    assert entries_of(working.record(namespace, "web") or {})[0] == first
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat=false")
    working.gone(namespace, "web")
    assert working.own_rows() == []
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat=true")
    eventually(lambda: len(entries_of(working.record(namespace, "web") or {})) == 2, within=60)
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat-")
    working.gone(namespace, "web")


def test_a_wrong_annotation_is_answered_by_an_event_and_what_exists_is_kept(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    working.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
    entries = working.ready(namespace, "web")
    annotate = ("-n", namespace, "annotate", "--overwrite", "pod/web")
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat-expose-port=80,70000")
    eventually(lambda: "70000" in kubectl.run("-n", namespace, "get", "events"), within=60)
    assert entries_of(working.record(namespace, "web") or {}) == entries
    kubectl.run(*annotate, "k8s.aliyun.com/pod-dnat-expose-port=80,7000")
    eventually(lambda: len(entries_of(working.record(namespace, "web") or {})) == 2, within=60)


def test_kubectl_shows_endpoints_and_whether_they_can_be_reached(
    working: Arena, kubelet: Kubelet, kubectl: Kubectl, namespace: str
) -> None:
    working.api.create(pods_path(namespace), pod("web", annotations=exposing("80,443")))
    working.ready(namespace, "web")
    eventually(lambda: "True" in kubectl.run("-n", namespace, "get", "pdnat", "web"))
    header, line = kubectl.run("-n", namespace, "get", "pdnat", "web").splitlines()
    assert header.split() == ["NAME", "EXTERNAL", "PORT", "READY", "AGE"]
    assert line.split()[:4] == ["web", "203.0.113.1", "512", "True"]
    events = kubectl.run("-n", namespace, "get", "events", "-o", "wide")
    eventually(lambda: "EntryReady" in kubectl.run("-n", namespace, "get", "events"))
    assert "dnatctl" in events


def test_nothing_is_refused_and_no_empty_text_is_written(
    working: Arena, kubelet: Kubelet, namespace: str
) -> None:
    """The server of this test takes an empty text in a custom resource for null, and refuses it.

    `reflect` of the Go it was built with thinks so; other servers may be built alike.
    """
    working.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
    working.ready(namespace, "web")
    assert "" not in _texts(working.record(namespace, "web"))
    working.api.delete(f"{pods_path(namespace)}/web")
    working.gone(namespace, "web")
    assert [event for event in working.requests() if event.code in (401, 403, 422)] == []
    assert {event.user for event in working.requests()} == {CONTROLLER_USER}


def _texts(value: object) -> list[str]:
    """Every text in an object."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def _in(namespace: str, name: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}}


def _wait_for_records(arena: Arena, namespace: str, count: int) -> dict[str, Object]:
    """Wait until everything agrees and there are so many PodDNATs; return them by UID."""

    def counted() -> list[Object] | None:
        records = arena.records(namespace)
        return records if len(records) == count else None

    eventually(counted, within=60)
    arena.settled()
    return {record["metadata"]["uid"]: record for record in arena.records(namespace)}


def _endpoints(arena: Arena, namespace: str) -> dict[str, list[tuple[str, str, str]]]:
    """The usable endpoints by name of the pod."""
    return {
        record["metadata"]["name"]: [
            (entry["externalIP"], entry["externalPort"], entry["ipProtocol"])
            for entry in entries_of(record)
        ]
        for record in arena.records(namespace)
        if entries_of(record)
    }


def _pod_ips(arena: Arena, namespace: str) -> set[str]:
    return {pod["status"]["podIP"] for pod in arena.api.items(pods_path(namespace))}
