"""Guards that take leave of their own, with just that leave on a real API server."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.controlplane.files import CONTROLLER_NAMESPACE
from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS, POD_CONDITION
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod, stateful_set
from tests.support.certificates import write_pair
from tests.unit.manifests.built import with_component

COMPONENTS = MANIFESTS.parents[1] / "components"


@contextmanager
def granted(arena: Arena, component: str) -> Iterator[None]:
    """The leave that a component gives."""
    kubectl, manifest = arena.control_plane.kubectl_as("admin"), COMPONENTS / component
    kubectl.apply(manifest / "rbac.yaml")
    try:
        yield
    finally:
        kubectl.run("delete", "-f", manifest / "rbac.yaml")


@contextmanager
def listed(arena: Arena, namespace: str) -> Iterator[None]:
    """Leave to write in that namespace only."""
    kubectl = arena.control_plane.kubectl_as("admin")
    objects = with_component("listed-namespaces")
    names = ("dnatctl", "dnatctl-in-namespace", "dnatctl-events")
    roles = [o for o in objects if "Role" in o["kind"] and o["metadata"]["name"] in names]
    inside = [_bound(namespace, name) for name in ("dnatctl-in-namespace", "dnatctl-pod-condition")]
    try:
        kubectl.run("delete", "clusterrolebinding", "dnatctl-pod-condition")
        kubectl.apply([*roles, *inside])
        yield
    finally:
        kubectl.apply(MANIFESTS)
        kubectl.apply(POD_CONDITION)
        kubectl.run("delete", "clusterrole", "dnatctl-in-namespace")
        bindings = [each["metadata"]["name"] for each in inside]
        kubectl.run("delete", "rolebinding", "-n", namespace, *bindings)


def _bound(namespace: str, role: str) -> Object:
    """The ClusterRole given to the controller's account in one namespace."""
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "dnatctl", "namespace": CONTROLLER_NAMESPACE}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def test_metrics_are_for_those_whom_the_api_server_lets(arena: Arena, tmp_path: Path) -> None:
    write_pair(tmp_path, "dnatctl-metrics")
    context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    with granted(arena, "secure-metrics"):
        replica = arena.start(f"--metrics-cert-folder={tmp_path}", "--metrics-token-review")

        def scraped_with(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            request = urllib.request.Request(f"https://{replica.address}/metrics", headers=headers)
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            try:
                with opener.open(request, timeout=30) as answer:
                    assert b"leader_election_master_status" in answer.read()
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        tokens = arena.control_plane.tokens
        assert scraped_with("made-up") == 401
        assert scraped_with(tokens["dnatctl"]) == 403
        assert scraped_with(tokens["admin"]) == 200


def test_a_label_lets_the_pods_of_a_namespace_in(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    with granted(arena, "namespace-selector"):
        arena.start(namespaces={"selector": "dnat=allowed"})
        arena.api.create(pods_path(namespace), pod("web", annotations=exposing("80")))
        eventually(lambda: condition(arena, namespace, "web") == "NamespaceDenied", within=60)
        assert arena.records(namespace) == []
        labelled = {"metadata": {"labels": {"dnat": "allowed"}}}
        arena.api.patch(f"/api/v1/namespaces/{namespace}", labelled)
        arena.ready(namespace, "web", within=60)
        assert [event.uri for event in arena.requests() if event.code == 403] == []


def test_with_listed_namespaces_it_works_in_those_and_writes_nowhere_else(
    arena: Arena, kubelet: Kubelet, namespace: str
) -> None:
    elsewhere = arena.api.create(
        "/api/v1/namespaces", {"metadata": {"generateName": "elsewhere-"}}
    )["metadata"]["name"]
    with listed(arena, namespace):
        arena.start(namespaces={"allow": [namespace]})
        stateful = stateful_set("game", 1, annotations=exposing("80", fixed=""))
        arena.api.create(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", stateful)
        arena.ready(namespace, "game-0", within=60)
        eventually(lambda: condition(arena, namespace, "game-0") == "EntriesAvailable", within=60)
        arena.api.create(pods_path(elsewhere), pod("web", annotations=exposing("80")))
        eventually(lambda: refused(arena, elsewhere), within=60)
        assert arena.records(elsewhere) == []
        assert not refused(arena, namespace)
        arena.api.delete(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/game")
        arena.gone(namespace, "game-0", within=60)
    arena.control_plane.clear_namespace(elsewhere)


def condition(arena: Arena, namespace: str, name: str) -> str:
    """The reason of the pod's condition."""
    pod = arena.api.get(f"{pods_path(namespace)}/{name}")
    conditions = pod.get("status", {}).get("conditions", [])
    return next((c["reason"] for c in conditions if c["type"].startswith("k8s.aliyun.com/")), "")


def refused(arena: Arena, namespace: str) -> set[str]:
    """What it tried there and may not."""
    return {e.uri for e in arena.requests() if e.code == 403 and e.namespace == namespace}
