"""Stock kubectl against the emulated server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dnatctl_sim.kube import KubeServer
from tests.integration.sim.kube_support import Kubectl, crd, eventually, pod, pod_dnat
from tests.support.programs import KUBECTL

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: dnatctl-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: dnatctl, namespace: dnatctl-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "dnatctl:controller"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "dnatctl:controller"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "dnatctl:controller"}
subjects: [{kind: ServiceAccount, name: dnatctl, namespace: dnatctl-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: dnatctl-system}
data: {config.yaml: "clusterID: c1"}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: dnatctl-system}
stringData: {accessKey: secret}
---
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: dnatctl-system}
spec: {selector: {app: dnatctl}, ports: [{port: 8080}]}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: dnatctl, namespace: dnatctl-system}
spec: {holderIdentity: me}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: dnatctl, namespace: dnatctl-system}
spec: {minAvailable: 1, selector: {matchLabels: {app: dnatctl}}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: games}
value: 1000
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: dnatctl, namespace: dnatctl-system}
spec:
  replicas: 2
  selector: {matchLabels: {app: dnatctl}}
  template:
    metadata: {labels: {app: dnatctl}}
    spec:
      serviceAccountName: dnatctl
      containers: [{name: controller, image: "dnatctl:1", ports: [{containerPort: 8080}]}]
"""


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with KubeServer() as server:
        yield server


@pytest.fixture
def kubectl(server: KubeServer, tmp_path: Path) -> Kubectl:
    return Kubectl(server, tmp_path)


def running(kubectl: Kubectl, name: str) -> None:
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod(name)))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=300s")


def test_a_folder_of_manifests(kubectl: Kubectl, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    for number, document in enumerate(MANIFESTS.split("---\n")):
        (folder / f"{number:02}.yaml").write_text(document)
    (folder / "99-crd.yaml").write_text(yaml.safe_dump(crd()))
    first = kubectl("apply", "-f", str(folder))
    assert first.count(" created") == 12
    again = kubectl("apply", "-f", str(folder))
    # kubectl has no way to see that these two are the same as before.
    changed = [line for line in again.splitlines() if not line.endswith(" unchanged")]
    assert [line.split()[0] for line in changed] == [
        "secret/key",
        "poddisruptionbudget.policy/dnatctl",
    ]
    kubectl("-n", "dnatctl-system", "rollout", "status", "deploy/dnatctl", "--timeout=300s")
    shown = kubectl("-n", "dnatctl-system", "get", "all")
    for row in ("pod/dnatctl-", "service/metrics", "deployment.apps/dnatctl   2/2"):
        assert row in shown
    kubectl(
        "wait", "crd/poddnats.alibabacloud.com", "--for=condition=Established", "--timeout=300s"
    )
    data = kubectl("-n", "dnatctl-system", "get", "secret", "key", "-o", "jsonpath={.data}")
    assert json.loads(data) == {"accessKey": "c2VjcmV0"}
    kubectl("delete", "-f", str(folder), "--ignore-not-found", "--timeout=300s")
    assert "No resources found" in kubectl("get", "deploy,pods", "-A")


def test_getting_in_every_form(kubectl: Kubectl) -> None:
    running(kubectl, "web")
    plain = kubectl("get", "pods")
    assert plain.split()[:6] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "web"]
    assert "1/1     Running   0" in plain
    wide = kubectl("get", "pods", "-o", "wide")
    assert "10.0.0.10" in wide
    assert "node-" in wide
    assert kubectl("get", "po", "-o", "name") == "pod/web\n"
    assert yaml.safe_load(kubectl("get", "pod", "web", "-o", "yaml"))["kind"] == "Pod"
    listed = json.loads(kubectl("get", "pods", "-A", "-o", "json"))
    assert [item["metadata"]["name"] for item in listed["items"]] == ["web"]
    assert kubectl("get", "pod", "web", "-o", "jsonpath={.status.podIP}") == "10.0.0.10"
    assert "default     web" in kubectl("get", "pods", "-A")
    assert kubectl("get", "pods", "--field-selector", "status.phase=Running", "-o", "name")
    assert "No resources" in kubectl("get", "pods", "-l", "app=none")
    assert "NotFound" in kubectl("get", "pod", "nosuch", code=1)


