"""Guards that take leave of their own, with just that leave on a real API server."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import pod
from tests.support.certificates import write_pair

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
        path = pods_path(namespace)
        arena.api.create(path, pod("web", annotations=exposing("80")))

        def reason() -> str:
            conditions = arena.api.get(f"{path}/web").get("status", {}).get("conditions", [])
            ours = (c["reason"] for c in conditions if c["type"].startswith("k8s.aliyun.com/"))
            return next(ours, "")

        eventually(lambda: reason() == "NamespaceDenied", within=60)
        assert arena.records(namespace) == []
        labelled = {"metadata": {"labels": {"dnat": "allowed"}}}
        arena.api.patch(f"/api/v1/namespaces/{namespace}", labelled)
        arena.ready(namespace, "web", within=60)
        assert [event.uri for event in arena.requests() if event.code == 403] == []
