"""The emulated API server, used with the kubectl of an old cluster (1.20)."""

from __future__ import annotations

from pathlib import Path

import yaml

from dnatctl_sim.kube import KubeServer
from tests.e2e.kubectl import Kubectl

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        },
    },
}


def test_an_old_kubectl_applies_changes_scales_and_deletes(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    """kubectl before 1.27 applies nothing where there is no /openapi/v2."""
    with KubeServer() as server:
        old = Kubectl(kubectl.program, Path(server.write_kubeconfig(str(tmp_path / "kubeconfig"))))
        for verb in ("created", "unchanged"):
            said = old.run("apply", "-f", "-", stdin=yaml.safe_dump(DEPLOYMENT))
            assert said == f"deployment.apps/web {verb}\n"
        old.run("annotate", "deployment", "web", "a=b")
        old.run("scale", "deployment", "web", "--replicas=3")
        old.run("rollout", "status", "deployment", "web", "--timeout=10s")
        assert len(old.run("get", "pods", "-o", "name").split()) == 3
        old.run("delete", "deployment", "web", "--cascade=foreground", "--timeout=10s")
        assert old.run("get", "pods", "-o", "name") == ""