def test_watching_prints_rows_as_they_come(kubectl: Kubectl, server: KubeServer) -> None:
    process = subprocess.Popen(
        [KUBECTL, "--kubeconfig", kubectl.config, "get", "pods", "-w", "--no-headers"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: server.watches.count("pods") == 1)
        server.store.create("pods", pod("web", namespace="default"))
        assert process.stdout is not None
        lines = [process.stdout.readline().split()[:3] for _ in range(3)]
    finally:
        process.kill()
        process.communicate()
    assert lines[0] == ["web", "0/1", "Pending"]
    assert lines[-1] == ["web", "1/1", "Running"]


def test_custom_resources_with_columns_and_short_name(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(crd()))
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod_dnat("web", "v1")))
    assert kubectl("get", "pd").split() == ["NAME", "IP", "PORT", "web", "203.0.113.1", "512"]
    wide = kubectl("get", "pd", "-o", "wide")
    assert wide.split()[:4] == ["NAME", "IP", "PROTOCOL", "PORT"]
    assert wide.split()[4:] == ["web", "203.0.113.1", "tcp", "512"]
    found = kubectl("get", "poddnats.v1beta1.alibabacloud.com", "web", "-o", "yaml")
    assert yaml.safe_load(found)["apiVersion"] == "alibabacloud.com/v1beta1"
    assert "externalIP" in kubectl("explain", "poddnat.spec")
    bad = pod_dnat("bad", "v1")
    bad["spec"]["typo"] = 1
    assert 'unknown field "spec.typo"' in kubectl(
        "create", "-f", "-", stdin=yaml.safe_dump(bad), code=1
    )
    status = '{"status": {"entries": ["a"]}}'
    kubectl("patch", "pd", "web", "--subresource=status", "--type=merge", "-p", status)
    kubectl("wait", "pd/web", "--for=jsonpath={.status.entries[0]}=a", "--timeout=300s")


def test_changing(kubectl: Kubectl) -> None:
    running(kubectl, "web")
    kubectl("annotate", "pod", "web", "k8s.aliyun.com/pod-dnat=")
    kubectl("label", "pod", "web", "tier=front")
    kubectl("patch", "pod", "web", "-p", '{"spec":{"containers":[{"name":"main","image":"b"}]}}')
    kubectl("patch", "pod", "web", "--type=merge", "-p", '{"metadata":{"labels":{"x":"y"}}}')
    operation = '[{"op":"add","path":"/metadata/labels/z","value":"1"}]'
    kubectl("patch", "pod", "web", "--type=json", "-p", operation)
    body = json.loads(kubectl("get", "pod", "web", "-o", "json"))
    assert body["metadata"]["labels"] == {"tier": "front", "x": "y", "z": "1"}
    assert body["metadata"]["annotations"]["k8s.aliyun.com/pod-dnat"] == ""
    assert body["spec"]["containers"][0]["image"] == "b"
    body["metadata"]["labels"] = {"only": "this"}
    kubectl("replace", "-f", "-", stdin=json.dumps(body))
    assert kubectl("get", "pods", "-l", "only=this", "-o", "name") == "pod/web\n"
    stale = kubectl("replace", "-f", "-", stdin=json.dumps(body), code=1)
    assert "the object has been modified" in stale


def test_describe_events_and_diff(kubectl: Kubectl, server: KubeServer) -> None:
    running(kubectl, "web")
    uid = kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}")
    involved = {"apiVersion": "v1", "kind": "Pod", "name": "web", "namespace": "default"}
    event = {
        "metadata": {"name": "web.1", "namespace": "default"},
        "regarding": {**involved, "uid": uid},
        "reason": "Exposed",
        "type": "Normal",
        "note": "203.0.113.1:512",
        "reportingController": "dnatctl",
        "reportingInstance": "dnatctl-0",
        "action": "Expose",
        "eventTime": "2026-01-01T00:00:00.000000Z",
    }
    server.store.create("events.events.k8s.io", event)
    described = kubectl("describe", "pod", "web")
    assert "203.0.113.1:512" in described
    assert "Ready" in described
    assert "Exposed" in kubectl("events", "--for", "pod/web")
    assert "Exposed" in kubectl("get", "events")
    changed = pod("web")
    changed["spec"]["containers"][0]["image"] = "game:2"
    assert "+  - image: game:2" in kubectl("diff", "-f", "-", stdin=yaml.safe_dump(changed), code=1)
    assert "node-1" in kubectl("describe", "node", "node-1")


