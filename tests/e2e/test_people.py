"""The roles for people, as docs/install.md shows them: with these alone the commands work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.controlplane.files import CONTROLLER_NAMESPACE, write_kubeconfig
from tests.e2e.arena import Arena, exposing, pods_path
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.workloads import deployment
from tests.unit.manifests.commands import ROOT, blocks

RBAC = "/apis/rbac.authorization.k8s.io/v1"
INSIDE = f"{RBAC}/namespaces/{CONTROLLER_NAMESPACE}/rolebindings"
EVERYWHERE = f"{RBAC}/clusterrolebindings"
ACCOUNTS = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/serviceaccounts"

Type = Callable[..., str]


@pytest.fixture
def person(arena: Arena, tmp_path: Path) -> Iterator[Callable[..., Type]]:
    """Gives roles to somebody who has none, and what that one types commands with."""
    (shown,) = (b for b in blocks(ROOT / "docs" / "install.md", "yaml") if "kind: Role" in b)
    manifest = tmp_path / "roles.yaml"
    manifest.write_text(shown, "utf-8")
    kubectl = arena.control_plane.kubectl_as("admin")
    kubectl.apply(manifest)
    arena.api.create(ACCOUNTS, {"metadata": {"name": "person"}})
    bound: list[str] = []

    def with_roles(*roles: str) -> Type:
        bound.extend(_bind(arena, role) for role in roles)
        bound.append(_bind(arena, "dnatctl-reader", kind="ClusterRole"))
        return _typing(arena, tmp_path)

    yield with_roles
    for path in (*bound, f"{ACCOUNTS}/person"):
        arena.api.delete(path)
    kubectl.run("delete", "-f", manifest)


def _bind(arena: Arena, role: str, kind: str = "Role") -> str:
    path = EVERYWHERE if kind == "ClusterRole" else INSIDE
    subject = {"kind": "ServiceAccount", "name": "person", "namespace": CONTROLLER_NAMESPACE}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    body = {"metadata": {"name": f"person-{role}"}, "roleRef": reference, "subjects": [subject]}
    arena.api.create(path, body)
    return f"{path}/person-{role}"


def _typing(arena: Arena, folder: Path) -> Type:
    plane, file = arena.control_plane, folder / "person"
    token = arena.api.create(f"{ACCOUNTS}/person/token", {"spec": {}})["status"]["token"]
    write_kubeconfig(file, server=plane.url, authority=plane.authority, token=token)

    def types(*words: str) -> str:
        command = [sys.executable, "-m", "dnatctl", *words, "--kubeconfig", str(file)]
        env = {**os.environ, "NO_COLOR": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=env
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    return types


def _refused(arena: Arena, since: int) -> list[str]:
    user = f"system:serviceaccount:{CONTROLLER_NAMESPACE}:person"
    return [
        e.uri for e in arena.control_plane.audit.events(since=since, user=user) if e.code == 403
    ]


def _exposed(arena: Arena, kubelet: Kubelet, namespace: str) -> tuple[str, str]:
    """A pod of a Deployment, and its endpoint."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    arena.api.create(path, deployment("web", 1, annotations=exposing("80")))
    (pod,) = eventually(lambda: arena.api.get(pods_path(namespace))["items"], within=60)
    name = str(pod["metadata"]["name"])
    (entry,) = arena.ready(namespace, name)
    return name, f"{entry['externalIP']}:{entry['externalPort']}"


def test_a_reader_asks_and_gives_no_order(
    arena: Arena, kubelet: Kubelet, namespace: str, person: Callable[..., Type]
) -> None:
    since, replica = arena.control_plane.audit.mark(), arena.start()
    name, endpoint = _exposed(arena, kubelet, namespace)
    types = person("dnatctl-reader")
    place = ("--server", replica.status_address)
    assert json.loads(types("list", "-A", "-o", "json"))[0]["endpoints"][0]["usable"]
    assert f"{namespace}/{name}" in types("who", endpoint, *place)
    assert "reachable" in types("explain", f"{namespace}/{name}", *place)
    assert _refused(arena, since) == []
    with pytest.raises(AssertionError, match="Forbidden"):
        types("log-level", "all", "debug")


def test_an_operator_gives_orders_and_takes_them_back(
    arena: Arena, kubelet: Kubelet, namespace: str, person: Callable[..., Type]
) -> None:
    since, replica = arena.control_plane.audit.mark(), arena.start()
    name, endpoint = _exposed(arena, kubelet, namespace)
    types = person("dnatctl-reader", "dnatctl-operator")
    place = ("--server", replica.status_address)
    eip, pod = endpoint.partition(":")[0], f"pod/{namespace}/{name}"
    assert name in types("drain", eip, "--no-wait", *place)
    types("pause", pod, *place)
    types("log-level", pod, "debug", *place)
    types("resume", pod, *place)
    assert "in use again" in types("undrain", eip, *place)
    assert _refused(arena, since) == []