def test_deleting(kubectl: Kubectl, server: KubeServer) -> None:
    running(kubectl, "web")
    running(kubectl, "other")
    kubectl("delete", "pod", "web", "--timeout=300s")
    server.kubelet.hold()
    kubectl("delete", "pod", "other", "--wait=false")
    assert "Terminating" in kubectl("get", "pod", "other")
    kubectl("delete", "pod", "other", "--grace-period=0", "--force", "--timeout=300s")
    assert "No resources" in kubectl("get", "pods")


def test_a_finalizer_keeps_kubectl_waiting(kubectl: Kubectl) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "finalizers": ["x/y"]},
    }
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(document))
    assert "timed out" in kubectl("delete", "cm", "a", "--timeout=3s", code=1)
    kubectl("patch", "cm", "a", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "NotFound" in kubectl("get", "cm", "a", code=1)


def test_workloads(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFESTS)
    space = ("-n", "dnatctl-system")
    kubectl(*space, "scale", "deploy/dnatctl", "--replicas=3")
    kubectl(*space, "rollout", "status", "deploy/dnatctl", "--timeout=300s")
    kubectl(*space, "set", "image", "deploy/dnatctl", "controller=dnatctl:2")
    kubectl(*space, "rollout", "status", "deploy/dnatctl", "--timeout=300s")
    kubectl(*space, "rollout", "undo", "deploy/dnatctl")
    kubectl(*space, "rollout", "status", "deploy/dnatctl", "--timeout=300s")
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl(*space, "get", "deploy", "dnatctl", "-o", path) == "dnatctl:1"
    sets = kubectl(*space, "get", "rs", "-o", "name").split()
    assert len(sets) == 2, "the first ReplicaSet was taken up again"
    kubectl(*space, "rollout", "restart", "deploy/dnatctl")
    kubectl(*space, "rollout", "status", "deploy/dnatctl", "--timeout=300s")
    assert "3/3" in kubectl(*space, "get", "deploy", "dnatctl")
    kubectl("delete", "ns", "dnatctl-system", "--timeout=300s")


def test_running_and_exposing(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=game:1", "--port=80")
    kubectl("expose", "pod", "web", "--port=80")
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}").startswith("10.96.")


def test_nodes(kubectl: Kubectl) -> None:
    kubectl("cordon", "node-1")
    kubectl("run", "web", "--image=game:1")
    kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=300s")
    assert kubectl("get", "pod", "web", "-o", "jsonpath={.spec.nodeName}") == "node-2"
    kubectl("uncordon", "node-1")


@pytest.mark.parametrize(
    "words",
    [
        ("version",),
        ("cluster-info",),
        ("api-resources",),
        ("api-versions",),
        ("get", "--raw", "/readyz"),
        ("auth", "can-i", "create", "pods"),
        ("auth", "whoami"),
        ("explain", "pods"),
    ],
)
def test_asking_about_the_server(kubectl: Kubectl, words: tuple[str, ...]) -> None:
    assert kubectl(*words)


def missing(wanted: object, found: object, path: str = "") -> list[str]:
    """Where `found` lacks something that is in `wanted` (nothing and empty are the same)."""
    if isinstance(wanted, dict):
        of = found if isinstance(found, dict) else {}
        return [gap for key in wanted for gap in missing(wanted[key], of.get(key), f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [gap for i, (want, have) in pairs for gap in missing(want, have, f"{path}[{i}]")]
    return [] if wanted == found or not wanted else [f"{path}: {wanted!r} != {found!r}"]


def test_logs_say_that_nothing_runs(kubectl: Kubectl) -> None:
    running(kubectl, "web")
    assert "emulated pod web: Running" in kubectl("logs", "web")
